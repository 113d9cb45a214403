"""The fence: it ends the server process of a lost writer before another writer is used.

A statement that was sent on a lost connection may still commit as long as the server process behind it lives.
"""

from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from ledger.postgres.named_sql import queries

_SQL = queries("ledger.store")


class ServerProcess(NamedTuple):
    """The server process of a connection; its start distinguishes it from a later one with the same pid."""

    pid: int
    backend_start: datetime


async def fenced_process(connection: AsyncConnection[Any], before: ServerProcess | None) -> ServerProcess:
    """The server process of a new connection. `before` is that of the lost one; it has ended when this returns.

    Raises psycopg.OperationalError when it does not end.
    """
    async with connection.cursor(row_factory=dict_row) as cursor:
        # The role of the service may neither see nor end the server processes of its own login.
        await cursor.execute(_SQL["as_who_logged_in"])
        if before is not None:
            await cursor.execute(_SQL["fence"], before._asdict())
            ended = await cursor.fetchone()
            if ended is not None and not ended["ended"]:
                raise psycopg.OperationalError(f"server process {before.pid} of a lost connection does not end")
        await cursor.execute(_SQL["identify"])
        row = await cursor.fetchone()
        await cursor.execute(_SQL["as_before"])
    assert row is not None
    assert row["backend_start"] is not None, "a login sees its own server processes; the fence needs that"
    return ServerProcess(row["pid"], row["backend_start"])


async def end_lock_holder(connection: AsyncConnection[Any], number: int, pid: int) -> None:
    """End the server process `pid`, over a connection of its own, if it has a session lock. Raises psycopg.Error."""
    async with connection.cursor() as cursor:
        await cursor.execute(_SQL["as_who_logged_in"])
        await cursor.execute(_SQL["end_lock_holder"], {"number": number, "pid": pid})
