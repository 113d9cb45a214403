"""How a caller reaches a service: one request at a time on a connection that is made again when it breaks.

Spoken by hand, because a library would take most of the two cores for itself.
"""

import asyncio
from typing import NamedTuple, Protocol

import orjson

from tests.service import ADMIN_KEY

PATIENCE = 15.0
"""Seconds that a caller waits for an answer; what takes longer is unknown to it."""


class NoAnswer(Exception):
    """The connection broke or nobody answered in time: whether anything was done, the caller cannot know."""


class Reply(NamedTuple):
    """An answer."""

    status: int
    request_id: str | None
    body: bytes


class Wire(Protocol):
    """A way to a service."""

    async def post(self, path: str, body: object, key: str | None = None) -> Reply:
        """Send a command. Raises NoAnswer."""

    async def get(self, path: str) -> Reply:
        """Ask a question. Raises NoAnswer."""

    def close(self) -> None:
        """Hang up."""


class HttpWire:
    """HTTP to a port of this machine."""

    def __init__(self, port: int, patience: float = PATIENCE) -> None:
        self._port = port
        self._patience = patience
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {ADMIN_KEY}\r\n"

    async def post(self, path: str, body: object, key: str | None = None) -> Reply:
        """Send a command. Raises NoAnswer."""
        sent = orjson.dumps(body)
        named = "" if key is None else f"Idempotency-Key: {key}\r\n"
        head = f"POST {path} HTTP/1.1\r\n{self._head}{named}Content-Type: application/json\r\n"
        return await self._ask(f"{head}Content-Length: {len(sent)}\r\n\r\n".encode() + sent)

    async def get(self, path: str) -> Reply:
        """Ask a question. Raises NoAnswer."""
        return await self._ask(f"GET {path} HTTP/1.1\r\n{self._head}\r\n".encode())

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _ask(self, request: bytes) -> Reply:
        try:
            async with asyncio.timeout(self._patience):
                return await self._exchange(request)
        except (OSError, EOFError, TimeoutError) as error:
            self.close()
            raise NoAnswer(type(error).__name__) from error
        except asyncio.CancelledError:
            self.close()  # the answer that is still to come must not be taken for the next one's
            raise

    async def _exchange(self, request: bytes) -> Reply:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20)
        reader, writer = self._streams
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        status, request_id, length = _read_head(head)
        return Reply(status, request_id, await reader.readexactly(length))


def _read_head(head: bytes) -> tuple[int, str | None, int]:
    """The status, the request id and the length of the body."""
    fields = {}
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        fields[name.lower()] = value.strip()
    request_id = fields.get(b"x-request-id")
    return int(head[9:12]), request_id.decode() if request_id else None, int(fields.get(b"content-length", b"0"))
