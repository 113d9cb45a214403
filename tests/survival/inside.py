"""A service inside of this process: everything but the sockets, the server and the processes that `serve` makes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from pydantic import SecretStr
from starlette.types import Message

from api.app import create_app
from api.http.hot_path import HotPath
from api.runtime.settings import Settings
from tests.service import ADMIN_KEY
from tests.survival.wire import Reply

_HEADERS = [(b"authorization", f"Bearer {ADMIN_KEY}".encode()), (b"content-type", b"application/json")]


class Inside:
    """The application, and a wire to it that nothing can cut."""

    def __init__(self, app: HotPath) -> None:
        self._app = app

    async def post(self, path: str, body: object, key: str | None = None) -> Reply:
        """Send a command."""
        named = [] if key is None else [(b"idempotency-key", key.encode())]
        return await self._ask("POST", path, "", orjson.dumps(body), named)

    async def get(self, path: str) -> Reply:
        """Ask a question."""
        path, _, query = path.partition("?")
        return await self._ask("GET", path, query, b"", [])

    def close(self) -> None:
        """There is nothing to hang up."""

    async def _ask(self, method: str, path: str, query: str, body: bytes, named: list[tuple[bytes, bytes]]) -> Reply:
        sent: list[Message] = []
        coming: list[Message] = [{"type": "http.request", "body": body}]

        async def receive() -> Message:
            if not coming:
                await asyncio.Event().wait()  # the caller stays
            return coming.pop()

        async def send(message: Message) -> None:
            sent.append(message)

        scope: dict[str, Any] = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [*_HEADERS, *named],
            "server": ("inside", 80),
            "client": ("inside", 1),
        }
        await self._app(scope, receive, send)
        return _reply(sent)


def _reply(sent: list[Message]) -> Reply:
    start, *parts = sent
    headers = {bytes(name).lower(): bytes(value) for name, value in start["headers"]}
    name = headers.get(b"x-request-id")
    return Reply(start["status"], name.decode() if name else None, b"".join(part.get("body", b"") for part in parts))


@asynccontextmanager
async def inside(conninfo: str, **settings: Any) -> AsyncIterator[Inside]:
    """A service on a migrated database, until the block ends."""
    app = create_app(Settings(admin_key=SecretStr(ADMIN_KEY), **settings), conninfo)
    assert isinstance(app, HotPath)
    async with app.app.router.lifespan_context(app.app):
        yield Inside(app)
