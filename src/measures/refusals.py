"""Counts refusals by code, for the operators' statistics. A refusal records no event, so this is no projection.

Each worker counts in memory and writes the counts every second. A killed worker loses the counts of that second.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import AsyncConnection

from ledger.domain.changes import bucket_of
from ledger.postgres.named_sql import queries
from ledger.store import EventLog

EVERY = 1.0
_SQL = queries("measures", "sql/refusals.sql")


class RefusalCounter:
    """The refusals of one service process since it last wrote them."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._counts: Counter[tuple[datetime, str]] = Counter()

    def count(self, code: str) -> None:
        """Count a refused command."""
        self._counts[bucket_of(datetime.now(UTC)), code] += 1

    async def run(self) -> None:
        """Write the counts every second, until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            await self.write()

    async def write(self) -> None:
        """Write the counts. Counts that cannot be written are kept for the next time."""
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            async with self._log.connection() as connection:
                await write_counts(connection, counts)
        except psycopg.Error:
            self._counts.update(counts)


async def write_counts(connection: AsyncConnection[Any], counts: Mapping[tuple[datetime, str], int]) -> None:
    """Add to the stored counts: refusals by quarter of an hour and code."""
    parameters = {
        "buckets": [bucket for bucket, _ in counts],
        "codes": [code for _, code in counts],
        "counts": list(counts.values()),
    }
    await connection.execute(_SQL["count_refusals"], parameters)


async def refusals_per_span(log: EventLog, starts: Sequence[datetime]) -> dict[int, dict[str, int]]:
    """Refusals by code in each span of time, numbered from 0. `starts` also has the end of the last span."""
    parameters = {"starts": list(starts), "first": starts[0], "last": starts[-1]}
    found: dict[int, dict[str, int]] = {}
    async with log.connection() as connection:
        cursor = await connection.execute(_SQL["refusals_per_span"], parameters)
        for place, code, count in await cursor.fetchall():
            found.setdefault(place - 1, {})[code] = int(count)
    return found
