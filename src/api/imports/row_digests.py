"""Remembers a digest of each row that a job has recorded, to tell when another file brings the same row again.

It warns people. What protects from charging twice are the idempotency keys of the ledger, which need no memory of rows.
"""

from collections import Counter
from typing import Any
from uuid import UUID

from ledger.postgres.named_sql import queries
from ledger.store import EventLog

_SQL = queries("api.imports", "sql/row_digests.sql")


class RowDigests:
    """The digests of the rows of all jobs. Every method raises psycopg.Error."""

    def __init__(self, log: EventLog, job: str) -> None:
        self._log = log
        self._job = job
        self._job_id: int | None = None
        self._alone: bool | None = None
        """Whether there is no other job, so that no row can be known."""

    async def jobs_with(self, digests: list[bytes]) -> Counter[str]:
        """How many of some rows each other job has recorded."""
        if self._alone is None:
            self._alone = not (await self._rows("other_jobs"))[0][0]
        if self._alone:
            return Counter()
        return Counter({name: int(count) for name, count in await self._rows("jobs_with", digests=_uuids(digests))})

    async def keep(self, digests: list[bytes]) -> None:
        """Remember rows that this job has recorded."""
        if not digests:
            return
        if self._job_id is None:
            await self._rows("begin_job")
            self._job_id = (await self._rows("job_id"))[0][0]
        await self._rows("keep", job_id=self._job_id, digests=_uuids(digests))

    async def _rows(self, name: str, **parameters: Any) -> list[Any]:
        async with self._log.connection() as connection:
            cursor = await connection.execute(_SQL[name], {"name": self._job, **parameters})
            return await cursor.fetchall() if cursor.description else []


def _uuids(digests: list[bytes]) -> list[UUID]:
    return [UUID(bytes=digest) for digest in digests]
