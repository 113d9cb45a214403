"""Keeping snapshots: a state is written every so often, in the background, so that loading an account stays short."""

import asyncio
import logging

import psycopg
from psycopg_pool import PoolTimeout

from ledger.store.log import EventLog
from ledger.store.stream_heads import StreamHead

EVERY = 100
"""Events between two snapshots of an account; loading one that took more to fold is a reason for another."""
_PAUSE = 0.5
_MOST = 500

_log = logging.getLogger("credit_ledger.snapshot_writer")


class SnapshotWriter:
    """Accounts whose state is to be kept. Losing some changes cost, never meaning."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._due: dict[str, StreamHead] = {}

    def notice(self, head: StreamHead) -> None:
        """Keep a state, soon."""
        self._due[head.account.account_id] = head

    async def keep(self) -> None:
        """Write what is due, again and again."""
        while True:
            await asyncio.sleep(_PAUSE)
            await self.write()

    async def write(self) -> None:
        """Write what is due now."""
        while self._due:
            due = [self._due.pop(name) for name in list(self._due)[:_MOST]]
            try:
                await self._log.save_snapshots(due)
            except (psycopg.Error, PoolTimeout) as error:
                _log.warning("%d snapshots were not kept: %s", len(due), error)
                return
