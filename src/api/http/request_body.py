"""The body of a request: read with a limit on its size, on its time, and on the memory of all bodies that arrive.

A body that arrives in one piece, as nearly all do, is never counted: only bodies that are read in several pieces stay
in memory while their clients send the rest.
"""

import asyncio

from starlette.types import Receive

from api.contract.problems import Problem

BODY_SECONDS = 30.0
"""Seconds in which the whole body must arrive."""
MAX_UNFINISHED = 64 * 1024 * 1024
"""The bytes of unfinished bodies that a process keeps in memory."""


class ClientLeft(Exception):
    """The client disconnected before the end of its body. There is nobody to answer."""


class _Unfinished:
    """The bytes of all bodies that are still being read."""

    def __init__(self) -> None:
        self.size = 0


_unfinished = _Unfinished()


async def receive_body(receive: Receive, limit: int) -> bytes:
    """Receive the whole body. Raises ClientLeft, and Problem: body_too_large, body_timeout, overloaded."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "a request is served by a task"
    deadline = loop.time() + BODY_SECONDS  # asyncio.timeout takes four times as long, and every command reads a body
    late = loop.call_at(deadline, task.cancel)
    try:
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            body: bytes = message.get("body", b"")
            if len(body) > limit:
                raise body_too_large(limit)
            return body
        return await _in_pieces(message.get("body"), receive, limit)
    except asyncio.CancelledError:
        if loop.time() < deadline or task.uncancel():
            raise
        raise Problem(
            "body_timeout", f"The body did not arrive within {BODY_SECONDS:.0f} seconds.", seconds=int(BODY_SECONDS)
        ) from None
    finally:
        late.cancel()


async def _in_pieces(first: bytes | None, receive: Receive, limit: int) -> bytes:
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
            if not more:
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
