"""Refolding: what the projections of some accounts should be, made anew from their events, in temporary tables.

The tables are those of each projection's own `create`, and what is put into them goes by its own `gather` and its own
statements. Beside that the domain folds the same events, and knows nothing of projections.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import AsyncConnection, IsolationLevel, sql

from ledger.domain.account import Account, evolve
from ledger.domain.changes import Fact
from ledger.postgres.errors import LOST
from ledger.postgres.named_sql import queries
from ledger.store import UnreadableEvent, read, streams
from projections.engine.builds import CannotApply, use
from projections.engine.runner import facts_of
from projections.models.catalog import PROJECTIONS
from projections.models.projection import Projection, Write

Connection = AsyncConnection[Any]
SQL = queries("projections.checks", "sql/check.sql")
PAGE = 500
"""Events in memory at a time. Small, because in a running service somebody else waits for this process."""

REFOLDED = tuple(projection for projection in PROJECTIONS if any(table.of_accounts for table in projection.tables))
"""Projections that can be made anew from the events of some accounts; the others are of all accounts together."""


class CannotFold(Exception):
    """Events that do not follow from each other: somebody has changed the log."""

    def __init__(self, projection: str, problem: Exception) -> None:
        super().__init__(f"{type(problem).__name__}: {str(problem).strip()}")
        self.projection = projection


@dataclass(slots=True)
class Folded:
    """How many events there were, and at each position at which a projection stands the accounts as they were then."""

    events: int = 0
    accounts: dict[int, dict[str, Account]] = field(default_factory=dict)


async def connect(conninfo: str) -> Connection:
    """A connection to check on: each of its transactions sees one moment, and has the temporary tables."""
    connection: Connection = await AsyncConnection.connect(conninfo, autocommit=True)
    try:
        await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        await connection.execute("SET TimeZone TO 'UTC'")
        async with connection.transaction():
            await connection.execute(use("pg_temp"))
            for projection in REFOLDED:
                await connection.execute(projection.statements["create"])
                for table in projection.tables:
                    name = sql.Identifier(table.name)
                    await connection.execute(sql.SQL(SQL["empty_at_commit"]).format(table=name))
    except BaseException:
        await connection.close()
        raise
    return connection


async def refold(connection: Connection, accounts: Sequence[str], positions: Mapping[Projection, int]) -> Folded:
    """Fold the events of some accounts into the temporary tables, each projection up to the position that it stands at.

    To be called once in a transaction. Raises CannotFold, UnreadableEvent and LOST.
    """
    folded = Folded(accounts={position: {} for position in positions.values()})
    await connection.execute(use("pg_temp"))
    async for rows in streams(connection, accounts, max(positions.values(), default=0), PAGE):
        facts = facts_of(read(rows))
        folded.events += len(facts)
        _evolve(folded.accounts, facts)
        for projection, position in positions.items():
            await asyncio.sleep(0)
            await _apply(connection, projection, [one for one in facts if one.position <= position])
    await connection.execute("SET LOCAL search_path TO DEFAULT")
    return folded


def _evolve(states: Mapping[int, dict[str, Account]], facts: Iterable[Fact]) -> None:
    try:
        for one in facts:
            for position, accounts in states.items():
                if one.position <= position:
                    accounts[one.account_id] = evolve(accounts.get(one.account_id), one.event)
    except Exception as problem:  # a fold has no guards of its own: what damaged events do to it is anybody's guess
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
    except Exception as problem:  # whatever it is, it is to be said with the name of its account
        raise CannotFold(projection.name, problem) from problem


async def _send(connection: Connection, projection: Projection, write: Write) -> Any:
    return await connection.execute(projection.statements[write.statement], write.columns, prepare=True)
