"""Standbys: when a commit counts, where the database has synchronous ones.

PostgreSQL commits on its own disk first and then waits for the standbys. When the wait is cut short, the commit stays:
everyone sees it, and it is gone when the database fails over to a standby. A wait that is cancelled is even reported as
a success, with a warning. So nothing that was seen is told to anyone before a later commit was waited for to its end.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import AsyncConnection
from psycopg.errors import Diagnostic

_WAIT = "SyncRepWaitForLSN"
"""The function of the server that warns. Its words are in any language, and the warning's code is everybody's."""


@contextmanager
def waits_cut_short(connection: AsyncConnection[Any]) -> Iterator[list[str]]:
    """Collects the warnings that a commit in this block was not waited for."""
    heard: list[str] = []

    def hear(notice: Diagnostic) -> None:
        if notice.source_function == _WAIT:
            heard.append(notice.message_primary or _WAIT)

    connection.add_notice_handler(hear)
    try:
        yield heard
    finally:
        connection.remove_notice_handler(hear)
