"""Real PostgreSQL servers for the tests: the embedded one, and the machine's own when there is one.

Tests run the ledger as an operator does: in the role of the service, which may not change what is recorded. Those that
do damage, as somebody could who has the server in his hands, do it as `owner`, or with `tampering`.

The shared servers keep what a killed server keeps, and nothing that a machine without power would: they are in memory
where there is room, and wait for no disk. Tests of durability start servers of their own.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from api.components import COMPONENTS
from api.runtime.database import EMBEDDED_LOGIN
from api.runtime.embedded.lifetime import SUPERUSER, embedded_postgres
from api.runtime.embedded.server import packaged_programs
from ledger.postgres.migrations import migrate
from ledger.postgres.roles import SERVICE, make_login, set_up, with_service_role
from projections.engine.builds import prepare

_numbers = count(1)


def as_the_service(conninfo: str) -> str:
    """The same database as the service has it on its own server."""
    return with_service_role(make_conninfo(conninfo, user=EMBEDDED_LOGIN))


def owner(conninfo: str) -> str:
    """The same database for whoever may do anything but change what is recorded."""
    return make_conninfo(conninfo, user=SUPERUSER, options="")


@contextmanager
def tampering(conninfo: str) -> Iterator[psycopg.Connection]:
    """A connection for whoever stops at nothing: the triggers are off until the block ends."""
    with psycopg.connect(owner(conninfo), autocommit=True) as connection:
        triggers = connection.execute(_TRIGGERS).fetchall()
        for table, name in triggers:
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER {name}".encode())
        try:
            yield connection
        finally:
            for table, name in triggers:
                connection.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}".encode())


_ANOTHER_IDENTITY = """
ALTER TABLE ledger.identity DISABLE TRIGGER never_changed;
UPDATE ledger.identity SET id = gen_random_uuid();
ALTER TABLE ledger.identity ENABLE ALWAYS TRIGGER never_changed;
"""
_NO_DISK = ("fsync = off", "full_page_writes = off", "max_wal_size = '512MB'", "min_wal_size = '128MB'")
"""Settings of a server whose data may be lost with the machine's power."""
_MEMORY_DISK = Path("/dev/shm")
_ROOM = 6 * 2**30
"""Bytes that must be free in memory: several servers, the tests and a browser share it."""
_TRIGGERS = """
SELECT tgrelid::regclass::text, quote_ident(tgname) FROM pg_trigger
WHERE tgfoid = 'ledger.refuse_change'::regproc OR tgname = 'never_changed'
"""


def machine_programs() -> Path | None:
    """The bin folder of the machine's PostgreSQL; see scripts/test."""
    named = os.environ.get("CREDIT_LEDGER_TEST_POSTGRES_BIN")
    if named:
        return Path(named)
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


def programs_of(name: str) -> Path | None:
    """The bin folder of the server `embedded` or `machine`; None when the machine has none.

    CREDIT_LEDGER_TEST_EMBEDDED_BIN names another version, which stands in for the embedded server: then the run is of
    that version alone.
    """
    other = os.environ.get("CREDIT_LEDGER_TEST_EMBEDDED_BIN")
    if name == "machine":
        return None if other else machine_programs()
    return Path(other) if other else packaged_programs()


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder in memory where that has room, else on disk. Not pytest's own: as root the server is another user's
    process, and the next pytest that starts on the machine would shut that user out of it."""
    place = _MEMORY_DISK if _has_room(_MEMORY_DISK) else None
    with tempfile.TemporaryDirectory(prefix="credit-ledger-test-", dir=place) as folder:
        yield Path(folder)


def _has_room(folder: Path) -> bool:
    if not os.access(folder, os.W_OK):
        return False
    disk = os.statvfs(folder)
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    [available] = (int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    return min(disk.f_bavail * disk.f_frsize, available) >= _ROOM


def without_disk(conninfo: str) -> None:
    """Let a server lose its data with the machine's power."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for setting in _NO_DISK:
            connection.execute(f"ALTER SYSTEM SET {setting}".encode())
        connection.execute("SELECT pg_reload_conf()")


class TestServer:
    """One server, with a migrated database from which every test gets a copy."""

    __test__ = False

    def __init__(self, conninfo: str, maintenance: psycopg.Connection) -> None:
        self._maintenance = make_conninfo(conninfo, dbname="postgres")
        self._connection = maintenance
        without_disk(self._maintenance)
        self.template = f"template_{os.getpid()}"
        self._execute(f"CREATE DATABASE {self.template}")
        template = make_conninfo(conninfo, dbname=self.template)
        migrate(template, COMPONENTS)
        assert set_up(template, COMPONENTS) is None
        make_login(template, EMBEDDED_LOGIN)
        prepare(template)

    @contextmanager
    def database(self, template: str | None = None) -> Iterator[str]:
        """A fresh database for the service, dropped afterwards."""
        name = f"test_{os.getpid()}_{next(_numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template or self.template} STRATEGY file_copy")
        self._execute(f"GRANT CONNECT, TEMPORARY ON DATABASE {name} TO {SERVICE}")  # no copy has them
        conninfo = self.conninfo(name)
        try:
            if template is None:  # a ledger of its own; a copy of another one's database is the same ledger
                with psycopg.connect(conninfo) as connection:
                    connection.execute(_ANOTHER_IDENTITY)
            yield as_the_service(conninfo)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def restored(self, dump: str) -> str:
        """The name of a database that a dump has filled, a template for others. It stays as long as the server."""
        name = f"restored_{os.getpid()}_{next(_numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE template0")
        with psycopg.connect(self.conninfo(name), autocommit=True) as connection:
            connection.execute(dump.encode())
        return name

    def conninfo(self, name: str) -> str:
        """A database of this server, for the superuser."""
        return make_conninfo(self._maintenance, dbname=name)

    def _execute(self, statement: str) -> None:
        self._connection.execute(statement.encode())


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
            programs = programs_of(name)
            if programs is None:
                return None
            conninfo = self._stack.enter_context(embedded_postgres(self._folder / name, programs))
            connection = psycopg.connect(make_conninfo(conninfo, dbname="postgres"), autocommit=True)
            self._servers[name] = TestServer(conninfo, self._stack.enter_context(connection))
        return self._servers[name]
