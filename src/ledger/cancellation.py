"""Ends tasks. In Python 3.11 `asyncio.wait_for`, which the connection pool uses, can lose a cancellation."""

import asyncio
from collections.abc import Iterable
from typing import Any

_REPEAT = 0.1
"""Seconds until a task that has not ended is cancelled again."""


async def end_tasks(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """Cancel tasks until each of them has ended."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_REPEAT)
