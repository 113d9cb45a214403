"""News of the log: a hint to those who follow it that there may be more to read.

A hint may come for nothing, and it may be lost with a connection; so whoever waits for one looks for himself first, and
again after a while. It is sent after the commit and on a connection of the readers: a NOTIFY inside of the transaction
would serialise all commits that have one.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, LiteralString

import psycopg
from psycopg import AsyncConnection

from ledger.store.log import EventLog

PAUSE = 0.02
"""Seconds between two hints of one process: under load one hint stands for many commits."""
_RETRY = 0.5
_CHANNEL: LiteralString = "credit_ledger_events"
_NOTIFY: LiteralString = f"NOTIFY {_CHANNEL}"
_LISTEN: LiteralString = f"LISTEN {_CHANNEL}"
_log = logging.getLogger("credit_ledger.notifications")


class CommitNotifier:
    """Tells all followers, in this process and in others, that something was committed."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._something = asyncio.Event()
        self._ended = False

    def tell(self) -> None:
        """Something was committed. It costs nothing to say so often."""
        self._something.set()

    def end(self) -> None:
        """Nothing will be committed any more."""
        self._ended = True
        self._something.set()

    async def keep(self) -> None:
        """Send hints, a last one after the end; one that cannot be sent is left to the followers' own looks."""
        while not self._ended:
            await self._something.wait()
            self._something.clear()
            with suppress(psycopg.Error):
                async with self._log.connection() as connection:
                    await connection.execute(_NOTIFY)
            await asyncio.sleep(PAUSE)


class CommitListener:
    """Where a follower waits. `clear` comes before the look, `wait` after it: what is new in between is not missed."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._something = asyncio.Event()

    def clear(self) -> None:
        """From here on, what is new ends the next wait."""
        self._something.clear()

    @property
    def heard(self) -> bool:
        """Whether there was a hint since `clear`."""
        return self._something.is_set()

    async def wait(self, longest: float) -> None:
        """Return when something is new, or after so many seconds."""
        # Not asyncio.wait_for: in Python 3.11 it forgets a cancellation that comes together with the news.
        with suppress(TimeoutError):
            async with asyncio.timeout(longest):
                await self._something.wait()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["CommitListener"]:
        """Listen until the block ends; a lost connection is made again."""
        task = asyncio.create_task(self._listen())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _listen(self) -> None:
        while True:
            try:
                async with await AsyncConnection.connect(self._conninfo, autocommit=True) as connection:
                    await self._listen_on(connection)
            except psycopg.Error as error:
                _log.info("no news for a moment: %s", str(error).strip() or type(error).__name__)
            await asyncio.sleep(_RETRY)

    async def _listen_on(self, connection: AsyncConnection[Any]) -> None:
        await connection.execute(_LISTEN)
        self._something.set()  # what happened before this connection was heard by nobody
        async for _ in connection.notifies():
            self._something.set()
