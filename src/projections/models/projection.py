"""What a projection is: tables, and a pure function from events to the rows to write.

A projection lives in a schema of its own, `projection_<name>`, together with its checkpoint: so it is built, replaced
and dropped as one thing. Its SQL names tables without a schema; whoever runs it says in which one (see builds.py).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, NamedTuple

from ledger.domain.changes import Fact
from ledger.postgres.named_sql import queries


class Write(NamedTuple):
    """One statement of a projection's file, and its parameters: columns, as long as each other."""

    statement: str
    rows: int
    columns: Mapping[str, Any]
    exact: bool = True
    """Whether the statement must touch each of these rows once; otherwise it may find some written already."""


Gather = Callable[[Sequence[Fact]], list[Write]]
"""What to write for a batch of events in position order. Pure: the SQL is what adds it to what is there."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a projection, and the columns of its key."""

    name: str
    key: tuple[str, ...]

    @property
    def of_accounts(self) -> bool:
        """Whether each row belongs to one account, by its first column."""
        return self.key[0] == "account_id"


@dataclass(frozen=True, slots=True)
class Projection:
    """One read model. A new `version` makes every service build it anew, beside the old one (see rebuild.py)."""

    name: str
    version: int
    tables: tuple[Table, ...]
    gather: Gather

    @property
    def schema(self) -> str:
        """Where it lives."""
        return f"projection_{self.name}"

    @property
    def statements(self) -> dict[str, LiteralString]:
        """What its SQL file says, by name; `create` makes the tables."""
        return queries(f"projections.models.{self.name}", f"{self.name}.sql")
