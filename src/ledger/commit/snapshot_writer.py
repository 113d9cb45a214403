"""The snapshot writer: it stores account states in the background, so that loading an account stays fast."""

import asyncio
import logging

import psycopg
from psycopg_pool import PoolTimeout

from ledger.store.log import EventLog
from ledger.store.snapshots import Snapshot

_PAUSE = 0.5
_MOST = 500

_log = logging.getLogger("credit_ledger.snapshot_writer")


class SnapshotWriter:
    """Collects states and writes them as snapshots. A snapshot that is lost costs time, and changes no answer."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._due: dict[str, Snapshot] = {}

    def schedule(self, snapshot: Snapshot) -> None:
        """Write a snapshot at the next opportunity. The event that proves it is in the log."""
        self._due[snapshot.account_id] = snapshot

    async def run(self) -> None:
        """Write scheduled snapshots until cancelled."""
        while True:
            await asyncio.sleep(_PAUSE)
            await self.write_due()

    async def write_due(self) -> None:
        """Write all scheduled snapshots now."""
        while self._due:
            due = [self._due.pop(name) for name in list(self._due)[:_MOST]]
            try:
                await self._log.save_snapshots(due)
            except (psycopg.Error, PoolTimeout) as error:
                _log.warning("%d snapshots could not be written: %s", len(due), error)
                return
