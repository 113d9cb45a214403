"""A database for thousands of short examples, one after the other: emptied between them, never made anew."""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import sql

from ledger.commit.notifications import CommitListener
from ledger.store.feed import Feed
from ledger.store.log import EventLog, Writer
from projections.engine.runner import Runner, connect
from projections.models.catalog import PROJECTIONS
from projections.models.projection import Projection
from tests.postgres import tampering
from tests.projections.folding import Told
from tests.projections.stored import log_rows
from tests.store.chaining import append

Answer = TypeVar("Answer")


class Bench:
    """The database, what reads and writes it, and the loop in which all of that lives."""

    def __init__(self, conninfo: str, loop: asyncio.Runner, anything: psycopg.Connection[Any]) -> None:
        self.conninfo = conninfo
        self.anything = anything
        """For what nobody may do: to change what was appended."""
        self.plain = psycopg.connect(conninfo, autocommit=True)
        self.plain.execute("SET synchronous_commit = off")
        self.log = EventLog(conninfo, readers=2)
        self.feed = Feed(self.log)
        self._loop = loop
        self._emptying = _emptying()
        self.run(self._open())

    async def _open(self) -> None:
        await self.log.open()
        self.connection = await connect(self.conninfo)
        self._writer = Writer(await connect(self.conninfo))

    async def _close(self) -> None:
        await self._writer.close()
        await self.connection.close()
        await self.log.close()

    def close(self) -> None:
        self.run(self._close())
        self.plain.close()

    def run(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Do something asynchronous, and wait for it."""
        return self._loop.run(work)

    def empty(self) -> None:
        """As if nothing had ever been written."""
        self.anything.execute("DELETE FROM ledger.events")
        self.empty_projections()

    def empty_projections(self) -> None:
        """As if no projection had ever been moved; the log stays."""
        self.plain.execute(self._emptying)

    async def append(self, log: Sequence[Told]) -> None:
        """Write events; they get the positions that they name."""
        if log:
            appended = await append(self._writer, log_rows(log))
            assert not appended.stale
            assert appended.first_position == log[0].position

    def runner(self, page: int, projections: Sequence[Projection] = PROJECTIONS) -> Runner:
        """A runner that is moved by hand."""
        return Runner(self.conninfo, self.feed, CommitListener(self.conninfo), projections=projections, page=page)

    async def project(self, page: int, projections: Sequence[Projection] = PROJECTIONS) -> None:
        """Move projections to the end of the log, undisturbed."""
        runner = self.runner(page, projections)
        while await runner.step(self.connection):
            pass


def _emptying() -> sql.Composed:
    """DELETE and not TRUNCATE: for a few rows it is ten times as fast."""
    delete, begin = (
        sql.SQL("DELETE FROM {}; "),
        sql.SQL("UPDATE {} SET position = 0, as_of = NULL, stopped_at = NULL; "),
    )
    tables = [(projection.schema, name) for projection in PROJECTIONS for name in projection.stored_tables]
    schemas = [projection.schema for projection in PROJECTIONS]
    return sql.Composed(
        [delete.format(sql.Identifier(*table)) for table in tables]
        + [begin.format(sql.Identifier(schema, "checkpoint")) for schema in schemas]
    )


@contextmanager
def bench_on(conninfo: str) -> Iterator[Bench]:
    """A bench until the block ends."""
    with asyncio.Runner() as loop, tampering(conninfo) as anything:
        anything.execute("SET synchronous_commit = off")
        bench = Bench(conninfo, loop, anything)
        try:
            yield bench
        finally:
            bench.close()
