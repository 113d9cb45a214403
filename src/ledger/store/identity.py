"""The identity of a ledger: a random id that is made with its tables and never changes."""

from typing import Any

import psycopg
from psycopg import AsyncConnection

from ledger.postgres.migrations import MigrationError
from ledger.postgres.named_sql import queries

_SQL = queries("ledger.store", "sql/identity.sql")


async def ledger_id(connection: AsyncConnection[Any]) -> str:
    """Which ledger the database of a connection holds. Raises psycopg.Error."""
    row = await (await connection.execute(_SQL["ledger_id"])).fetchone()
    assert row is not None, "the migration that makes the table makes the row"
    return str(row[0])


def ledger_id_of(conninfo: str) -> str | None:
    """Which ledger a database holds; None when it holds none.

    Raises MigrationError when this login may not see it, and psycopg.OperationalError.
    """
    with psycopg.connect(conninfo) as connection:
        try:
            row = connection.execute(_SQL["ledger_id"]).fetchone()
        except psycopg.errors.UndefinedTable:
            return None
        except psycopg.errors.InsufficientPrivilege as error:
            raise MigrationError(
                f"{connection.info.user} may not read the ledger: {error.diag.message_primary}"
            ) from error
    return row[0] if row else None
