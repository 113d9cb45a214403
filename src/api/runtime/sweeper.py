"""The sweeper: records expiries, starts and allowances that no command has recorded yet, at a limited rate.

Answers never depend on it: expired credits cannot be spent, whether their expiry is recorded or not. Only one process
sweeps at a time.
"""

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import AsyncConnection

from api.http import metrics
from ledger.commit.submission import Overloaded, Recorded, Submission, Unavailable
from ledger.domain.commands import RecordExpiries
from ledger.domain.errors import Refusal
from ledger.postgres.connecting import connect_async
from ledger.postgres.named_sql import queries
from ledger.service import Ledger
from ledger.store import Metadata, UnreadableEvent
from projections.models.balances.queries import due
from projections.models.subscriptions.queries import due as allowances_due

_RETRY = 2.0
_ASK_AGAIN = timedelta(hours=1)
_SQL = queries("api.runtime")
_log = logging.getLogger("credit_ledger.sweeper")


class Sweeper:
    """Searches every `interval` seconds, and writes to at most `rate` accounts a second."""

    def __init__(self, ledger: Ledger, conninfo: str, interval: float, rate: int) -> None:
        self._ledger = ledger
        self._conninfo = conninfo
        self._interval = interval
        self._batch = max(1, int(rate * interval))
        self._leading = False
        self._unreadable: set[str] = set()
        """Accounts with an event that cannot be read. They are left alone until the next start."""
        self._nothing_due: dict[str, datetime] = {}
        """Accounts whose next allowance came to nothing, because its money went back, and since when."""

    async def run(self) -> None:
        """Sweep until cancelled. After a lost connection, wait for the database."""
        while True:
            self._leading = False
            try:
                async with await connect_async(self._conninfo) as connection:
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
        """Record the due expiries of one batch of accounts. Returns the number of recorded events.

        The balances projection names the accounts. If it is behind, it may name an account twice, and the second time
        there is nothing to record.
        """
        accounts = await self._due(connection, self._ledger.clock())
        sweeping = [self._ledger.execute(_submission(account)) for account in accounts]
        outcomes = await asyncio.gather(*sweeping, return_exceptions=True)
        events = 0
        for account, outcome in zip(accounts, outcomes, strict=True):
            if isinstance(outcome, Recorded):
                events += len(outcome.events)
                if not outcome.events:
                    self._nothing_due[account] = self._ledger.clock()
            elif isinstance(outcome, UnreadableEvent):
                self._unreadable.add(account)
                _log.error("the expiries of account %s are not recorded: %s", account, outcome)
            elif not isinstance(outcome, Refusal | Overloaded):  # commands come first; the next sweep tries again
                raise outcome
        metrics.SWEPT.inc(events)
        return events

    async def _due(self, connection: AsyncConnection[Any], now: datetime) -> list[str]:
        """The accounts to look at, at most one batch."""
        self._nothing_due = {name: since for name, since in self._nothing_due.items() if now - since < _ASK_AGAIN}
        expiring = await due(connection, now, self._batch + len(self._unreadable))
        limit = self._batch + len(self._unreadable) + len(self._nothing_due)
        allowed = [name for name in await allowances_due(connection, now, limit) if name not in self._nothing_due]
        named = dict.fromkeys((*expiring, *allowed))
        return [account for account in named if account not in self._unreadable][: self._batch]


def _submission(account_id: str) -> Submission:
    return Submission(RecordExpiries(account_id), Metadata("sweeper", "expire", None, "sweep"))
