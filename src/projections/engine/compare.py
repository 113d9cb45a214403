"""Compares the live build of a projection with the next one, row by row, and lists where the live one is wrong.

The database joins the two by their keys and returns only the differences, so a comparison takes little memory on both
sides. It is made in one snapshot in which both builds are at the same position.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, LiteralString, NamedTuple, get_args

from psycopg import sql

from ledger.postgres.named_sql import queries
from ledger.progress import Progress
from projections.engine.builds import Connection, live, next_of
from projections.models.projection import Projection, Table

SQL = queries("projections.engine", "sql/compare.sql")

LISTED = 20
"""The largest number of differences that are described; the rest are counted."""
_STEP = 1_000
"""Rows between two reports of progress."""
_FETCH = 20

Kind = Literal["missing", "extra", "different"]
"""What is wrong with a row of the live build: it is missing, it should not exist, or it has other values."""
KINDS: tuple[Kind, ...] = get_args(Kind)

Values = Mapping[str, str | None]
"""Columns of a row as text, in PostgreSQL's notation."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A row in which the two builds differ: its key, and the differing columns of both."""

    table: str
    kind: Kind
    key: Values
    live: Values
    rebuilt: Values

    def __str__(self) -> str:
        key = ", ".join(f"{name} {value}" for name, value in self.key.items())
        match self.kind:
            case "missing":
                return f"{self.table} ({key}): missing; it should be {_words(self.rebuilt)}"
            case "extra":
                return f"{self.table} ({key}): extra; no event explains {_words(self.live)}"
            case "different":
                return f"{self.table} ({key}): {_words(self.live)} should be {_words(self.rebuilt)}"


def _words(values: Values) -> str:
    return ", ".join(f"{name} {'null' if value is None else value}" for name, value in values.items())


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of a comparison at a position. `left_out` lists tables and columns that only one build has."""

    position: int
    rows: int
    counts: Mapping[Kind, int]
    first: Sequence[Difference]
    left_out: Sequence[str]

    @property
    def differences(self) -> int:
        """The number of rows that differ."""
        return sum(self.counts.values())


class _Columns(NamedTuple):
    """The columns of a table that both builds have, and its key columns."""

    common: tuple[str, ...]
    key: tuple[str, ...]


async def compare(connection: Connection, projection: Projection, position: int, progress: Progress) -> Comparison:
    """Compare the live build with the next one. The caller's transaction sees both at `position`."""
    before, now = [await _columns(connection, build(projection).schema) for build in (live, next_of)]
    left_out = [f"table {name}, which no longer exists" for name in before if name not in now]
    counts: Counter[Kind] = Counter(dict.fromkeys(KINDS, 0))
    first: list[Difference] = []
    rows = 0
    progress.begin(f"{projection.name}: comparing", await _size(connection, projection), "rows")
    for table in projection.tables:
        columns, without = _common(table, before.get(table.name, {}), now[table.name])
        left_out += without
        if columns is None:
            continue
        done = 0
        async with connection.cursor(name="differences") as cursor:
            cursor.itersize = _FETCH
            await cursor.execute(_statement(projection, table, columns))
            async for done, kind, key, was, should in cursor:
                progress.reach(rows + done)
                if kind is not None:
                    counts[kind] += 1
                    if len(first) < LISTED:
                        first.append(_difference(table, columns, kind, key, was, should))
        rows += done
    return Comparison(position, rows, counts, first, left_out)


def _difference(
    table: Table, columns: _Columns, kind: Kind, key: list[str], was: list[str | None], should: list[str | None]
) -> Difference:
    """The difference of a row: its differing columns, or all of them when only one build has the row."""
    columns_that_differ = [
        (name, old, new)
        for name, old, new in zip(columns.common, was, should, strict=True)
        if name not in columns.key and (kind != "different" or old != new)
    ]
    return Difference(
        table.name,
        kind,
        dict(zip(columns.key, key, strict=True)),
        {name: value for name, value, _ in columns_that_differ} if kind != "missing" else {},
        {name: value for name, _, value in columns_that_differ} if kind != "extra" else {},
    )


async def _columns(connection: Connection, schema: str) -> dict[str, dict[str, str]]:
    """The types of all columns of a schema, by table and column."""
    found: dict[str, dict[str, str]] = {}
    cursor = await connection.execute(SQL["columns"], {"schema": schema})
    for table, column, kind in await cursor.fetchall():
        found.setdefault(table, {})[column] = kind
    return found


def _common(table: Table, before: Mapping[str, str], now: Mapping[str, str]) -> tuple[_Columns | None, list[str]]:
    """The columns of a table that can be compared, and a description of what cannot."""
    common = tuple(name for name, kind in now.items() if before.get(name) == kind)
    if not before:
        return None, [f"table {table.name}, which is new"]
    if not set(table.key) <= set(common):
        return None, [f"table {table.name}, whose key has changed"]
    names = [name for name in {**before, **now} if name not in common]
    return _Columns(common, table.key), [
        f"column {table.name}.{name}, which differs between the builds" for name in names
    ]


async def _size(connection: Connection, projection: Projection) -> int:
    """The number of rows of the next build."""
    tables = [sql.Identifier(next_of(projection).schema, table.name) for table in projection.tables]
    counts = sql.SQL(" + ").join(sql.SQL("(SELECT count(*) FROM {})").format(table) for table in tables)
    cursor = await connection.execute(sql.SQL("SELECT {}").format(counts))
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


def _statement(projection: Projection, table: Table, columns: _Columns) -> sql.Composed:
    return sql.SQL(SQL["differing"]).format(
        key=_texts("coalesce((was).{0}::text, (should).{0}::text)", columns.key),
        was_values=_texts("(was).{0}::text", columns.common),
        should_values=_texts("(should).{0}::text", columns.common),
        first=sql.Identifier(columns.key[0]),
        was_row=sql.SQL("ROW({})").format(_each("was.{0}", columns.common, ", ")),
        should_row=sql.SQL("ROW({})").format(_each("should.{0}", columns.common, ", ")),
        live=sql.Identifier(projection.schema, table.name),
        next=sql.Identifier(next_of(projection).schema, table.name),
        same_key=_each("was.{0} = should.{0}", columns.key, " AND "),
        step=sql.Literal(_STEP),
    )


def _each(form: LiteralString, names: Sequence[str], between: LiteralString) -> sql.Composed:
    return sql.SQL(between).join(sql.SQL(form).format(sql.Identifier(name)) for name in names)


def _texts(form: LiteralString, names: Sequence[str]) -> sql.Composed:
    return sql.SQL("ARRAY[{}]").format(_each(form, names, ", "))
