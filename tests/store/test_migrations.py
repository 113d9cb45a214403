"""Migrations: each once, in order, from any number of processes, and never behind anybody's back."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import psycopg
import pytest

from api.components import COMPONENTS
from ledger.postgres import migrations
from ledger.postgres.migrations import MigrationError, known_migrations, migrate
from tests.postgres import TestServer, owner

SHAPE = """
SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns
WHERE table_schema IN ('ledger', 'projections') ORDER BY 1, 2, 3
"""


def test_an_empty_database_gets_everything_once(each_server: TestServer) -> None:
    with each_server.database("template0") as empty, each_server.database() as template:
        conninfo = owner(empty)
        with ThreadPoolExecutor(4) as pool:
            applied = list(pool.map(partial(migrate, components=COMPONENTS), [conninfo] * 4))
        names = [f"{m.component}/{m.name}" for m in known_migrations(COMPONENTS)]
        assert sorted(applied, key=len) == [[], [], [], names]
        assert shape(conninfo) == shape(template) != []


def shape(conninfo: str) -> list[tuple[object, ...]]:
    """All columns of all tables."""
    with psycopg.connect(conninfo) as connection:
        return connection.execute(SHAPE).fetchall()


def test_a_changed_migration_is_refused(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *rest = known_migrations(COMPONENTS)
    changed = [replace(first, sql=first.sql + "-- changed"), *rest]
    monkeypatch.setattr(migrations, "known_migrations", lambda _: changed)
    with pytest.raises(MigrationError, match="was changed after it was applied"):
        migrate(database, COMPONENTS)


def test_a_database_from_the_future_is_refused(database: str) -> None:
    with psycopg.connect(owner(database)) as connection:
        connection.execute("INSERT INTO ledger.migrations VALUES ('ledger', '9999_later.sql', '')")
    with pytest.raises(MigrationError, match="update the program"):
        migrate(database, COMPONENTS)


def test_an_old_server_is_refused(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "OLDEST_SERVER", 990_000)
    with pytest.raises(MigrationError, match="PostgreSQL 15 or later"):
        migrate(database, COMPONENTS)


def test_the_views_speak_our_words(database: str) -> None:
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT * FROM ledger.event_log").description is not None
        assert connection.execute("SELECT * FROM ledger.receipts").description is not None
