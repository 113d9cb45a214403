"""The identity of a ledger: a random id that a migration makes and that never changes."""

from typing import Any

import psycopg
from psycopg import AsyncConnection

from ledger.postgres.connecting import connect
from ledger.postgres.migrations import MigrationError
from ledger.postgres.named_sql import queries

_SQL = queries("ledger.store", "sql/identity.sql")


async def ledger_id(connection: AsyncConnection[Any]) -> str:
    """The id of the ledger in a database. Raises psycopg.Error."""
    row = await (await connection.execute(_SQL["ledger_id"])).fetchone()
    assert row is not None, "the migration that makes the table also inserts the row"
    return str(row[0])


def ledger_id_of(conninfo: str) -> str | None:
    """The id of the ledger in a database; None when the database contains no ledger.

    Raises MigrationError when the login may not read it, and psycopg.OperationalError.
    """
    with connect(conninfo) as connection:
        try:
            row = connection.execute(_SQL["ledger_id"]).fetchone()
        except psycopg.errors.UndefinedTable:
            return None
        except psycopg.errors.InsufficientPrivilege as error:
            raise MigrationError(
                f"{connection.info.user} may not read the ledger: {error.diag.message_primary}"
            ) from error
    return row[0] if row else None
