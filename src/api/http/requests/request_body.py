"""The body of a request: read with a limit on its size, on its time, and on the memory of all bodies that arrive.

A body that arrives in one piece, as nearly all do, is never counted: only bodies that are read in several pieces stay
in memory while their clients send the rest.
"""

import asyncio
from time import monotonic
from typing import Any

from starlette.types import Receive

from api.contract.problems import Problem

BODY_SECONDS = 30.0
"""Seconds in which the whole body must arrive."""
_CHECK = 0.2
"""Seconds between two looks for bodies that are late."""
MAX_UNFINISHED = 64 * 1024 * 1024
"""The bytes of unfinished bodies that a process keeps in memory."""


class ClientLeft(Exception):
    """The client disconnected before the end of its body. There is nobody to answer."""


class _Unfinished:
    """The bytes of all bodies that are still being read."""

    def __init__(self) -> None:
        self.size = 0


_unfinished = _Unfinished()


class _Arriving:
    """The tasks that receive a body. A timer for each would take ten times as long, and every command receives one."""

    def __init__(self) -> None:
        self.since: dict[asyncio.Task[Any], float] = {}
        """When each of them began to."""
        self.late: set[asyncio.Task[Any]] = set()
        """Those of them that were cancelled because their body is late."""
        self.loop: asyncio.AbstractEventLoop | None = None
        """The loop of this process, while late bodies are refused. To ask for it takes a system call each time."""


_arriving = _Arriving()


async def receive_body(receive: Receive, limit: int, size: int | None = None) -> bytes:
    """Receive the whole body, which ends after `size` bytes if that is known. The server tells the end only when it is
    asked once more, which wakes three threads.

    Raises ClientLeft, and Problem: body_too_large, body_timeout, overloaded.
    """
    # The loop of this thread is another one when a process has several services.
    task = asyncio.current_task(_arriving.loop) or asyncio.current_task()
    assert task is not None, "a request is served by a task"
    _arriving.since[task] = monotonic()
    try:
        message = await receive()
        body: bytes | None = message.get("body", b"") if message["type"] == "http.request" else None
        if body is not None and (not message.get("more_body") or len(body) == size):
            if len(body) > limit:
                raise body_too_large(limit)
            return body
        return await _in_pieces(body, receive, limit, size)
    except asyncio.CancelledError:
        if task not in _arriving.late or task.uncancel():
            raise
        raise Problem(
            "body_timeout", f"The body did not arrive within {BODY_SECONDS:.0f} seconds.", seconds=int(BODY_SECONDS)
        ) from None
    finally:
        del _arriving.since[task]
        if _arriving.late:
            _arriving.late.discard(task)


async def refuse_late_bodies() -> None:
    """Until cancelled, cancel the tasks whose bodies are late: they answer body_timeout."""
    _arriving.loop = asyncio.get_running_loop()
    try:
        while True:
            await asyncio.sleep(_CHECK)
            began_before = monotonic() - BODY_SECONDS
            late = [task for task, began in _arriving.since.items() if began < began_before]
            for task in set(late) - _arriving.late:
                _arriving.late.add(task)
                task.cancel()
    finally:
        _arriving.loop = None


async def _in_pieces(first: bytes | None, receive: Receive, limit: int, whole: int | None) -> bytes:
    """The rest of a body after its first piece; None: the client has disconnected already."""
    pieces: list[bytes] = []
    size, piece, more = 0, first, True
    try:
        while True:
            if piece is None:
                raise ClientLeft
            size += len(piece)
            _unfinished.size += len(piece)
            if size > limit:
                raise body_too_large(limit)
            pieces.append(piece)
            if not more or size == whole:
                return b"".join(pieces)
            if _unfinished.size > MAX_UNFINISHED:
                detail = "Too many large bodies are arriving at the same time. Send the request again later."
                raise Problem("overloaded", detail, retry_after=1)
            message = await receive()
            piece = message.get("body", b"") if message["type"] == "http.request" else None
            more = message.get("more_body", False)
    finally:
        _unfinished.size -= size


def body_too_large(limit: int) -> Problem:
    """The problem of a body that is larger than its limit."""
    return Problem("body_too_large", f"The body may have at most {limit} bytes.", limit=limit)
