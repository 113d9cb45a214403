"""Builds: the database schemas that hold a projection's rows, their positions, and how batches are applied to them.

The live build of a projection is the schema `projection_<name>`; the build that will replace it has the suffix `_next`.
The same statements read and write both, with another search path. A build contains its own position, in the table
`checkpoint`: so rows and position change in one transaction, and renaming the schema switches builds.

The owner of the database defines what a build consists of (`define`), and functions of the owner make, switch and drop
builds for the service, which may make nothing itself (sql/0003_made_by_the_owner.sql).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Literal, NamedTuple

import psycopg
from psycopg import AsyncConnection, sql

from ledger.domain.changes import Fact
from ledger.postgres.connecting import connect
from ledger.postgres.migrations import MigrationError
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
    state: Literal["live", "next", "old"]


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
    return Build(projection, projection.schema, "live")


def next_of(projection: Projection) -> Build:
    """The build that is being made to replace the live one."""
    return Build(projection, f"{projection.schema}_next", "next")


def old_of(projection: Projection) -> Build:
    """The build that was replaced and is not dropped yet."""
    return Build(projection, f"{projection.schema}_old", "old")


def define(conninfo: str, projections: Sequence[Projection] = PROJECTIONS) -> None:
    """Store what the builds of this program consist of.

    The owner of the database calls it after migrating; any login may call it when nothing is to do. Several processes
    may call it at once. Raises MigrationError when this login may not store definitions.
    """
    with connect(conninfo) as connection:
        connection.execute(_PREPARING)
        try:
            _define(connection, projections)
        except psycopg.errors.InsufficientPrivilege as error:
            raise MigrationError(
                f"the projections of this program are not defined, and {connection.info.user} may not define them "
                f"({error.diag.message_primary}): run `credit-ledger migrate` as the owner of its tables"
            ) from error


def prepare(conninfo: str, projections: Sequence[Projection] = PROJECTIONS) -> None:
    """Define the builds, and make an empty live build of every projection that has none. Raises as `define` does."""
    define(conninfo, projections)
    with connect(conninfo) as connection:
        connection.execute(_PREPARING)
        found = {name for (name,) in connection.execute(SQL["schemas"], {})}
        for projection in projections:
            if projection.schema not in found:
                connection.execute(SQL["make_build"], _named(live(projection)))


def _define(connection: psycopg.Connection, projections: Sequence[Projection]) -> None:
    stored = {(name, version): text for name, version, text in connection.execute(SQL["definitions"])}
    for projection in projections:
        text = f"{SQL['create_position']};\n{projection.create}"
        if stored.get((projection.name, projection.version)) != text:
            definition = {"name": projection.name, "version": projection.version, "statements": text}
            connection.execute(SQL["define"], definition)


@cache
def use(*schemas: str) -> bytes:
    """Let the following statements of this transaction use the tables of some schemas. Nothing in them can take the
    place of a function, an operator or a type of PostgreSQL."""
    names = sql.SQL(", ").join(map(sql.Identifier, schemas))
    return sql.SQL("SET LOCAL search_path TO pg_catalog, {}, pg_temp").format(names).as_bytes()


@cache
def _advance(builds: tuple[tuple[str, int], ...]) -> bytes:
    """The statement that moves all of some builds, each a schema and a version, from one position to another."""
    one = "{} AS (" + SQL["at_advance"] + ")"
    moves = [
        sql.SQL(one).format(sql.Identifier(schema), table=sql.Identifier(schema, "checkpoint"), version=version)
        for schema, version in builds
    ]
    return sql.SQL("WITH {} SELECT").format(sql.SQL(", ").join(moves)).as_bytes()


@cache
def _states(schemas: tuple[str, ...]) -> bytes:
    """The statement that reads the states of some builds."""
    one = "SELECT {} AS schema, c.version, c.position, c.as_of, c.stopped_at, c.problem FROM {} AS c"
    parts = [sql.SQL(one).format(sql.Literal(name), sql.Identifier(name, "checkpoint")) for name in schemas]
    return sql.SQL(" UNION ALL ").join(parts).as_bytes()


async def create(connection: Connection, build: Build) -> None:
    """Make an empty build."""
    await connection.execute(SQL["make_build"], _named(build))


def _named(build: Build) -> dict[str, Any]:
    return {"name": build.projection.name, "version": build.projection.version, "state": build.state}


async def drop(connection: Connection, build: Build) -> None:
    """Drop a next or old build, if it exists. Raises LockNotAvailable while a transaction reads it."""
    async with connection.transaction():
        await connection.execute(SQL["wait_briefly"])
        await connection.execute(SQL["drop_build"], {"name": build.projection.name, "state": build.state})


async def analyze(connection: Connection, projection: Projection) -> None:
    """Analyze the tables of the next build, so that even the first queries to them get good plans."""
    await connection.execute(SQL["analyze_build"], {"name": projection.name})


async def switch(connection: Connection, projection: Projection) -> None:
    """Make the next build the live one; the live one becomes the old one. The caller holds the lock of live builds.

    A transaction that reads several tables of one snapshot reads the table `checkpoint` first, because the new tables
    are empty in a snapshot from before they were filled. So the switch locks that table: it waits for such a reader,
    and new readers wait for the switch. Raises LockNotAvailable when a reader takes too long.
    """
    async with connection.transaction():
        for statement in _PREPARING, SQL["commit_durably"], SQL["wait_briefly"]:
            await connection.execute(statement)
        await connection.execute(SQL["switch_builds"], {"name": projection.name})


async def made_by_others(connection: Connection) -> set[str]:
    """The schemas of builds that the owner of the database did not make: the service made them in earlier versions."""
    cursor = await connection.execute(SQL["made_by_others"], {})
    return {name for (name,) in await cursor.fetchall()}


async def build_states(connection: Connection, builds: Sequence[Build]) -> dict[str, BuildState]:
    """The state of each build, by schema; builds that do not exist are left out."""
    cursor = await connection.execute(SQL["schemas"], {})
    there = {name for (name,) in await cursor.fetchall()}
    wanted = tuple(build.schema for build in builds if build.schema in there)
    if not wanted:
        return {}
    try:
        return await _read_states(connection, wanted)
    except _GONE:  # between the two statements, a build was dropped or became the live one
        return await build_states(connection, builds)


async def states_of_all(connection: Connection, builds: Sequence[Build]) -> dict[str, BuildState]:
    """The same in one statement when all of the builds exist. It must not be called in a transaction."""
    schemas = tuple(build.schema for build in builds)
    try:
        return await _read_states(connection, schemas) if schemas else {}
    except _GONE:
        return await build_states(connection, builds)


async def _read_states(connection: Connection, schemas: tuple[str, ...]) -> dict[str, BuildState]:
    cursor = await connection.execute(_states(schemas), prepare=True)
    return {schema: BuildState(*rest) for schema, *rest in await cursor.fetchall()}


Work = Sequence[tuple[Build, Sequence[Write]]]
"""What to write to each of some builds that are at the same position."""


async def apply(connection: Connection, batch: Batch, work: Work, *, first: Sequence[str] = ()) -> None:
    """Write the rows and the new position of all builds in one transaction, and two round trips with its end.

    `first` names statements with which the transaction begins. Raises BuildMoved when a build is not at the beginning
    of the batch or was dropped, CannotApply when a row that must be changed does not exist, and psycopg.Error.
    """
    try:
        async with connection.pipeline() as pipeline, connection.transaction():
            written = await _send(connection, batch, work, first)
            await pipeline.sync()
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
    """Send everything. No two projections have tables of the same name, so all statements share one search path: then
    the server keeps their plans."""
    written = []
    for name in first:
        await connection.execute(SQL[name], prepare=True)
    builds = [build for build, _ in work]
    moves = _advance(tuple((build.schema, build.projection.version) for build in builds))
    position = {"after": batch.after, "upto": batch.upto, "as_of": batch.as_of}
    await connection.execute(moves, position, prepare=True)
    await connection.execute(use(*(build.schema for build in builds)))
    for build, writes in work:
        statements = build.projection.statements
        for write in writes:
            cursor = await connection.execute(statements[write.statement], write.columns, prepare=True)
            written.append((build, write, cursor))
    return written
