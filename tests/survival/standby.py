"""A primary and a synchronous streaming standby, which fail over as often as one likes.

Both are servers of our own on sockets; the conninfo names both and asks for the one that can be written to. A primary
that has fallen is fenced: all its processes are gone and so is its data, before the standby is promoted.
"""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from api.components import COMPONENTS
from api.runtime.embedded import lifetime as embedded
from api.runtime.embedded.server import PORT, Server, packaged_programs, postmaster, run, server_in, socket_folder
from ledger.postgres.migrations import migrate
from projections.engine.builds import prepare

PATIENCE = 60.0
_LOOKS = 0.02
_SETTINGS = """
shared_buffers = '32MB'
wal_keep_size = '64MB'
wal_receiver_status_interval = '1s'
"""
_IN_STEP = "SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum') AND state = 'streaming'"
_ATTACHED = "SELECT count(*) FROM pg_stat_replication"


class Node:
    """One of the two servers."""

    def __init__(self, folder: Path, programs: Path) -> None:
        folder.mkdir()
        self.server: Server = server_in(folder, programs)
        self.socket = socket_folder(self.server)

    @property
    def conninfo(self) -> str:
        """To this server alone, whatever it is."""
        return make_conninfo(host=str(self.socket), port=PORT, user=embedded.SUPERUSER, dbname=embedded.DATABASE)

    def start(self) -> None:
        """Start, and wait until it answers."""
        embedded._start(self.server)

    def stop(self, mode: str = "immediate") -> None:
        """Stop; `immediate` is without a last word, to the standby neither."""
        self.tell("pg_ctl", "stop", "-s", "-w", "-m", mode, "-D", str(self.server.data))

    def kill(self) -> None:
        """`kill -9` of the server, and wait until the last of its processes has noticed."""
        pid = postmaster(self.server)
        assert pid is not None, "it runs"
        family = [pid, *_children(pid)]
        os.kill(pid, signal.SIGKILL)
        _until(lambda: not any(map(_lives, family)), "a killed server leaves processes")

    def promote(self) -> None:
        """Make a standby the primary."""
        self.tell("pg_ctl", "promote", "-s", "-w", "-D", str(self.server.data))

    def clear(self) -> None:
        """Remove its data: what was written there and nowhere else is gone."""
        shutil.rmtree(self.server.data, ignore_errors=True)

    def copy(self, primary: "Node") -> None:
        """Become a standby of a running primary, with a slot of its own there."""
        data = self.server.data
        data.mkdir(mode=0o700)
        if self.server.owner is not None:
            os.chown(data, self.server.owner.pw_uid, self.server.owner.pw_gid)
        primary.ask("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active")
        source = ("-h", str(primary.socket), "-p", str(PORT), "-U", embedded.SUPERUSER)
        how = ("-R", "-C", "-S", "survival", "-X", "stream", "-c", "fast", "--no-sync")
        self.tell("pg_basebackup", *source, *how, "-D", str(data))
        (data / f".s.PGSQL.{PORT}.lock").unlink()  # the primary's, whose socket lies in its data

    def tell(self, program: str, *arguments: str) -> None:
        """Run a program of PostgreSQL. Raises AssertionError with what it said when it fails."""
        status, said = run(self.server, program, *arguments)
        assert status == 0, f"{program}: {said}"

    def ask(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Ask this server something, or tell it to do something."""
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    @property
    def runs(self) -> bool:
        """Whether it is there."""
        return postmaster(self.server) is not None


class Pair:
    """Two nodes, of which one is the primary."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.primary = Node(folder / "one", programs)
        self.standby = Node(folder / "two", programs)
        hosts = ",".join(str(node.socket) for node in (self.primary, self.standby))
        self.conninfo = make_conninfo(
            host=hosts,
            port=f"{PORT},{PORT}",
            user=embedded.SUPERUSER,
            dbname=embedded.DATABASE,
            target_session_attrs="read-write",
        )

    def begin(self) -> None:
        """Make the primary, migrate it, and let the standby follow it."""
        embedded._make(self.primary.server)
        with (self.primary.server.data / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write(_SETTINGS)
        self.primary.start()
        embedded._with_database(self.primary.server)
        migrate(self.primary.conninfo, COMPONENTS)
        prepare(self.primary.conninfo)
        self.primary.ask("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.primary.ask("SELECT pg_reload_conf()")
        self.attach()

    def attach(self) -> None:
        """A new standby, made of the primary; returns when it is synchronous."""
        self.standby.copy(self.primary)
        self.standby.start()
        self.until_in_step()

    def until_in_step(self) -> None:
        """Wait until the standby is synchronous."""
        _until(lambda: self.primary.ask(_IN_STEP)[0][0] == 1, "the standby does not become synchronous")

    def cut_off(self) -> None:
        """Stop the standby: from here on nothing is acknowledged any more."""
        self.standby.stop()
        _until(lambda: self.primary.ask(_ATTACHED)[0][0] == 0, "the primary still has a standby")

    def fail_over(self) -> None:
        """The primary has fallen and never comes back; the standby takes its place, and it has none of its own."""
        assert not self.primary.runs, "it has fallen"
        self.primary.clear()
        if not self.standby.runs:
            self.standby.start()
        self.standby.promote()
        self.primary, self.standby = self.standby, self.primary

    def end(self) -> None:
        """Stop what runs."""
        for node in (self.primary, self.standby):
            if node.runs:
                node.stop()


@contextmanager
def replicated(folder: Path, programs: Path | None = None) -> Iterator[Pair]:
    """A pair on an empty, migrated database until the block ends."""
    pair = Pair(folder, programs or packaged_programs())
    try:
        pair.begin()
        yield pair
    finally:
        pair.end()


def _until(condition: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(complaint)
        time.sleep(_LOOKS)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _lives(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    return False
