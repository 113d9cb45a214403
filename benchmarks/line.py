"""One keep-alive connection to a service, spoken by hand: a library would add its own time to what is measured."""

import json
import socket
from types import TracebackType
from typing import Any, NamedTuple, Self

from benchmarks.progress import Spoiled

TIMEOUT = 60.0


class Answer(NamedTuple):
    """A status and a body."""

    status: int
    body: bytes


class Line:
    """Requests one after the other. Raises OSError when the service cannot be reached or hangs up."""

    def __init__(self, port: int, key: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._authorization = f"Host: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def get(self, path: str) -> Answer:
        """A query."""
        return self.ask(f"GET {path} HTTP/1.1\r\n{self._authorization}\r\n".encode())

    def get_json(self, path: str) -> Any:
        """The document at a path."""
        answer = self.get(path)
        if answer.status != 200:
            raise Spoiled(f"GET {path} was answered with {answer.status}: {answer.body[:500]!r}")
        return json.loads(answer.body)

    def post(self, path: str, body: str) -> Answer:
        """A command, or a batch of them."""
        head = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return self.ask(f"POST {path} HTTP/1.1\r\n{self._authorization}{head}{body}".encode())

    def ask(self, request: bytes) -> Answer:
        """Send a request's bytes and read the answer."""
        self._socket.sendall(request)
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._receive()
        status, length = read_head(received[:end])
        parts, missing = [received[end + 4 :]], length - (len(received) - end - 4)
        while missing > 0:
            parts.append(self._receive())
            missing -= len(parts[-1])
        return Answer(status, b"".join(parts))

    def _receive(self) -> bytes:
        data = self._socket.recv(256 * 1024)
        if not data:
            raise ConnectionResetError("the service has closed the connection")
        return data


def read_head(head: bytes) -> tuple[int, int]:
    """The status and the length of the body, of an answer's head."""
    at = head.lower().index(b"content-length:") + 15
    return int(head[9:12]), int(head[at:].partition(b"\r\n")[0])


def deduction(account: str, api_key: str, key: str) -> bytes:
    """The request that load.lua sends too: one credit, under a fresh idempotency key and task id."""
    body = f'{{"amount":1,"task_id":"{key}"}}'
    return (
        f"POST /v1/accounts/{account}/deductions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {api_key}\r\n"
        f"Idempotency-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
