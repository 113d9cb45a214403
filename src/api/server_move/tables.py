"""What a ledger consists of in its database: tables in the order in which they can be filled, and sequences."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

import psycopg
from psycopg import sql

from api.components import COMPONENTS
from api.server_move.errors import NotEqual
from ledger.postgres.named_sql import queries
from projections.models.catalog import PROJECTIONS

SQL = queries("api.server_move", "sql/move.sql")
Connection = psycopg.Connection[Any]

KEPT = ("ledger", "migrations")
"""The table that is not copied: both databases have the same migrations, each applied at times of its own."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with the names and types of its columns, sorted by name."""

    schema: str
    name: str
    columns: tuple[str, ...]
    types: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def identifier(self) -> sql.Identifier:
        """Its name in SQL."""
        return sql.Identifier(self.schema, self.name)


@dataclass(frozen=True, slots=True)
class Schemas:
    """The schemas that go along."""

    moved: tuple[str, ...]
    unbuilt: tuple[str, ...]
    """The projections that do not: one of another version is built anew where the ledger goes."""


@dataclass(frozen=True, slots=True)
class Content:
    """The tables and sequences of some schemas. A table comes after those that it refers to."""

    schemas: tuple[str, ...]
    tables: tuple[Table, ...]
    sequences: tuple[sql.Identifier, ...]

    @property
    def copied(self) -> tuple[Table, ...]:
        """The tables whose rows go along."""
        return tuple(table for table in self.tables if (table.schema, table.name) != KEPT)


def schemas_of(connection: Connection) -> Schemas:
    """The schemas of a ledger in a migrated database. Raises psycopg.Error."""
    current = [one for one in PROJECTIONS if _version(connection, one.schema) == one.version]
    moved = {component.schema for component in COMPONENTS} | {one.schema for one in current}
    return Schemas(
        tuple(sorted(moved)), tuple(sorted({one.name for one in PROJECTIONS} - {one.name for one in current}))
    )


def content_of(connection: Connection, schemas: Schemas) -> Content:
    """What there is in these schemas of a database. Raises psycopg.Error."""
    sequences = sorted(connection.execute(SQL["sequences"], {"schemas": list(schemas.moved)}))
    tables = _in_order(connection, schemas.moved)
    return Content(schemas.moved, tuple(tables), tuple(sql.Identifier(*row) for row in sequences))


def require_same(source: Content, target: Content) -> None:
    """Raise NotEqual unless two databases have the same tables and sequences."""
    differing = set(source.tables) ^ set(target.tables)
    if differing or source.sequences != target.sequences:
        names = ", ".join(sorted({str(table) for table in differing})) or "the sequences"
        raise NotEqual(f"the two databases differ in the form of {names}")


def _version(connection: Connection, schema: str) -> int | None:
    """The version of a build; None when there is none."""
    there = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [f"{schema}.checkpoint"]).fetchone()
    if there != (True,):
        return None
    version = sql.SQL("SELECT version FROM {}").format(sql.Identifier(schema, "checkpoint"))
    row = connection.execute(version).fetchone()
    return row[0] if row else None


def _in_order(connection: Connection, schemas: Sequence[str]) -> Iterable[Table]:
    """The tables of some schemas, those first to which others refer. Raises graphlib.CycleError."""
    among = {"schemas": list(schemas)}
    found = {
        (schema, name): Table(schema, name, tuple(columns), tuple(types))
        for schema, name, columns, types in sorted(connection.execute(SQL["tables"], among))
    }
    order = TopologicalSorter[tuple[str, str]](dict.fromkeys(found, ()))
    for schema, name, *referred in connection.execute(SQL["references"], among):
        order.add((schema, name), (referred[0], referred[1]))
    return [found[name] for name in order.static_order()]
