"""The operators' address: /healthz, /readyz with all its details, and /metrics, apart from the public port.

A few lines of HTTP suffice for it: GET and HEAD, one request for each connection, nothing of the request is kept. Every
worker listens on the same address; the kernel hands each connection to one of them.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import NamedTuple

from api.http.health import Health, readiness_reply
from api.http.health import metrics_text as metrics_of

MAX_HEAD = 8 * 1024
"""The largest head of a request, in bytes."""
_ARRIVES = 5.0
"""Seconds in which a request must arrive."""
_ANSWERED = 20.0
"""Seconds in which it is answered, and its answer taken. While the database is away, /readyz and /metrics wait as long
for a connection as everybody else does: nobody needs their answer more than then."""
_MAX_CONNECTIONS = 100
"""Further connections are closed at once."""
_TEXT = "text/plain; version=0.0.4; charset=utf-8"


class _Answer(NamedTuple):
    status: int
    media_type: str
    body: bytes


class OpsServer:
    """Answers the questions of operators."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._open = 0
        self._answers: dict[str, Callable[[], Awaitable[_Answer]]] = {
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/metrics": self._metrics,
        }

    @asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[None]:
        """Listen until the block ends."""
        server = await asyncio.start_server(self._serve, host, port, limit=MAX_HEAD, reuse_port=True)
        try:
            yield
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= _MAX_CONNECTIONS:
                with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                    async with asyncio.timeout(_ARRIVES):
                        head = await reader.readuntil(b"\r\n\r\n")
                    async with asyncio.timeout(_ANSWERED):
                        await self._answer(head, writer)
        finally:
            self._open -= 1
            writer.close()

    async def _answer(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        method, target = (*head.partition(b"\r\n")[0].decode("latin-1").split(" "), "", "")[:2]
        make = self._answers.get(target.partition("?")[0])
        if method not in {"GET", "HEAD"}:
            make = _not_allowed
        answer = await make() if make else _plain(404)
        lines = [
            f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
            f"content-type: {answer.media_type}",
            f"content-length: {len(answer.body)}",
            *(["allow: GET, HEAD"] if answer.status == 405 else []),
            "connection: close",
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        if method != "HEAD":
            writer.write(answer.body)
        await writer.drain()

    async def _healthz(self) -> _Answer:
        return _Answer(200, "application/json", b'{"status":"ok"}')

    async def _readyz(self) -> _Answer:
        reply = await readiness_reply(self._health)
        return _Answer(reply.status_code, "application/json", bytes(reply.body))

    async def _metrics(self) -> _Answer:
        return _Answer(200, _TEXT, await metrics_of(self._health))


async def _not_allowed() -> _Answer:
    return _plain(405)


def _plain(status: int) -> _Answer:
    return _Answer(status, "text/plain", f"{HTTPStatus(status).phrase}\n".encode())
