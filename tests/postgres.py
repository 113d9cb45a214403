"""Real PostgreSQL servers for the tests: the embedded one, and the machine's own when there is one."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from api.embedded import embedded_postgres
from ledger.migrations import migrate
from projections.builds import prepare

_numbers = count(1)


def machine_programs() -> Path | None:
    """The bin folder of the machine's PostgreSQL; see scripts/test."""
    named = os.environ.get("CREDIT_LEDGER_TEST_POSTGRES_BIN")
    if named:
        return Path(named)
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


class TestServer:
    """One server, with a migrated database from which every test gets a copy."""

    __test__ = False

    def __init__(self, conninfo: str) -> None:
        self._maintenance = make_conninfo(conninfo, dbname="postgres")
        self.template = f"template_{os.getpid()}"
        self._execute(f"CREATE DATABASE {self.template}")
        migrate(make_conninfo(conninfo, dbname=self.template))
        prepare(make_conninfo(conninfo, dbname=self.template))

    @contextmanager
    def database(self, template: str | None = None) -> Iterator[str]:
        """A fresh database, dropped afterwards."""
        name = f"test_{os.getpid()}_{next(_numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template or self.template}")
        conninfo = make_conninfo(self._maintenance, dbname=name)
        try:
            if template is None:  # a ledger of its own; a copy of another one's database is the same ledger
                with psycopg.connect(conninfo) as connection:
                    connection.execute("UPDATE ledger.identity SET id = gen_random_uuid()")
            yield conninfo
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._maintenance, autocommit=True) as connection:
            connection.execute(statement.encode())


class TestServers:
    """The servers that a run has asked for, each started once."""

    __test__ = False

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._servers: dict[str, TestServer] = {}

    def get(self, name: str) -> TestServer | None:
        """The server `embedded` or `machine`; None when the machine has none."""
        if name not in self._servers:
            programs = machine_programs() if name == "machine" else None
            if name == "machine" and programs is None:
                return None
            conninfo = self._stack.enter_context(embedded_postgres(self._folder / name, programs))
            self._servers[name] = TestServer(conninfo)
        return self._servers[name]
