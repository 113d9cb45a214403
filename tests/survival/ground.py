"""Where a run takes place: folders and databases that it may harm."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.postgres import TestServers


class Ground:
    """Databases for runs."""

    def __init__(self, servers: TestServers) -> None:
        self._servers = servers

    @contextmanager
    def database(self) -> Iterator[str]:
        """A fresh, migrated database on a server that others use too and that nobody harms."""
        server = self._servers.get("embedded")
        assert server is not None
        with server.database() as conninfo:
            yield conninfo

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A folder until the block ends."""
        with tempfile.TemporaryDirectory(prefix="credit-ledger-test-") as folder:
            yield Path(folder)


@contextmanager
def fresh_ground() -> Iterator[Ground]:
    """A ground of our own, with its own server."""
    with tempfile.TemporaryDirectory(prefix="credit-ledger-test-") as folder, ExitStack() as stack:
        yield Ground(TestServers(Path(folder), stack))
