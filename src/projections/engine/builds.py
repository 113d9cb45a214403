"""Builds: the database schemas that hold a projection's rows, their positions, and how batches are applied to them.

The live build of a projection is the schema `projection_<name>`; the build that will replace it has the suffix `_next`.
The same statements read and write both, with another search path. A build contains its own position, in the table
`checkpoint`: so rows and position change in one transaction, and renaming the schema switches builds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg import AsyncConnection, sql

from ledger.domain.changes import Fact
from ledger.postgres.named_sql import queries
from projections.models.catalog import PROJECTIONS
from projections.models.projection import Projection, Write

SQL = queries("projections.engine", "sql/builds.sql")
_PREPARING = "SELECT pg_advisory_xact_lock(hashtextextended('projections.prepare', 0))"
_WRONG_POSITION = psycopg.errors.NotNullViolation
"""How the statement `at_advance` fails when the build is not at the expected position."""
_TOO_LARGE = psycopg.errors.ProgramLimitExceeded
"""An OperationalError by class, like that of a lost database, but it recurs however often the statement is tried."""
_GONE = (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName)

Connection = AsyncConnection[Any]


class BuildMoved(Exception):
    """The build is not at the expected position: somebody has moved, replaced or dropped it. Read its state again."""


class CannotApply(Exception):
    """A statement touched other rows than the events require: rows of this build were changed or lost."""


@dataclass(frozen=True, slots=True)
class BuildState:
    """The state of a build: its version, its position, the time of its last event, and the event that stopped it."""

    version: int
    position: int
    as_of: datetime | None
    stopped_at: int | None
    problem: str | None


class Build(NamedTuple):
    """A projection, built in a schema."""

    projection: Projection
    schema: str


class Batch(NamedTuple):
    """The events above position `after`, up to position `upto`."""

    after: int
    upto: int
    facts: Sequence[Fact]

    @property
    def as_of(self) -> datetime | None:
        """The time of the last event; None when the batch has none."""
        return self.facts[-1].event.recorded_at if self.facts else None


def live(projection: Projection) -> Build:
    """The live build, which answers queries."""
    return Build(projection, projection.schema)


def next_of(projection: Projection) -> Build:
    """The build that is being made to replace the live one."""
    return Build(projection, f"{projection.schema}_next")


def old_of(projection: Projection) -> str:
    """The schema of the build that was replaced and is not dropped yet."""
    return f"{projection.schema}_old"


def prepare(conninfo: str) -> None:
    """Make an empty live build of every projection that has none. Several processes may call it at once."""
    with psycopg.connect(conninfo) as connection:
        connection.execute(_PREPARING)
        found = {name for (name,) in connection.execute(SQL["schemas"], {})}
        for projection in PROJECTIONS:
            if projection.schema not in found:
                for statement, parameters in creation(live(projection)):
                    connection.execute(statement, parameters or None)


def creation(build: Build) -> list[tuple[sql.Composed | bytes, dict[str, Any]]]:
    """The statements that make an empty build."""
    statements: list[tuple[sql.Composed | bytes, dict[str, Any]]] = [
        (sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(build.schema)), {}),
        (use(build.schema), {}),
        *((part.encode(), {}) for part in (SQL["create_position"], build.projection.statements["create"])),
        (SQL["insert_position"].encode(), {"version": build.projection.version}),
    ]
    return [*statements, (b"RESET search_path", {})]


def use(schema: str) -> sql.Composed:
    """Let the following statements of this transaction use the tables of a schema."""
    return sql.SQL("SET LOCAL search_path TO {}").format(sql.Identifier(schema))


async def create(connection: Connection, build: Build) -> None:
    """Make an empty build."""
    async with connection.transaction():
        for statement, parameters in creation(build):
            await connection.execute(statement, parameters or None)


async def drop(connection: Connection, schema: str) -> None:
    """Drop a schema with its tables, if it exists. Raises LockNotAvailable while a transaction reads them."""
    async with connection.transaction():
        await connection.execute(SQL["wait_briefly"])
        await connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))


async def switch(connection: Connection, projection: Projection) -> None:
    """Make the next build the live one; the live one becomes the old one. The caller holds the lock of live builds.

    A transaction that reads several tables of one snapshot reads the table `checkpoint` first, because the new tables
    are empty in a snapshot from before they were filled. So the switch locks that table: it waits for such a reader,
    and new readers wait for the switch. Raises LockNotAvailable when a reader takes too long.
    """
    async with connection.transaction():
        for statement in _PREPARING, SQL["commit_durably"], SQL["wait_briefly"]:
            await connection.execute(statement)
        if await build_states(connection, [live(projection)]):
            position = sql.Identifier(projection.schema, "checkpoint")
            await connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(position))
            await _rename(connection, projection.schema, old_of(projection))
        await _rename(connection, next_of(projection).schema, projection.schema)


async def _rename(connection: Connection, schema: str, name: str) -> None:
    rename = sql.SQL("ALTER SCHEMA {} RENAME TO {}")
    await connection.execute(rename.format(sql.Identifier(schema), sql.Identifier(name)))


async def build_states(connection: Connection, builds: Sequence[Build]) -> dict[str, BuildState]:
    """The state of each build, by schema; builds that do not exist are left out."""
    cursor = await connection.execute(SQL["schemas"], {})
    there = {name for (name,) in await cursor.fetchall()}
    wanted = [build.schema for build in builds if build.schema in there]
    if not wanted:
        return {}
    one = "SELECT {} AS schema, c.version, c.position, c.as_of, c.stopped_at, c.problem FROM {} AS c"
    parts = [sql.SQL(one).format(sql.Literal(name), sql.Identifier(name, "checkpoint")) for name in wanted]
    try:
        cursor = await connection.execute(sql.SQL(" UNION ALL ").join(parts))
    except _GONE:  # between the two statements, a build was dropped or became the live one
        return await build_states(connection, builds)
    return {schema: BuildState(*rest) for schema, *rest in await cursor.fetchall()}


Work = Sequence[tuple[Build, Sequence[Write]]]
"""What to write to each of some builds that are at the same position."""


async def apply(connection: Connection, batch: Batch, work: Work, *, first: Sequence[str] = ()) -> None:
    """Write the rows and the new position of all builds in one transaction and one round trip.

    `first` names statements with which the transaction begins. Raises BuildMoved when a build is not at the beginning
    of the batch or was dropped, CannotApply when a row that must be changed does not exist, and psycopg.Error.
    """
    try:
        async with connection.transaction():
            async with connection.pipeline():
                written = await _send(connection, batch, work, first)
            for build, write, cursor in written:
                if write.exact and cursor.rowcount != write.rows:
                    raise CannotApply(f"{build.schema}: {write.statement} found {cursor.rowcount} of {write.rows} rows")
    except _WRONG_POSITION as error:
        if error.diag.table_name == "checkpoint":
            raise BuildMoved from error
        raise
    except _TOO_LARGE as error:
        raise CannotApply(str(error).strip()) from error
    except _GONE as error:
        builds = [build for build, _ in work]
        if len(await build_states(connection, builds)) < len(builds):
            raise BuildMoved from error
        raise  # the build is there, but lacks a table of its own


async def _send(
    connection: Connection, batch: Batch, work: Work, first: Sequence[str]
) -> list[tuple[Build, Write, psycopg.AsyncCursor[Any]]]:
    written = []
    for name in first:
        await connection.execute(SQL[name])
    position = {"after": batch.after, "upto": batch.upto, "as_of": batch.as_of}
    for build, writes in work:
        await connection.execute(use(build.schema))
        await connection.execute(SQL["at_advance"], {**position, "version": build.projection.version})
        statements = build.projection.statements
        for write in writes:
            cursor = await connection.execute(statements[write.statement], write.columns, prepare=True)
            written.append((build, write, cursor))
    return written
