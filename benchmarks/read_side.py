"""The projections of a database: emptied, built by a process of its own, compared, waited for, weighed."""

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

import psycopg
from psycopg import sql

from benchmarks.processes import said_by
from benchmarks.progress import Spoiled, say
from ledger.store.feed import Feed
from ledger.store.log import EventLog
from projections.engine import builds
from projections.engine.builds import Build, next_of
from projections.engine.runner import connect, prepare
from projections.models.catalog import PROJECTIONS
from projections.models.projection import Projection

PATIENCE = 900.0


class Weight(NamedTuple):
    """A table: bytes of the rows and of the indexes."""

    table: str
    rows: int
    indexes: int


def empty(conninfo: str) -> None:
    """Drop the live projections and make them anew, without rows."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for projection in PROJECTIONS:
            connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(projection.schema)))
    builds.prepare(conninfo)


def catch_up(conninfo: str, projections: Sequence[Projection], patience: float = PATIENCE) -> dict[str, float]:
    """Build them to the end of the log in a process of its own, within `patience` seconds; what that says of itself."""
    options = {"projections": ",".join(projection.name for projection in projections)}
    found: dict[str, float] = said_by("benchmarks.catching_up", options, {"BENCHMARK_DATABASE": conninfo}, patience)
    return found


def wait_until_caught_up(conninfo: str) -> int:
    """Wait until a running service has moved all projections to the end of the log, which is returned."""
    query = sql.SQL("SELECT {}, (SELECT max(notification_id) FROM ledger.events)").format(least_position())
    deadline = time.monotonic() + PATIENCE
    with psycopg.connect(conninfo, autocommit=True) as connection:
        while time.monotonic() < deadline:
            row = connection.execute(query).fetchone()
            assert row is not None
            position, end = row
            if position == end:
                return int(end)
            say(f"  the projections are at {position:,} of {end:,}")
            time.sleep(1)
    raise Spoiled(f"the projections did not reach the end of the log within {PATIENCE:.0f} s")


def least_position() -> sql.Composed:
    """The position that all live projections have reached, as an expression."""
    one = sql.SQL("(SELECT position FROM {})")
    positions = [one.format(sql.Identifier(projection.schema, "checkpoint")) for projection in PROJECTIONS]
    return sql.SQL("least({})").format(sql.SQL(", ").join(positions))


def must_agree(conninfo: str, projection: Projection, schema: str, upto: int) -> None:
    """Raise Spoiled unless a schema has the very rows that our runner's own functions make of the first events."""
    reference = next_of(projection)
    asyncio.run(_build(conninfo, reference, upto))
    with psycopg.connect(conninfo) as connection:
        compared = sum(_compared(connection, table.name, reference.schema, schema) for table in projection.tables)
        if not compared:
            raise Spoiled(f"{schema} has no rows at position {upto}")
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(reference.schema)))


def _compared(connection: psycopg.Connection, table: str, *schemas: str) -> int:
    """The rows of a table, which must be the same in two schemas. A table may be empty: not every log has a label."""
    ours, theirs = (sql.Identifier(schema, table) for schema in schemas)
    one = sql.SQL("(TABLE {} EXCEPT ALL TABLE {})")
    both = sql.SQL(" UNION ALL ").join([one.format(ours, theirs), one.format(theirs, ours)])
    query = sql.SQL("SELECT (SELECT count(*) FROM ({}) AS odd), (SELECT count(*) FROM {})").format(both, ours)
    row = connection.execute(query).fetchone()
    odd, rows = row or (0, 0)
    if odd:
        raise Spoiled(f"{schemas[1]}.{table} differs from ours in {odd} of {rows} rows")
    return int(rows)


async def _build(conninfo: str, build: Build, upto: int) -> None:
    log = EventLog(conninfo)
    await log.open()
    async with await connect(conninfo) as connection:
        await builds.create(connection, build)
        after = 0
        while after < upto:
            batch, work = await prepare(Feed(log), [build], after, upto)
            await builds.apply(connection, batch, work)
            after = batch.upto
    await log.close()


def weights(conninfo: str) -> list[Weight]:
    """Every table of the ledger and of its projections, after VACUUM."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("VACUUM")
        rows = connection.execute(
            "SELECT schemaname || '.' || relname, pg_table_size(relid), pg_indexes_size(relid) FROM pg_stat_user_tables"
            " WHERE schemaname = 'ledger' OR schemaname LIKE 'projection\\_%' ORDER BY 1"
        )
        return [Weight(*row) for row in rows]
