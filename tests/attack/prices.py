"""What a stranger's requests cost, in one command: `python -m tests.attack.prices [--write]`.

Every address is asked without a key, with the shortest request that reaches it, over and over. The table says what one
MB of such requests costs in CPU time of the service and its database, and in memory of the service. Progress goes to
stderr, the table to stdout.
"""

import argparse
import re
import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import psycopg

from api.dashboard.rendering import static_path
from api.http.docs_page import FILES
from benchmarks.machine import hardware
from tests.attack.addresses import addresses
from tests.attack.report import put
from tests.attack.standing import family, memory_of
from tests.service import ServiceProcess, running_service
from tests.survival.ground import fresh_ground

MB = 1_000_000
_COOKIE = "Cookie: credit_ledger_session=x\r\n"
_FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
_LENGTH = re.compile(rb"content-length: (\d+)")


class Effort(NamedTuple):
    """How much is asked for a price: seconds and connections for each address, and the connections that are left open
    by those who never finish."""

    seconds: float
    connections: int
    unfinished: int


FULL = Effort(1.0, 16, 2_000)


class Ask(NamedTuple):
    """A request that a stranger may send, and what it is called in the table."""

    name: str
    request: bytes


class Asked(NamedTuple):
    """A service that is asked, and a connection to its database, on which its time is looked up."""

    service: ServiceProcess
    watch: psycopg.Connection

    def memory(self) -> int:
        """Kilobytes of the service."""
        return sum(map(memory_of, family(self.service.process.pid)))

    def spent(self) -> tuple[float, float]:
        """CPU seconds of the service and of its database's processes until now."""
        rows = self.watch.execute("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()").fetchall()
        return _seconds(family(self.service.process.pid)), _seconds(pid for (pid,) in rows)

    def connect(self) -> socket.socket:
        """Another connection to the service."""
        return socket.create_connection(("127.0.0.1", self.service.port), timeout=60)


class Price(NamedTuple):
    """What one MB of a request costs: CPU time of the service and of its database in seconds, memory in MB."""

    name: str
    status: str
    requests: int
    service: float
    database: float
    memory: float


def asks(account: str) -> Iterator[Ask]:
    """The shortest request for every address, and others that cost more."""
    for method, path, template in addresses(account):
        if "{digest}" not in template and not template.startswith(FILES):
            yield _ask(f"{method} {template}", method, path)
    yield _ask("GET /dashboard/static/{digest}/{name}", "GET", static_path("/dashboard", "app.js"))
    yield _ask(f"GET {FILES}/{{name}}", "GET", f"{FILES}/swagger-ui-bundle.js")
    yield _ask("GET /openapi.json, compressed", "GET", "/openapi.json", "Accept-Encoding: gzip\r\n")
    yield _ask("GET an address that does not exist", "GET", "/x")
    yield _ask("GET a query that is too large", "GET", "/x?" + "&" * 50)
    yield _ask("GET a page with an unknown session", "GET", "/dashboard/", _COOKIE)
    yield _ask("GET an unknown API key", "GET", "/v1/accounts", "Authorization: Bearer x\r\n")
    yield _ask("POST a form without its token", "POST", "/dashboard/sign-in", f"{_FORM}Content-Length: 5\r\n", "key=x")


def _ask(name: str, method: str, path: str, headers: str = "", body: str = "") -> Ask:
    return Ask(name, f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n{body}".encode())


def priced(asked: Asked, ask: Ask, effort: Effort) -> Price:
    """Ask for some seconds, and count."""
    _, _, memory = _answers(asked, ask, effort._replace(seconds=0))  # what is made once is made
    before = asked.spent()
    count, status, highest = _answers(asked, ask, effort)
    after = asked.spent()
    requests = MB // len(ask.request)
    ours, theirs = ((end - begin) / count * requests for begin, end in zip(before, after, strict=True))
    return Price(ask.name, status, requests, ours, theirs, max(highest - memory, 0) / 1_024)


def _answers(asked: Asked, ask: Ask, effort: Effort) -> tuple[int, str, int]:
    """Send a request over several connections: how often it was answered, with what, and the memory at the end."""
    count, until = 0, monotonic() + effort.seconds
    with ExitStack() as stack:
        callers = [stack.enter_context(closing(asked.connect())) for _ in range(effort.connections)]
        while True:
            for caller in callers:
                caller.sendall(ask.request)
            heads = [_answer(caller) for caller in callers]
            count += len(callers)
            if any(b"connection: close" in head.lower() for head in heads):
                for caller in callers:
                    caller.close()
                callers = [stack.enter_context(closing(asked.connect())) for _ in callers]
            if monotonic() >= until:
                return count, heads[0].split()[1].decode(), asked.memory()


def _answer(caller: socket.socket) -> bytes:
    """Read an answer to its end; returns its head."""
    found = b""
    while b"\r\n\r\n" not in found:
        found += _more(caller)
    head, _, body = found.partition(b"\r\n\r\n")
    length = _LENGTH.search(head.lower())
    left = (int(length[1]) if length else 0) - len(body)
    while left > 0:
        left -= len(_more(caller))
    return head


def _more(caller: socket.socket) -> bytes:
    more = caller.recv(1_048_576)
    assert more, "the service has closed the connection"
    return more


def unfinished(asked: Asked, name: str, sent: bytes, count: int) -> Price:
    """What stays in memory of so many requests that are never finished, until their deadline."""
    before, memory = asked.spent(), asked.memory()
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(closing(asked.connect())).sendall(sent)
        assert asked.service.client.get("/healthz").status_code == 200
        ours, theirs = (end - begin for begin, end in zip(before, asked.spent(), strict=True))
        each = max(asked.memory() - memory, 0) / 1_024 / count
    most = min(MB // max(len(sent), 1), 4_096)  # of one address
    return Price(name, "—", most, ours / count * most, theirs / count * most, each * most)


def _seconds(pids: Iterable[int]) -> float:
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                total += int(task.read_text().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                continue  # the thread has ended
    return total / 1e9


def prices(service: ServiceProcess, effort: Effort) -> list[Price]:
    """The prices of all addresses, the most expensive first."""
    with psycopg.connect(service.conninfo, autocommit=True) as watch:
        found = list(_prices(Asked(service, watch), service.open_account(permanent=1), effort))
    return sorted(found, key=lambda one: -one.service - one.database)


def _prices(asked: Asked, account: str, effort: Effort) -> Iterator[Price]:
    for ask in asks(account):
        found = priced(asked, ask, effort)
        print(f"{found.name}: {found.service:.1f} s", file=sys.stderr, flush=True)
        yield found
    head = b"GET / HTTP/1.1\r\n"
    form = f"POST /dashboard/sign-in HTTP/1.1\r\nHost: x\r\n{_FORM}Content-Length: 16000\r\n\r\nkey=1".encode()
    yield unfinished(asked, "connections that send nothing", b"", effort.unfinished)
    yield unfinished(asked, "heads that are never finished", head, effort.unfinished)
    yield unfinished(asked, "forms that are never finished", form, effort.unfinished)


def table(found: list[Price]) -> str:
    """The prices as markdown."""
    rows = [
        ("asked without a key", "answered", "requests in 1 MB", "CPU of the service", "of the database", "memory"),
        ("---", "---", "---", "---", "---", "---"),
        *(
            (
                *(f"`{one.name}`" if "/" in one.name else one.name, one.status, f"{one.requests:,}"),
                *(f"{one.service:.1f} s", f"{one.database:.1f} s", f"{one.memory:.0f} MB"),
            )
            for one in found
        ),
    ]
    lines = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return f"{lines}\n\n- The machine: {hardware()}."


def main() -> None:
    """Run what the options say."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack.prices", description=__doc__)
    parser.add_argument("--seconds", type=float, default=FULL.seconds, help="how long each address is asked")
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    options = parser.parse_args()
    with (
        fresh_ground() as ground,
        ground.database() as conninfo,
        ground.folder() as folder,
        running_service(conninfo, folder) as service,
    ):
        found = table(prices(service, FULL._replace(seconds=options.seconds)))
    print(found)
    if options.write:
        put("prices", found)


if __name__ == "__main__":
    main()
