"""The lifeline: the one connection on which a process appends, replaced when it is lost."""

import asyncio
import logging
from collections.abc import Callable

import psycopg

from ledger.store.log import EventLog, ServerProcess, Writer

LOST = (psycopg.OperationalError, psycopg.InterfaceError, ConnectionError, TimeoutError, OSError)
"""What a lost connection, or a database that cannot go on, looks like. The outcome of what was sent is not known."""

GRACE = 5.0
"""Seconds that waiting commands are kept through a lost database before they are told."""

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0
_log = logging.getLogger("credit_ledger.lifeline")


class Lifeline:
    """Holds the writer. A new one is handed out only after the server process of the old one is gone."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._writer: Writer | None = None
        self._process: ServerProcess | None = None

    @property
    def writer(self) -> Writer:
        """The writer of now."""
        assert self._writer is not None, "connect comes first"
        return self._writer

    async def connect(self) -> None:
        """Connect. Raises psycopg.OperationalError when the database cannot be reached."""
        self._writer, self._process = await self._log.connect_writer(self._process)

    async def renew(self, error: BaseException, give_up: Callable[[], None]) -> None:
        """Connect again, for as long as it takes; `give_up` is called once when it takes longer than GRACE."""
        _log.warning("the writer's connection was lost: %s", _text(error))
        await self.writer.close()
        loop = asyncio.get_running_loop()
        lost_at, pause, told = loop.time(), _FIRST_PAUSE, False
        while True:
            try:
                await self.connect()
            except (psycopg.Error, OSError, TimeoutError) as problem:
                if not told and loop.time() - lost_at > GRACE:
                    _log.error("the database cannot be reached: %s", _text(problem))  # expected
                    give_up()
                    told = True
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                _log.warning("the writer is connected again after %.1f s", loop.time() - lost_at)
                return

    async def close(self) -> None:
        """Close the writer's connection."""
        if self._writer is not None:
            await self._writer.close()


def _text(error: BaseException) -> str:
    return str(error).strip() or type(error).__name__
