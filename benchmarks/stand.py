"""What everything runs on: one PostgreSQL server, with one database for the ledger and one for the yardstick."""

import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from api.components import COMPONENTS
from api.runtime.embedded.lifetime import embedded_postgres
from api.runtime.embedded.server import packaged_programs, postmaster, server_in
from benchmarks.pace import ACCOUNTS
from benchmarks.processes import ROOT, cpu_seconds
from benchmarks.progress import Spoiled, say
from ledger.postgres.migrations import migrate
from people.api_keys import create_key

SCHEMA = ROOT / "benchmarks" / "yardstick" / "schema.sql"
FUNCTION = ROOT / "benchmarks" / "yardstick" / "deduct.pgbench"
_LOG = "ledger.events"
_WHOLE = "whole"
_LAST_POSITION = "SELECT coalesce(max(notification_id), 0) FROM ledger.events"


@dataclass(frozen=True, slots=True)
class Database:
    """One side's database, and how to count what it has recorded."""

    conninfo: str
    table: str
    """Where each deduction has a row: a table, or a subquery with its `xmin`."""
    count: str

    def recorded(self) -> int:
        """Deductions in it, or anything that grows with each of them."""
        return self._number(self.count)

    def commits(self) -> int:
        """Transactions that recorded something, so far."""
        return self._number(f"SELECT count(DISTINCT xmin::text) FROM {self.table}")

    def transactions(self) -> int:
        """Transactions that wrote something, so far: each takes a number, and an append takes two."""
        return self._number("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")

    def _number(self, query: str) -> int:
        with psycopg.connect(self.conninfo) as connection:
            row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return int(row[0])


@dataclass(frozen=True, slots=True)
class Stand:
    """A running server, both databases, and an API key that both sides know."""

    folder: Path
    programs: Path
    postgres: int
    """The process of the server."""
    ours: Database
    yardstick: Database
    api_key: str
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def fresh_prefix(self) -> str:
        """What the idempotency keys of one load begin with."""
        return f"bench-{next(self._numbers):04d}-"

    def apart(self, name: str) -> "Stand":
        """The same server with an empty ledger in a database of its own, and a key to that."""
        with psycopg.connect(self.ours.conninfo, autocommit=True) as connection:
            for statement in ("DROP DATABASE IF EXISTS {}", "CREATE DATABASE {}"):
                connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
        return self._at(name)

    def _at(self, name: str) -> "Stand":
        conninfo = make_conninfo(self.ours.conninfo, dbname=name)
        return replace(self, ours=Database(conninfo, _LOG, _LAST_POSITION), api_key=_prepare_ledger(conninfo))

    def keep(self, name: str) -> None:
        """Mark a database as whole, so that a later run in the same folder finds it by `kept`."""
        with psycopg.connect(self.ours.conninfo, autocommit=True) as connection:
            connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), _WHOLE))

    def kept(self, name: str) -> "Stand | None":
        """The ledger of an earlier run, with what that added to it; None where none is kept."""
        with psycopg.connect(self.ours.conninfo) as connection:
            query = "SELECT FROM pg_database WHERE datname = %s AND shobj_description(oid, 'pg_database') = %s"
            found = connection.execute(query, [name, _WHOLE]).fetchone()
        return self._at(name) if found is not None else None

    def counting_new(self) -> "Stand":
        """This stand, counting only the commits of what is recorded from now on: all of a large log take long."""
        end = self.ours.recorded()
        newer = f"(SELECT xmin FROM {_LOG} WHERE notification_id > {end}) AS newer"
        return replace(self, ours=replace(self.ours, table=newer))

    def postgres_seconds(self) -> float:
        """CPU time that the server has used."""
        return cpu_seconds(self.postgres)

    def show(self, setting: str) -> str:
        """A setting of the server."""
        with psycopg.connect(self.ours.conninfo) as connection:
            row = connection.execute("SELECT current_setting(%s)", [setting]).fetchone()
        assert row is not None
        return str(row[0])

    def settle(self) -> None:
        """Vacuum and checkpoint now: keep the cost of what was filled out of what is measured next."""
        for database in (self.ours, self.yardstick):
            with psycopg.connect(database.conninfo, autocommit=True) as connection:
                connection.execute("VACUUM ANALYZE")
                connection.execute("CHECKPOINT")


@contextmanager
def standing(parent: Path | None, kept: Path | None = None) -> Iterator[Stand]:
    """A stand until the block ends: in a temporary folder below `parent` (None: where the machine keeps such), or in
    the folder `kept`, which stays."""
    temporary = tempfile.TemporaryDirectory(prefix="credit-ledger-benchmark-", dir=parent)
    with temporary if kept is None else nullcontext(str(kept.absolute())) as name:
        folder = Path(name)
        say(f"starting PostgreSQL in {folder}")
        with embedded_postgres(folder) as conninfo:
            yield _stand(folder, conninfo)


def _stand(folder: Path, conninfo: str) -> Stand:
    programs = packaged_programs()
    server = server_in(folder, programs)
    process = postmaster(server)
    assert process is not None, "embedded_postgres() came back, so the server runs"
    api_key = _prepare_ledger(conninfo)
    return Stand(
        folder,
        programs,
        process,
        Database(conninfo, _LOG, _LAST_POSITION),
        Database(_load_yardstick(conninfo, api_key), "yardstick.entries", "SELECT count(*) FROM yardstick.entries"),
        api_key,
    )


def _prepare_ledger(conninfo: str) -> str:
    """Tables without rows, and an API key."""
    migrate(conninfo, COMPONENTS)
    return create_key(
        conninfo, "benchmark", ["ledger:write", "ledger:manage", "ledger:read", "keys:verify", "people:write"]
    )


def _load_yardstick(conninfo: str, api_key: str) -> str:
    """The yardstick's own database, filled, with the API key that the ledger has."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS yardstick")  # of an earlier run, where the folder is kept
        connection.execute("CREATE DATABASE yardstick")
    conninfo = make_conninfo(conninfo, dbname="yardstick")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(SCHEMA.read_bytes())
        connection.execute("SELECT yardstick.fill(%s)", [ACCOUNTS])
        connection.execute("INSERT INTO yardstick.api_keys VALUES (sha256(%s), 'the same')", [api_key.encode()])
    return conninfo


def refuse_unsafe(stand: Stand) -> None:
    """Nothing is worth measuring on a server that forgets."""
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        if stand.show(setting) != "on":
            raise Spoiled(f"{setting} is {stand.show(setting)}: what is answered would not be durable")


def cores() -> int:
    """Those that this process, and so all that it starts, may use."""
    return len(os.sched_getaffinity(0))
