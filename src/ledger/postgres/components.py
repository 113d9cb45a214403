"""Components: the owners of tables, and where their SQL is. The composition root lists those of the program."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable


@dataclass(frozen=True, slots=True)
class Component:
    """An owner of tables. The folder `sql` of its package has its migrations and its grants (grants.sql)."""

    name: str
    """The name under which its migrations are recorded."""
    package: str
    schema: str
    """The database schema of its tables."""
    builds: str | None = None
    """The prefix of the names of other schemas, which functions of the owner make, replace and drop for the service.
    The service may read and change all rows in them, and make nothing there."""

    @property
    def sql(self) -> Traversable:
        """The folder `sql` of the package."""
        return files(self.package).joinpath("sql")


Components = Sequence[Component]
"""The components in the order of their migration."""
