"""Migrations: numbered .sql files beside the code that owns the tables. Each is applied once, in order.

The caller passes the components that own tables, in the order of their migration. An applied migration is recorded with
its checksum; a file that was changed after it was applied is refused.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import psycopg

from ledger.postgres.components import Components
from ledger.postgres.connecting import connect

_NUMBERED = re.compile(r"(\d{4})_\w+\.sql")

_PREPARE = """
CREATE SCHEMA IF NOT EXISTS ledger;
CREATE TABLE IF NOT EXISTS ledger.migrations (
    component  text NOT NULL,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (component, name)
)
"""
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('ledger.migrations', 0))"
_APPLIED = "SELECT component, name, checksum FROM ledger.migrations"
_RECORD = "INSERT INTO ledger.migrations (component, name, checksum) VALUES (%s, %s, %s)"

OLDEST_SERVER = 150_000


class MigrationError(Exception):
    """The database cannot be migrated to the form that this program needs; the message says why."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file of a component."""

    component: str
    name: str
    sql: str

    def __str__(self) -> str:
        return f"{self.component}/{self.name}"

    @property
    def checksum(self) -> str:
        """SHA-256 of the file's text."""
        return sha256(self.sql.encode()).hexdigest()


def known_migrations(components: Components) -> list[Migration]:
    """All migrations of some components, in order."""
    found = []
    for component in components:
        names = sorted(entry.name for entry in component.sql.iterdir() if _NUMBERED.fullmatch(entry.name))
        found += [Migration(component.name, name, component.sql.joinpath(name).read_text()) for name in names]
    return found


def migrate(conninfo: str, components: Components) -> list[str]:
    """Apply the missing migrations in one transaction, and return their names.

    Several processes may run it at once. Raises MigrationError for a server older than PostgreSQL 15, for a migration
    that was changed after it was applied, for one that this login may not apply, and for one whose schema exists.
    """
    known = known_migrations(components)
    with connect(conninfo) as connection:
        if connection.info.server_version < OLDEST_SERVER:
            raise MigrationError(f"PostgreSQL 15 or later is needed; this is {connection.info.server_version}")
        login = connection.info.user
        try:
            if pending_migrations(connection, known) == []:
                return []  # finding that nothing is missing needs no right to create anything
        except psycopg.errors.InsufficientPrivilege as error:
            raise MigrationError(f"{login} may not read the ledger: {error.diag.message_primary}") from error
    try:
        return _apply_pending(conninfo, known)
    except psycopg.errors.InsufficientPrivilege as error:
        raise MigrationError(
            f"the database needs migrations that {login} may not apply ({error.diag.message_primary}): "
            "run `credit-ledger migrate` as the owner of its tables"
        ) from error


def _apply_pending(conninfo: str, known: Sequence[Migration]) -> list[str]:
    with connect(conninfo) as connection:
        connection.execute(_LOCK)
        connection.execute(_PREPARE)
        pending = pending_migrations(connection, known) or []
        for migration in pending:
            _apply(connection, migration)
    return [str(migration) for migration in pending]


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    try:
        connection.execute(migration.sql.encode())
    except psycopg.errors.DuplicateSchema as error:
        raise MigrationError(
            f"{migration} cannot be applied: {error.diag.message_primary}, but the ledger did not make it. "
            "Give the ledger a database of its own, or rename that schema"
        ) from error
    connection.execute(_RECORD, (migration.component, migration.name, migration.checksum))


def pending_migrations(connection: psycopg.Connection, known: Sequence[Migration]) -> list[Migration] | None:
    """The migrations that are not applied yet; None when the table of migrations is missing. Raises MigrationError."""
    row = connection.execute("SELECT to_regclass('ledger.migrations') IS NULL").fetchone()
    if row and row[0]:
        return None
    applied = {(component, name): checksum for component, name, checksum in connection.execute(_APPLIED)}
    for migration in known:
        if applied.get((migration.component, migration.name), migration.checksum) != migration.checksum:
            raise MigrationError(f"{migration} was changed after it was applied")
    unknown = applied.keys() - {(migration.component, migration.name) for migration in known}
    if unknown:
        component, name = min(unknown)
        raise MigrationError(
            f"the database has {component}/{name}, which this program does not know: update the program"
        )
    return [migration for migration in known if (migration.component, migration.name) not in applied]
