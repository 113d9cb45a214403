"""A server on this machine that a call is made to: it notes the requests, and answers what it is told."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it arrived. `query` and a form have their pairs in order."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        """The pairs of a form, or the value of JSON; None when there is no body."""
        if not self.content:
            return None
        if self.headers["content-type"] == "application/x-www-form-urlencoded":
            return parse_qsl(self.content.decode(), keep_blank_values=True)
        return json.loads(self.content)

    @property
    def asked(self) -> tuple[str, str, list[tuple[str, str]], Any]:
        """What it asks for: its method, its path, its query, and the body, in which no order counts."""
        body = sorted(self.body) if isinstance(self.body, list) else self.body
        return self.method, self.path, sorted(self.query), body


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer byte by byte. `cut` ends the connection in the middle of the content."""

    status: int = 200
    content: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


Answer = Callable[[Request], Any]


class ProviderServer:
    """Answers by method and path: a value as JSON, a Raw answer, or what a function makes of the request."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[Request] = []
        self.answers: dict[tuple[str, str], Any] = {}

    def answer(self, request: Request) -> Raw:
        """What a request is answered."""
        self.requests.append(request)
        found = self.answers.get((request.method, request.path), Raw(404, b'{"message": "there is no such thing"}'))
        value = found(request) if callable(found) else found
        return value if isinstance(value, Raw) else Raw(content=json.dumps(value).encode())

    def asked(self) -> list[tuple[str, str]]:
        """The methods and paths of the requests so far, which are forgotten then."""
        found = [(request.method, request.path) for request in self.requests]
        self.requests.clear()
        return found


@contextmanager
def provider_server() -> Iterator[ProviderServer]:
    """A server on a free port, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            parts = urlsplit(self.path)
            content = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            raw = server.answer(Request(self.command, parts.path, parse_qsl(parts.query), headers, content))
            self.send_response_only(raw.status)
            for name, value in {"Content-Length": str(len(raw.content)), **raw.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw.content[: len(raw.content) // 2] if raw.cut else raw.content)

        do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        server = ProviderServer(f"http://127.0.0.1:{served.server_port}")
        thread = Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            served.shutdown()
            thread.join()
