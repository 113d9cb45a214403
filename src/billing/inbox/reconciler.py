"""The reconciler: once a day it reads again what each provider has, in one process of a service at a time."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import psycopg

from billing.calls.calls import ProviderFailed
from billing.inbox.inbox import Inbox
from billing.inbox.reconciling import LOOK_BACK, SQL, Reconciled, Source, reconcile
from billing.known_facts import Connection, rows
from ledger.postgres.connecting import connect_async

EVERY = timedelta(days=1)
LONGEST = timedelta(days=30)
"""How far back is read after a long pause: no provider tells more."""
_LOOK_EVERY = 600.0
"""Seconds between two looks whether a day has passed; after a failure, too, the next look tries again."""
_NEVER = datetime.min.replace(tzinfo=UTC)
_log = logging.getLogger("credit_ledger.webhooks")


class Reconciler:
    """Reads providers again until it is cancelled. `arrived` is called when something was put down."""

    def __init__(
        self,
        inbox: Inbox,
        conninfo: str,
        sources: Sequence[Source],
        clock: Callable[[], datetime],
        arrived: Callable[[], None],
    ) -> None:
        self._inbox = inbox
        self._conninfo = conninfo
        self._sources = sources
        self._clock = clock
        self._arrived = arrived

    async def run(self) -> None:
        """Read every provider again once a day until cancelled. Without one it has nothing to do."""
        while self._sources:
            try:
                async with await connect_async(self._conninfo) as connection:
                    await self.turn(connection)
            except psycopg.Error as error:
                _log.warning("the reconciler waits for the database: %s", str(error).strip() or type(error).__name__)
            await asyncio.sleep(_LOOK_EVERY)

    async def turn(self, connection: Connection) -> list[Reconciled]:
        """Read the providers that were not read for a day, unless another process does."""
        [lead] = await rows(connection, SQL["lead_reconciler"], {})
        if not lead["leads"]:
            return []
        before = {row["provider"]: row["upto"] for row in await rows(connection, SQL["reconciled"], {})}
        now = self._clock()
        due = [one for one in self._sources if now - before.get(one.calls.provider, _NEVER) >= EVERY]
        found = [await self._read(one, connection, before.get(one.calls.provider, now), now) for one in due]
        return [one for one in found if one is not None]

    async def _read(self, source: Source, connection: Connection, before: datetime, now: datetime) -> Reconciled | None:
        """Read one provider, from some days before the last time on: what happened then may have been told late."""
        since = max(before - LOOK_BACK, now - LONGEST)
        try:
            done = await reconcile(source, self._inbox, connection, since, self._clock, lambda _: None)
        except ProviderFailed as error:
            _log.warning("%s was not read again: %s", source.calls.provider, error.detail)
            return None
        await connection.execute(SQL["note_reconciled"], {"provider": done.provider, "upto": now})
        if done.new:
            _log.warning("%s had %d deliveries that no webhook has told", done.provider, done.new)
            self._arrived()
        return done
