"""A PostgreSQL that a run may crash."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import psycopg

from api.components import COMPONENTS
from api.runtime.embedded import lifetime as embedded
from api.runtime.embedded.lifetime import embedded_postgres
from api.runtime.embedded.server import Server, packaged_programs, postmaster, run, server_in
from ledger.postgres.migrations import migrate
from projections.engine.builds import prepare
from tests.survival.serving import kill

Crash = Literal["immediate stop", "postmaster killed", "server process killed"]


class OwnServer:
    """A server that is ours alone."""

    def __init__(self, server: Server, conninfo: str) -> None:
        self._server = server
        self.conninfo = conninfo

    def crash(self, crash: Crash, chance: random.Random) -> None:
        """End it without a last word: what follows is a recovery."""
        if crash == "immediate stop":
            status, said = run(
                self._server, "pg_ctl", "stop", "-s", "-w", "-m", "immediate", "-D", str(self._server.data)
            )
            assert status == 0, said
        elif crash == "postmaster killed":
            pid = postmaster(self._server)
            assert pid is not None, "it does not run"
            kill(pid)
        else:
            kill(chance.choice(self._backends()))

    def start(self) -> None:
        """Start it, unless it runs, and wait until it answers."""
        embedded._ensure_started(self._server)

    def _backends(self) -> list[int]:
        """Processes that serve somebody: one of them killed makes the server end all others and recover."""
        with psycopg.connect(self.conninfo) as connection:
            query = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            return [pid for (pid,) in connection.execute(query)]


@contextmanager
def own_server(folder: Path) -> Iterator[OwnServer]:
    """A running server with a migrated database, until the block ends."""
    with embedded_postgres(folder) as conninfo:
        migrate(conninfo, COMPONENTS)
        prepare(conninfo)
        yield OwnServer(server_in(folder, packaged_programs()), conninfo)
