"""Receiving: a delivery is verified on its raw bytes and put down before it is answered.

While the database is away it goes to the spool, and the provider is asked to send it again: 503 says that nothing is
promised, and the spool that it is not lost when the provider has no more patience.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime

import psycopg

from billing.errors import BillingRefused
from billing.inbox.inbox import Connection, Inbox
from billing.inbox.spool import Spool, SpoolFull
from billing.inbox.webhook import Arrival, PutDown
from billing.providers.provider import Delivery, NotGenuine, Provider
from ledger.domain.errors import shown

PATIENCE = 8.0
"""Seconds that the database may take to put a delivery down. The least patient provider waits a few more."""
_DRAIN_EVERY = 1.0
_log = logging.getLogger("credit_ledger.webhooks")


class ProviderNotConfigured(BillingRefused):
    """There is no such provider, or it has no secret here."""

    code = "provider_not_configured"


class SignatureInvalid(BillingRefused):
    """No secret of the provider has signed the delivery, or one did too long ago."""

    code = "signature_invalid"


class NotPutDown(Exception):
    """The database is away. `spooled` says whether the delivery is kept until it is back."""

    def __init__(self, *, spooled: bool) -> None:
        super().__init__(spooled)
        self.spooled = spooled


class Reception:
    """Receives deliveries of the providers that have a secret. `arrived` is called when one was put down."""

    def __init__(
        self,
        inbox: Inbox,
        spool: Spool,
        providers: Mapping[str, Provider],
        clock: Callable[[], datetime],
        arrived: Callable[[], None],
        patience: float = PATIENCE,
    ) -> None:
        self._inbox = inbox
        self._spool = spool
        self._providers = providers
        self._clock = clock
        self._arrived = arrived
        self._patience = patience

    async def receive(self, provider: str, headers: Mapping[str, str], body: bytes) -> PutDown:
        """Put a delivery down. Raises ProviderNotConfigured, SignatureInvalid and NotPutDown."""
        return await self._put_down(self._verified(provider, headers, body))

    async def receive_on(
        self, connection: Connection, provider: str, headers: Mapping[str, str], body: bytes
    ) -> Delivery:
        """Put a delivery down as a part of the transaction of a connection. Once that is committed, call `announce`.

        Raises ProviderNotConfigured, SignatureInvalid and psycopg.Error.
        """
        arrival = self._verified(provider, headers, body)
        await self._inbox.put_down_on(connection, arrival)
        return arrival.delivery

    def announce(self) -> None:
        """Say that something was put down, so that it is applied at once."""
        self._arrived()

    def _verified(self, provider: str, headers: Mapping[str, str], body: bytes) -> Arrival:
        found = self._providers.get(provider)
        if found is None:
            name = shown(provider)
            raise ProviderNotConfigured(f"No secret for webhooks of {name!r} is set.", provider=name)
        now = self._clock()
        try:
            delivery = found.verify(headers, body, now)
        except NotGenuine as reason:
            raise SignatureInvalid(f"The delivery is not genuine: {reason}.", provider=provider) from None
        return Arrival(delivery, dict(headers), now)

    async def _put_down(self, arrival: Arrival) -> PutDown:
        try:
            async with asyncio.timeout(self._patience):
                done = await self._inbox.put_down(arrival)
        except (psycopg.Error, TimeoutError) as error:
            _log.warning("a webhook goes to the spool: %s", str(error).strip() or type(error).__name__)
            raise NotPutDown(spooled=await self._spooled(arrival)) from error
        self._arrived()
        return done

    async def _spooled(self, arrival: Arrival) -> bool:
        try:
            await asyncio.to_thread(self._spool.keep, arrival)
        except SpoolFull as error:
            _log.error("%s", error)
            return False
        return True

    async def keep_drained(self) -> None:
        """Put down what is in the spool, as soon as the database is back, until cancelled."""
        while True:
            try:
                await self.drain()
            except psycopg.Error as error:
                _log.debug("the spool waits for the database: %s", error)
            await asyncio.sleep(_DRAIN_EVERY)

    async def drain(self) -> int:
        """Put down what is in the spool. Returns how many deliveries it had. Raises psycopg.Error."""
        names = await asyncio.to_thread(self._spool.names)
        for name in names:
            arrival = await asyncio.to_thread(self._spool.read, name)
            if arrival is not None:
                await self._inbox.put_down(arrival)
                await asyncio.to_thread(self._spool.drop, name)
                self._arrived()
        return len(names)
