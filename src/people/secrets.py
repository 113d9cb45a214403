"""Secrets that all processes of a ledger share, in its database: no caller knows them."""

from ledger.postgres.named_sql import queries
from ledger.store import EventLog

_SQL = queries("people", "sql/secrets.sql")


async def cursor_key(log: EventLog) -> bytes:
    """The key with which the cursors of this ledger are authenticated: 32 bytes. Raises psycopg.Error."""
    async with log.connection() as connection:
        row = await (await connection.execute(_SQL["secret"], {"name": "cursors"})).fetchone()
    assert row is not None, "a migration makes it"
    return bytes(row[0])
