"""A PostgreSQL on a disk of its own that can be filled to the last byte: a small tmpfs, which only root may mount."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from api.components import COMPONENTS
from api.runtime.embedded import lifetime as embedded
from api.runtime.embedded.server import packaged_programs, postmaster, run, server_in
from ledger.postgres.migrations import migrate
from projections.engine.builds import prepare
from tests.survival.faults.fault import Missing

SIZE = "224m"
_SETTINGS = """
shared_buffers = '16MB'
max_wal_size = '48MB'
min_wal_size = '32MB'
"""
_JOURNALS = 30
"""Files of the journal that are kept for later, at most."""
_PIECE = b"x" * 65_536


class SmallDisk:
    """The server and its disk."""

    def __init__(self, mount: Path) -> None:
        self._server = server_in(mount, packaged_programs())
        self._ballast = mount / "ballast"
        embedded._make(self._server)
        with (self._server.data / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write(_SETTINGS)
        self.conninfo = embedded._ensure_started(self._server)
        migrate(self.conninfo, COMPONENTS)
        prepare(self.conninfo)

    def fill(self) -> None:
        """Leave no byte; what the server frees meanwhile is taken at the next call."""
        with self._ballast.open("ab", buffering=0) as ballast, suppress(OSError):
            while ballast.write(_PIECE) == len(_PIECE):
                pass

    def use_up_the_journal(self) -> None:
        """Write journal until there is no file left for it: the server panics, and cannot recover without room."""
        with suppress(psycopg.Error), psycopg.connect(self.conninfo, autocommit=True) as connection:
            for _ in range(_JOURNALS):
                connection.execute("SELECT pg_logical_emit_message(false, 'test', ''), pg_switch_wal()")
                self.fill()

    def free(self) -> None:
        """Make room again. A server that could not go on without is started, as whoever watches over it would do."""
        self._ballast.unlink()
        embedded._ensure_started(self._server)

    @property
    def runs(self) -> bool:
        """Whether the server lives."""
        return postmaster(self._server) is not None

    def end(self) -> None:
        """Stop the server."""
        self._ballast.unlink(missing_ok=True)
        if self.runs:
            run(self._server, "pg_ctl", "stop", "-s", "-w", "-m", "immediate", "-D", str(self._server.data))


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """A running server with a migrated database on a small disk, until the block ends. Raises Missing."""
    mount = folder / "disk"
    mount.mkdir()
    if os.geteuid() != 0:
        raise Missing("a small disk can only be mounted by root")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(mount)], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        raise Missing(f"a small disk cannot be mounted here: {made.stderr.strip()}")
    disk = None
    try:
        disk = SmallDisk(mount)
        yield disk
    finally:
        if disk is not None:
            disk.end()
        subprocess.run(["umount", str(mount)], check=True)
