"""Components: the owners of tables, and where their SQL is. Which of them a program has, its composition root says."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable


@dataclass(frozen=True, slots=True)
class Component:
    """An owner of tables. The folder `sql` of its package has its migrations and its rights (grants.sql)."""

    name: str
    """What its migrations are recorded under."""
    package: str
    schema: str
    """The database schema that its tables are in."""
    schemas_of_service: str | None = None
    """How the names of further schemas begin, which the service makes, replaces and drops while it runs."""

    @property
    def sql(self) -> Traversable:
        """The folder."""
        return files(self.package).joinpath("sql")


Components = Sequence[Component]
"""In the order in which they are migrated."""
