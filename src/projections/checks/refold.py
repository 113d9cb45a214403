"""Refolding: it makes the projections of some accounts again from their events, in temporary tables.

Each projection's own `create`, `gather` and statements make the tables and their rows. In addition, the domain folds
the same events, independently of the projections.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import AsyncConnection, IsolationLevel, sql

from ledger.domain.account import Account, evolve
from ledger.domain.changes import Fact
from ledger.postgres.connecting import connect_async
from ledger.postgres.errors import LOST
from ledger.postgres.named_sql import queries
from ledger.store import FalseSnapshot, KeptSnapshots, UnreadableEvent, read, streams
from projections.engine.builds import CannotApply, use
from projections.engine.runner import facts_of
from projections.models.catalog import PROJECTIONS
from projections.models.projection import Projection, Write

Connection = AsyncConnection[Any]
SQL = queries("projections.checks", "sql/check.sql")
PAGE = 500
"""The number of events in memory at a time. It is small, because other tasks of a service wait for this process."""

REFOLDED = tuple(projection for projection in PROJECTIONS if any(table.of_accounts for table in projection.tables))
"""The projections that can be made from the events of some accounts; the others are about all accounts together."""


class CannotFold(Exception):
    """The events of an account do not follow from each other, so the log was changed."""

    def __init__(self, projection: str, problem: Exception) -> None:
        super().__init__(f"{type(problem).__name__}: {str(problem).strip()}")
        self.projection = projection


@dataclass(slots=True)
class Folded:
    """The number of events, and for each position of a projection the accounts as they were there."""

    events: int = 0
    accounts: dict[int, dict[str, Account]] = field(default_factory=dict)
    snapshots: Sequence[FalseSnapshot] = ()
    """The kept snapshots that differ from the folded accounts."""


async def connect(conninfo: str) -> Connection:
    """A connection for checks: each of its transactions uses one snapshot and has the temporary tables."""
    connection: Connection = await connect_async(conninfo)
    try:
        await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        await connection.execute("SET TimeZone TO 'UTC'")
        async with connection.transaction():
            await connection.execute("SET LOCAL search_path TO pg_temp")  # where `create` makes its tables
            for projection in REFOLDED:
                await connection.execute(projection.statements["create"])
                for table in projection.stored_tables:
                    name = sql.Identifier(table)
                    await connection.execute(sql.SQL(SQL["empty_at_commit"]).format(table=name))
                if "views" in projection.statements:
                    await connection.execute(projection.statements["views"])
    except BaseException:
        await connection.close()
        raise
    return connection


async def refold(connection: Connection, accounts: Sequence[str], positions: Mapping[Projection, int]) -> Folded:
    """Fold the events of some accounts into the temporary tables, each projection up to its own position.

    Call it once in a transaction. Raises CannotFold, UnreadableEvent and LOST.
    """
    end = max(positions.values(), default=0)
    folded = Folded(accounts={position: {} for position in positions.values()})
    kept = await KeptSnapshots.of(connection, accounts)
    await connection.execute(use("pg_temp"))
    async for rows in streams(connection, accounts, end, PAGE):
        facts = facts_of(read(rows))
        folded.events += len(facts)
        _evolve(folded.accounts, facts, kept, end)
        for projection, position in positions.items():
            await asyncio.sleep(0)
            await _apply(connection, projection, [one for one in facts if one.position <= position])
    await connection.execute(b"SET LOCAL search_path TO pg_catalog, pg_temp")
    folded.snapshots = kept.false
    return folded


def _evolve(states: Mapping[int, dict[str, Account]], facts: Iterable[Fact], kept: KeptSnapshots, end: int) -> None:
    try:
        for one in facts:
            for position, accounts in states.items():
                if one.position <= position:
                    accounts[one.account_id] = account = evolve(accounts.get(one.account_id), one.event)
                    if position == end:
                        kept.compare(account)
    except Exception as problem:  # folding checks nothing, so damaged events may raise anything
        raise CannotFold("log", problem) from problem


async def _apply(connection: Connection, projection: Projection, facts: Sequence[Fact]) -> None:
    try:
        writes = projection.gather(facts) if facts else []
        async with connection.pipeline():
            written = [(write, await _send(connection, projection, write)) for write in writes]
        for write, cursor in written:
            if write.exact and cursor.rowcount != write.rows:
                raise CannotApply(f"{write.statement} found {cursor.rowcount} of {write.rows} rows")
    except (*LOST, UnreadableEvent):
        raise
    except Exception as problem:  # whatever the error is, it is reported with its account
        raise CannotFold(projection.name, problem) from problem


async def _send(connection: Connection, projection: Projection, write: Write) -> Any:
    return await connection.execute(projection.statements[write.statement], write.columns, prepare=True)
