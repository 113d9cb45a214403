"""The rows of all projections as a test compares them: with the naive folding, or with those of an undisturbed run."""

import json
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from ledger.service import Ledger
from ledger.store.batch import Row as LogRow
from ledger.store.feed import Feed, read
from ledger.store.records.codec import encode
from projections.models.catalog import PROJECTIONS
from projections.models.projection import Projection
from tests.projections.folding import DIMENSIONS, Row, Tables, Told, folded
from tests.store.samples import METADATA


def number_of(account_id: str, projection: str) -> str:
    """A query for the number by which the rows of a projection name an account."""
    return f"(SELECT number FROM projection_{projection}.{projection}_accounts WHERE account_id = '{account_id}')"


Problem = tuple[int | None, str | None]


def log_rows(log: Sequence[Told]) -> list[LogRow]:
    """Events as the log takes them; their positions are those that they should get."""
    encoded = (encode(told.event, METADATA) for told in log)
    return [
        LogRow(told.account_id, told.version, topic, state, None, None, None, None)
        for told, (topic, state) in zip(log, encoded, strict=True)
    ]


def rows_as_stored(connection: psycopg.Connection[Any], projections: Sequence[Projection] = PROJECTIONS) -> Tables:
    """Every row of every table, by the table's name and the row's key."""
    found: Tables = {}
    for projection in projections:
        for table in projection.tables:
            name = sql.Identifier(projection.schema, table.name)
            with connection.cursor(row_factory=dict_row) as cursor:
                rows = cursor.execute(sql.SQL("SELECT * FROM {}").format(name)).fetchall()
            keyed = {tuple(row[column] for column in table.key): row for row in rows}
            assert len(keyed) == len(rows)
            if rows:
                found[f"{projection.name}.{table.name}"] = keyed
    return found


def rows_to_compare(connection: psycopg.Connection[Any], projections: Sequence[Projection] = PROJECTIONS) -> Tables:
    """The rows as `folded` has them: of usage, the group is part of the key in place of its name."""
    found = rows_as_stored(connection, projections)
    for row in found.get("history.entries", {}).values():
        row["usage"] = row["usage"] and json.loads(row["usage"])
    if "usage.groups" not in found:
        return found
    names = {key: tuple(row[name] for name in DIMENSIONS) for key, row in found["usage.groups"].items()}
    assert len(set(names.values())) == len(names), "a group has two names"
    measures = ("width", "credits", "input_tokens", "output_tokens", "cached_tokens", "uncollected", "count")
    found["usage.usage"] = {
        (account_id, width, bucket, *names[group_id,]): {measure: row[measure] for measure in measures}
        for (account_id, width, bucket, group_id), row in found.get("usage.usage", {}).items()
    }
    if "usage.usage_measured" in found:
        found["usage.usage_measured"] = {
            (account_id, width, bucket, *names[group_id,], slot): _counted(row)
            for (account_id, width, bucket, group_id, slot), row in found["usage.usage_measured"].items()
        }
    found["usage.groups"] = {names[key]: _without_name(row) for key, row in found["usage.groups"].items()}
    return found


def _counted(row: Row) -> Row:
    return {"count": row["count"], "total": row["total"]}


def _without_name(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "group_id"}


def assert_same(found: Tables, expected: Tables) -> None:
    """Fails with the rows that differ, and not with thousands that do not."""
    differing = [
        f"{table} {key}:\n  stored   {found.get(table, {}).get(key)}\n  expected {expected.get(table, {}).get(key)}"
        for table in sorted({*found, *expected})
        for key in sorted({*found.get(table, {}), *expected.get(table, {})}, key=str)
        if found.get(table, {}).get(key) != expected.get(table, {}).get(key)
    ]
    assert not differing, f"{len(differing)} rows differ\n" + "\n".join(differing[:5])


def positions(connection: psycopg.Connection[Any], projections: Sequence[Projection] = PROJECTIONS) -> dict[str, int]:
    """How far each live projection has come."""
    return {projection.name: _checkpoint(connection, projection)["position"] for projection in projections}


def problems(connection: psycopg.Connection[Any]) -> dict[str, Problem]:
    """Where the projections that cannot go on have stopped, and why."""
    found = {projection.name: _checkpoint(connection, projection) for projection in PROJECTIONS}
    return {name: (row["stopped_at"], row["problem"]) for name, row in found.items() if row["stopped_at"] is not None}


def _checkpoint(connection: psycopg.Connection[Any], projection: Projection) -> Row:
    name = sql.Identifier(projection.schema, "checkpoint")
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(sql.SQL("SELECT * FROM {}").format(name)).fetchone()
    assert row is not None
    return row


async def told_by(ledger: Ledger) -> list[Told]:
    """The whole log of a running ledger."""
    return [Told(*logged) for logged in read(await Feed(ledger.log).rows(0, 2**62, 2**31))]


async def assert_projected(ledger: Ledger, database: str) -> None:
    """All projections are at the end of the log, none has stopped, and their rows are what its events add up to."""
    log = await told_by(ledger)
    with psycopg.connect(database) as connection:
        assert not problems(connection)
        assert set(positions(connection).values()) == {len(log)}
        assert_same(rows_to_compare(connection), folded(log))
