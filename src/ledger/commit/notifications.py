"""Commit notifications: they tell the followers of the log, in all processes, that there may be new events.

A notification may come without a new event, and it may be lost with a connection. So a follower reads the log before
it waits for one, and again after some time. A notification is sent after the commit, on a connection of its own: NOTIFY
inside the transaction would make all such commits wait for each other.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, LiteralString

import psycopg
from psycopg import AsyncConnection

from ledger.postgres.connecting import connect_async
from ledger.store.log import EventLog

PAUSE = 0.02
"""Seconds between two notifications of one process: under load, one notification stands for many commits."""
_RETRY = 0.5
_CHANNEL: LiteralString = "credit_ledger_events"
_NOTIFY: LiteralString = f"NOTIFY {_CHANNEL}"
_LISTEN: LiteralString = f"LISTEN {_CHANNEL}"
_log = logging.getLogger("credit_ledger.notifications")


class CommitNotifier:
    """Notifies all followers, in this process and in others, that there are new events in the log."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._committed = asyncio.Event()
        self._stopped = False

    def notify(self) -> None:
        """Notify the followers soon. A call costs almost nothing."""
        self._committed.set()

    def stop(self) -> None:
        """Let `run` send a last notification and return."""
        self._stopped = True
        self._committed.set()

    async def run(self) -> None:
        """Send notifications until `stop` is called. One that cannot be sent is dropped: followers also poll."""
        while not self._stopped:
            try:
                async with await self._log.connect() as connection:
                    await self._notify_on(connection)
            except psycopg.Error:
                await asyncio.sleep(_RETRY)

    async def _notify_on(self, connection: AsyncConnection[Any]) -> None:
        cursor = connection.cursor()  # one for all; a pool would look at the connection each time
        while not self._stopped:
            await self._committed.wait()
            self._committed.clear()
            await cursor.execute(_NOTIFY)
            await asyncio.sleep(PAUSE)


class CommitListener:
    """Lets a follower wait for new events.

    The follower calls `clear`, reads the log, and then calls `wait`: so it misses no event that comes in between.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._committed = asyncio.Event()

    def clear(self) -> None:
        """Forget earlier notifications: from now on, a new one ends the next wait."""
        self._committed.clear()

    @property
    def notified(self) -> bool:
        """Whether a notification has come since `clear`."""
        return self._committed.is_set()

    async def wait(self, longest: float) -> None:
        """Wait for a notification, at most `longest` seconds."""
        # Not asyncio.wait_for: in Python 3.11 it forgets a cancellation that comes together with the notification.
        with suppress(TimeoutError):
            async with asyncio.timeout(longest):
                await self._committed.wait()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["CommitListener"]:
        """Listen until the block ends; connect again when the connection is lost."""
        task = asyncio.create_task(self._listen())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _listen(self) -> None:
        while True:
            try:
                async with await connect_async(self._conninfo) as connection:
                    await self._listen_on(connection)
            except psycopg.Error as error:
                _log.info("commit notifications are interrupted: %s", str(error).strip() or type(error).__name__)
            await asyncio.sleep(_RETRY)

    async def _listen_on(self, connection: AsyncConnection[Any]) -> None:
        await connection.execute(_LISTEN)
        self._committed.set()  # notifications may have been lost before this connection listened
        async for _ in connection.notifies():
            self._committed.set()
