"""Where a run takes place: folders and databases that it may harm."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from tests.postgres import TestServers, quick_folder

Folders = Callable[[], AbstractContextManager[Path]]


class Ground:
    """Databases for runs, and folders, which are in memory unless somebody says otherwise: faults kill processes, and
    what these leave there is what they leave on a disk."""

    def __init__(self, servers: TestServers, folders: Folders = quick_folder) -> None:
        self._servers = servers
        self._folders = folders

    @contextmanager
    def database(self) -> Iterator[str]:
        """A fresh, migrated database on a server that others use too and that nobody harms."""
        server = self._servers.get("embedded")
        assert server is not None
        with server.database() as conninfo:
            yield conninfo

    def folder(self) -> AbstractContextManager[Path]:
        """A folder until the block ends."""
        return self._folders()


@contextmanager
def fresh_ground() -> Iterator[Ground]:
    """A ground of our own, with its own server, on a disk: the long form waits as an operator's service does."""
    with disk_folder() as folder, ExitStack() as stack:
        yield Ground(TestServers(folder, stack), disk_folder)


@contextmanager
def disk_folder() -> Iterator[Path]:
    """A folder on a disk."""
    with tempfile.TemporaryDirectory(prefix="credit-ledger-test-") as folder:
        yield Path(folder)
