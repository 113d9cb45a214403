"""Synchronous standbys: when a commit counts as durable.

PostgreSQL commits on its own disk first and then waits for the standbys. When that wait is cut short, the commit stays:
everyone sees it, but a failover to a standby removes it. A cancelled wait is even reported as a success, with only a
warning. So the ledger gives out no data that it read until a later commit has waited to the end.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import AsyncConnection
from psycopg.errors import Diagnostic

_WAIT = "SyncRepWaitForLSN"
"""The server's function that warns. The warning's text may be in any language, and its code is a general one."""


@contextmanager
def waits_cut_short(connection: AsyncConnection[Any]) -> Iterator[list[str]]:
    """Collect the warnings that a commit in this block did not wait for the standbys."""
    warnings: list[str] = []

    def collect(notice: Diagnostic) -> None:
        if notice.source_function == _WAIT:
            warnings.append(notice.message_primary or _WAIT)

    connection.add_notice_handler(collect)
    try:
        yield warnings
    finally:
        connection.remove_notice_handler(collect)
