"""An ear: a client of the streams, as small as the standard for server-sent events allows."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from socket import SO_RCVBUF, SOL_SOCKET
from typing import Any, NamedTuple

import httpx

from tests.api.stage import Json
from tests.service import ADMIN_KEY, PLAIN, Service

EVERYTHING = "/v1/events/stream"


class Heard(NamedTuple):
    """One message: an event, or a comment (no id, no event)."""

    id: int | None
    event: str | None
    data: Any
    comment: str | None = None


def understood(block: bytes) -> Heard:
    """The text between two empty lines."""
    fields: dict[str, str] = {}
    for line in block.decode().split("\n"):
        name, _, value = line.partition(":")
        fields[name] = value.removeprefix(" ")
    number = fields.get("id")
    data = fields.get("data")
    return Heard(
        None if number is None else int(number),
        fields.get("event"),
        None if data is None else json.loads(data),
        fields.get(""),
    )


class Ear:
    """An open stream."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._raw = response.iter_raw()
        self._rest = b""
        self.opening = self.next()
        self.start = self.next()
        assert (self.opening.event, self.start.event) == (None, "start")

    def next(self) -> Heard:
        """The next message. Raises StopIteration when the stream has ended."""
        while b"\n\n" not in self._rest:
            self._rest += next(self._raw)
        block, _, self._rest = self._rest.partition(b"\n\n")
        return understood(block)

    def events(self, count: int) -> list[Heard]:
        """The next events; comments are passed over."""
        found: list[Heard] = []
        while len(found) < count:
            if (heard := self.next()).event is not None:
                found.append(heard)
        return found

    def positions(self, count: int) -> list[int]:
        """The positions of the next events."""
        return [heard.data["position"] for heard in self.events(count)]

    def ends(self) -> bool:
        """Whether the stream ends, whatever else may come before."""
        for _ in self._raw:
            pass
        return True


def ask(service: Service, path: str = EVERYTHING, key: str = ADMIN_KEY, **parameters: Any) -> httpx.Response:
    """A request for a stream that is refused, so that the answer ends."""
    headers = {"Authorization": f"Bearer {key}"}
    if (last := parameters.pop("last", None)) is not None:
        headers["Last-Event-ID"] = str(last)
    return service.client.get(path, params=parameters, headers=headers)


@contextmanager
def listening(
    service: Service,
    path: str = EVERYTHING,
    *,
    last: int | None = None,
    key: str = ADMIN_KEY,
    patience: float = 240,
    keeps: int | None = None,
    **parameters: Any,
) -> Iterator[Ear]:
    """Listen until the block ends. An event must arrive within `patience` seconds.

    `keeps` is how many bytes the client's socket buffers; without it, the kernel decides, up to megabytes.
    """
    headers = {"Authorization": f"Bearer {key}"} | ({} if last is None else {"Last-Event-ID": str(last)})
    with (
        httpx.Client(base_url=service.url, transport=_keeping(keeps), timeout=patience) as client,
        client.stream("GET", path, headers=headers, params=parameters) as response,
    ):
        assert response.status_code == 200, response.read()
        yield Ear(response)


def _keeping(size: int | None) -> httpx.HTTPTransport:
    return httpx.HTTPTransport(PLAIN, socket_options=[] if size is None else [(SOL_SOCKET, SO_RCVBUF, size)])


def stream_of(account: str) -> str:
    """The path of an account's stream."""
    return f"/v1/accounts/{account}/events/stream"


def log_after(service: Service, position: int) -> list[Json]:
    """The events of GET /v1/events after a position."""
    found: list[Json] = []
    while page := service.get("/v1/events", after=position, limit=1000).json()["events"]:
        found += page
        position = page[-1]["position"]
    return found
