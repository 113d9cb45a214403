"""Tells what happens at our own provider: each event is signed, verified as any other delivery, and put down."""

from collections.abc import Iterable

from billing.checkouts.checkout import MANUAL
from billing.checkouts.table import Connection
from billing.inbox.inbox import Inbox
from billing.inbox.receiving import Reception
from billing.manual.payloads import Event, sign
from billing.providers.provider import Delivery
from ledger.service import Ledger


class Telling:
    """Puts deliveries down within the transaction that causes them, so that neither is there without the other.

    `live` is whether the money is real.
    """

    def __init__(self, ledger: Ledger, inbox: Inbox, reception: Reception, *, live: bool) -> None:
        self.ledger = ledger
        self.live = live
        self._inbox = inbox
        self._reception = reception

    async def tell(self, connection: Connection, events: Iterable[Event]) -> tuple[Delivery, ...]:
        """Put some events down in the transaction of a connection. Once that is committed, call `announce`."""
        now = self.ledger.clock()
        all_signed = [sign(event, self._inbox.manual_key, now) for event in events]
        receive = self._reception.receive_on
        return tuple([await receive(connection, MANUAL, signed.headers, signed.body) for signed in all_signed])

    def announce(self) -> None:
        """Say that something was put down, so that it is applied at once."""
        self._reception.announce()
