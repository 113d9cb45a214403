"""The end of a body: the server says it when it is asked once more, which is not done where the size was told."""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.types import Message

from api.contract.problems import Problem
from api.http.requests import request_body
from api.http.requests.request import read_body
from api.http.requests.request_body import ClientLeft

LIMIT = 10


@pytest.fixture(autouse=True)
def no_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that other tests have in this process remembers a loop of its own."""
    monkeypatch.setattr(request_body._arriving, "loop", None)


class Server:
    """What a server tells of a body: its pieces, then its end."""

    def __init__(self, *pieces: bytes) -> None:
        self._messages: Iterator[Message] = iter(
            [
                *({"type": "http.request", "body": piece, "more_body": True} for piece in pieces),
                {"type": "http.request", "body": b"", "more_body": False},
                {"type": "http.disconnect"},
            ]
        )
        self.asked = 0

    async def receive(self) -> Message:
        self.asked += 1
        return next(self._messages)


async def read(server: Server, **headers: bytes) -> bytes:
    named = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    scope: dict[str, Any] = {"type": "http"}
    return await read_body(scope, named, server.receive, LIMIT)


@pytest.mark.parametrize("pieces", [(b"12345",), (b"123", b"45"), (b"1", b"", b"2345")])
async def test_the_end_is_known_where_the_size_was_told(pieces: tuple[bytes, ...]) -> None:
    server = Server(*pieces)
    assert await read(server, content_length=b"5") == b"12345"
    assert server.asked == len(pieces)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content_length": b"2", "transfer_encoding": b"chunked"},
        {"content_length": b"+2"},
        {"content_length": b"9"},
    ],
)
async def test_else_the_server_is_asked(headers: dict[str, bytes]) -> None:
    server = Server(b"12", b"345")
    assert await read(server, **headers) == b"12345"
    assert server.asked == 3


@pytest.mark.parametrize("length", [b"11", b"9" * 18, b"0" * 18 + b"5", b"9" * 5_000])
async def test_a_body_that_is_said_to_be_too_large_is_not_read(length: bytes) -> None:
    server = Server(b"12345")
    with pytest.raises(Problem, match="at most 10 bytes"):
        await read(server, content_length=length)
    assert server.asked == 0


async def test_who_leaves_before_the_end_is_not_answered() -> None:
    server = Server()
    assert await read(server) == b""
    with pytest.raises(ClientLeft):
        await read(server, content_length=b"5")
