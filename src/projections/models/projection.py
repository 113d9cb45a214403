"""The definition of a projection: its tables, and a pure function from events to the rows to write.

A projection has its own schema, `projection_<name>`, which also contains its position: so it can be built, replaced and
dropped as a whole. Its SQL names tables without a schema; the caller sets the search path (see engine/builds.py).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, NamedTuple

from ledger.domain.changes import Fact
from ledger.postgres.named_sql import queries


class Write(NamedTuple):
    """A statement of a projection's SQL file with its parameters: columns of equal length, or single values."""

    statement: str
    rows: int
    columns: Mapping[str, Any]
    exact: bool = True
    """Whether the statement must change exactly `rows` rows; otherwise some of them may already exist."""


Gather = Callable[[Sequence[Fact]], list[Write]]
"""Returns what to write for a batch of events in position order. It is pure; the SQL adds it to the existing rows."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table or view of a projection, and its key columns."""

    name: str
    key: tuple[str, ...]

    @property
    def of_accounts(self) -> bool:
        """Whether each row belongs to one account, which is its first key column."""
        return self.key[0] == "account_id"


@dataclass(frozen=True, slots=True)
class Projection:
    """One read model. A higher `version` makes services rebuild it beside the old build (see engine/upgrade.py)."""

    name: str
    version: int
    tables: tuple[Table, ...]
    gather: Gather
    stored: tuple[str, ...] = ()
    """The tables behind `tables`, when those are views that show narrow rows in full; otherwise they are `tables`."""

    @property
    def schema(self) -> str:
        """The schema of the live build."""
        return f"projection_{self.name}"

    @property
    def statements(self) -> dict[str, LiteralString]:
        """The statements of its SQL file, by name: `create` makes the tables, and `views` views of them."""
        return queries(f"projections.models.{self.name}", f"{self.name}.sql")

    @property
    def stored_tables(self) -> tuple[str, ...]:
        """The names of the tables that have its rows."""
        return self.stored or tuple(table.name for table in self.tables)

    @property
    def create(self) -> LiteralString:
        """The statements that make its tables and views."""
        views = self.statements.get("views")
        return self.statements["create"] if views is None else f"{self.statements['create']};\n{views}"
