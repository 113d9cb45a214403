"""Background tasks of a worker: each is started again when it ends by an error, and the restarts are counted."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

from api.runtime.processes.restarts import Restarts

PAUSE = 1.0
"""Seconds before a task that ended is started again."""
_STOP_TIMEOUT = 2.0
"""Seconds that tasks may take to end, because `wait_for` can lose a cancellation (Python 3.11)."""
_log = logging.getLogger("credit_ledger.background")

Work = Callable[[], Coroutine[Any, Any, None]]


@asynccontextmanager
async def in_background(work: Mapping[str, Work], restarts: Restarts) -> AsyncIterator[None]:
    """Do work in tasks, by their names, until the block ends."""
    tasks = [asyncio.create_task(_kept_alive(name, one, restarts), name=name) for name, one in work.items()]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=_STOP_TIMEOUT)


async def _kept_alive(name: str, work: Work, restarts: Restarts) -> None:
    while True:
        try:
            await work()
        except Exception:
            _log.exception("the task %s ended: starting it again", name)
            restarts.note(name)
        else:
            return
        await asyncio.sleep(PAUSE)
