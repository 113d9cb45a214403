"""Builds: where a projection's rows are, how far they have come, and how they get further.

The live build of a projection is the schema `projection_<name>`; the one that will replace it is the same with `_next`.
Both are read and written by the same statements, under another search path. A build holds its own checkpoint, so rows
and position always change in one transaction, and to rename the schema is to switch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.rows import class_row

from ledger.domain.changes import Fact
from ledger.postgres.named_sql import queries
from projections.models.catalog import PROJECTIONS
from projections.models.projection import Projection, Write

SQL = queries("projections.engine", "sql/builds.sql")
_PREPARING = "SELECT pg_advisory_xact_lock(hashtextextended('projections.prepare', 0))"
_REPLAYED = psycopg.errors.NotNullViolation
_TOO_LARGE = psycopg.errors.ProgramLimitExceeded
"""An OperationalError by its class, as a lost database is, and yet it comes again however often one tries."""
_GONE = (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName)

Connection = AsyncConnection[Any]


class Moved(Exception):
    """The build is not where we thought it was: somebody else has moved or replaced it. Look again."""


class CannotApply(Exception):
    """A statement did not do what the events say: rows of this build are not what they were built as."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a build has come; `as_of` is the time of the last event in it."""

    version: int
    position: int
    as_of: datetime | None
    stopped_at: int | None
    problem: str | None


class Build(NamedTuple):
    """A projection in a schema."""

    projection: Projection
    schema: str


class Batch(NamedTuple):
    """Events up to a position, above another one."""

    after: int
    upto: int
    facts: Sequence[Fact]

    @property
    def as_of(self) -> datetime | None:
        """The time of its last event."""
        return self.facts[-1].event.recorded_at if self.facts else None


def live(projection: Projection) -> Build:
    """What is asked."""
    return Build(projection, projection.schema)


def next_of(projection: Projection) -> Build:
    """What is being built to replace it."""
    return Build(projection, f"{projection.schema}_next")


def old_of(projection: Projection) -> str:
    """The schema of what was replaced and is not dropped yet."""
    return f"{projection.schema}_old"


def prepare(conninfo: str) -> None:
    """Make every projection that has no live build, empty. Several processes may do so at once."""
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
        *((part.encode(), {}) for part in (SQL["create_checkpoint"], build.projection.statements["create"])),
        (SQL["begin"].encode(), {"version": build.projection.version}),
    ]
    return [*statements, (b"RESET search_path", {})]


def use(schema: str) -> sql.Composed:
    """Let the statements that follow in this transaction mean the tables of a schema."""
    return sql.SQL("SET LOCAL search_path TO {}").format(sql.Identifier(schema))


async def create(connection: Connection, build: Build) -> None:
    """Make an empty build."""
    async with connection.transaction():
        for statement, parameters in creation(build):
            await connection.execute(statement, parameters or None)


async def drop(connection: Connection, schema: str) -> None:
    """Drop a schema with all that is in it, if it is there. Raises LockNotAvailable while somebody reads in it."""
    async with connection.transaction():
        await connection.execute(SQL["wait_little"])
        await connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))


async def switch(connection: Connection, projection: Projection) -> None:
    """Let the next build be the live one; what was live is then the old one. The caller must hold the live builds.

    Whoever asks several statements in one snapshot reads the checkpoint first: new tables are empty in a snapshot from
    before they were filled, so the switch waits for him, and he who comes meanwhile waits for the switch. Others are
    not blocked. Raises LockNotAvailable when somebody reads for long.
    """
    async with connection.transaction():
        for statement in _PREPARING, SQL["for_good"], SQL["wait_little"]:
            await connection.execute(statement)
        if await checkpoints(connection, [live(projection)]):
            checkpoint = sql.Identifier(projection.schema, "checkpoint")
            await connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(checkpoint))
            await _rename(connection, projection.schema, old_of(projection))
        await _rename(connection, next_of(projection).schema, projection.schema)


async def _rename(connection: Connection, schema: str, name: str) -> None:
    rename = sql.SQL("ALTER SCHEMA {} RENAME TO {}")
    await connection.execute(rename.format(sql.Identifier(schema), sql.Identifier(name)))


async def checkpoints(connection: Connection, builds: Sequence[Build]) -> dict[str, Checkpoint]:
    """The checkpoint of each build by its schema; those that are not there are left out."""
    cursor = await connection.execute(SQL["schemas"], {})
    there = {name for (name,) in await cursor.fetchall()}
    wanted = [build.schema for build in builds if build.schema in there]
    if not wanted:
        return {}
    one = "SELECT {} AS schema, c.version, c.position, c.as_of, c.stopped_at, c.problem FROM {} AS c"
    parts = [sql.SQL(one).format(sql.Literal(name), sql.Identifier(name, "checkpoint")) for name in wanted]
    try:
        cursor = await connection.execute(sql.SQL(" UNION ALL ").join(parts))
    except _GONE:  # a build was dropped, or became the live one, between the two statements
        return await checkpoints(connection, builds)
    return {schema: Checkpoint(*rest) for schema, *rest in await cursor.fetchall()}


async def checkpoint(connection: Connection, schema: str) -> Checkpoint:
    """The checkpoint of a build that is there."""
    async with connection.transaction(), connection.cursor(row_factory=class_row(Checkpoint)) as cursor:
        await cursor.execute(use(schema))
        await cursor.execute(SQL["at_checkpoint"])
        found = await cursor.fetchone()
    assert found is not None
    return found


Work = Sequence[tuple[Build, Sequence[Write]]]
"""What to write to some builds that are at the same position."""


async def apply(connection: Connection, batch: Batch, work: Work, *, first: Sequence[str] = ()) -> None:
    """Write rows and checkpoints, all in one transaction, and sent in one go. `first` names statements to begin with.

    Raises Moved when a build is not at the batch's beginning, CannotApply when a row is not there that should be, and
    psycopg.Error.
    """
    try:
        async with connection.transaction():
            async with connection.pipeline():
                written = await _send(connection, batch, work, first)
            for build, write, cursor in written:
                if write.exact and cursor.rowcount != write.rows:
                    raise CannotApply(f"{build.schema}: {write.statement} found {cursor.rowcount} of {write.rows} rows")
    except _REPLAYED as error:
        if error.diag.table_name == "checkpoint":
            raise Moved from error
        raise
    except _TOO_LARGE as error:
        raise CannotApply(str(error).strip()) from error


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
