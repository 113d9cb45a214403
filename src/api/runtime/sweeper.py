"""The sweeper: records expiries and hold expiries that no command has met, at a bounded rate.

Answers never depend on it: an expired lot is never spendable, swept or not. One process of all sweeps at a time.
"""

import asyncio
import logging
from typing import Any

import psycopg
from psycopg import AsyncConnection

from api.http import metrics
from ledger.commit.submission import Overloaded, Recorded, Submission, Unavailable
from ledger.domain.commands import RecordExpiries
from ledger.postgres.named_sql import queries
from ledger.service import Ledger
from ledger.store import Metadata
from projections.models.balances.queries import due

_RETRY = 2.0
_SQL = queries("api.runtime")
_log = logging.getLogger("credit_ledger.sweeper")


class Sweeper:
    """Looks every `interval` seconds, and writes to at most `rate` accounts a second."""

    def __init__(self, ledger: Ledger, conninfo: str, interval: float, rate: int) -> None:
        self._ledger = ledger
        self._conninfo = conninfo
        self._interval = interval
        self._batch = max(1, int(rate * interval))
        self._leading = False

    async def run(self) -> None:
        """Sweep until cancelled; a lost database is waited for."""
        while True:
            self._leading = False
            try:
                async with await AsyncConnection.connect(self._conninfo, autocommit=True) as connection:
                    await self._sweep_on(connection)
            except (psycopg.Error, Unavailable) as error:
                _log.warning("the sweeper waits for the database: %s", str(error).strip() or type(error).__name__)
            await asyncio.sleep(_RETRY)

    async def _sweep_on(self, connection: AsyncConnection[Any]) -> None:
        while True:
            if await self._leads(connection):
                await self.sweep(connection)
            await asyncio.sleep(self._interval)

    async def _leads(self, connection: AsyncConnection[Any]) -> bool:
        if not self._leading:
            cursor = await connection.execute(_SQL["lead_sweeper"])
            row = await cursor.fetchone()
            self._leading = bool(row and row[0])
        return self._leading

    async def sweep(self, connection: AsyncConnection[Any]) -> int:
        """Record what is due at one batch of accounts; returns how many events that made.

        Which accounts are due is asked of the balances. Where these lag, an account is looked at twice, and the second
        look finds nothing to record.
        """
        accounts = await due(connection, self._ledger.clock(), self._batch)
        try:
            outcomes = await asyncio.gather(*[self._ledger.execute(_submission(account)) for account in accounts])
        except Overloaded:
            return 0  # commands come first; the next turn looks again
        events = sum(len(outcome.events) for outcome in outcomes if isinstance(outcome, Recorded))
        metrics.SWEPT.inc(events)
        return events


def _submission(account_id: str) -> Submission:
    return Submission(RecordExpiries(account_id), Metadata("sweeper", "expire", None, "sweep"))
