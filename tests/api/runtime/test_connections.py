"""Connections: how many an address may hold, which are closed first, and that the others are answered meanwhile."""

import asyncio
import socket
from contextlib import ExitStack, closing
from pathlib import Path
from unittest.mock import patch

import httpx
import pytest

from api.runtime.listening import connections
from api.runtime.listening.connections import Connection, ConnectionWatch, to_close
from api.runtime.processes import server
from tests.postgres import TestServer
from tests.service import PLAIN, Service, running_service, wait_for

GET = b"GET /healthz HTTP/1.1\r\nHost: ledger\r\n\r\n"


def found(host: str, *silent: float, spoke: bool = True) -> list[Connection]:
    """Connections of one host, silent for so many seconds; their ports tell them apart."""
    return [Connection(0, (host, round(one * 1_000)), one, spoke) for one in silent]


def closed(all_of_them: list[Connection], per_address: int = 0, total: int = 1_000) -> list[float]:
    return sorted(one.silent for one in to_close(all_of_them, per_address, total))


# Which ones -------------------------------------------------------------------------------------------------------


def test_of_an_address_with_too_many_the_longest_silent_are_closed() -> None:
    assert closed(found("10.0.0.1", 1, 9, 0, 4), per_address=2) == [4, 9]
    assert closed(found("10.0.0.1", 1, 9) + found("10.0.0.2", 3), per_address=2) == []
    assert closed(found("10.0.0.1", *range(50))) == []


def test_those_that_never_said_anything_come_before_those_that_did() -> None:
    mixed = found("10.0.0.1", 0, 1, spoke=False) + found("10.0.0.1", 8, 9)
    assert closed(mixed, per_address=2) == [0, 1]


def test_a_client_that_does_not_read_is_closed_whatever_the_limits() -> None:
    assert closed(found("10.0.0.1", 5, 121, 119)) == [121]


def test_when_places_run_out_silent_ones_of_any_address_are_closed() -> None:
    crowd = [one for n in range(100) for one in found(f"10.0.0.{n}", 5 + n / 100)]
    assert len(closed(crowd, total=100)) == 25
    assert min(closed(crowd, total=100)) > 5.7
    waiting = [4 + n / 1_000 for n in range(100)]  # as commands that wait for their answer are
    assert closed(found("10.0.0.1", *waiting), total=100) == []
    assert len(closed(found("10.0.0.1", *waiting, spoke=False), total=100)) == 25


def test_an_ipv6_client_is_its_network() -> None:
    one, other = (Connection(0, (host, 1), 0, True) for host in ("2001:db8::1", "2001:db8::ffff:2"))
    assert one.address == other.address
    assert Connection(0, ("2001:db8:0:1::1", 1), 0, True).address != one.address
    assert Connection(0, ("::ffff:10.0.0.1", 1), 0, True).address == "10.0.0.1"


# In this process --------------------------------------------------------------------------------------------------


async def test_the_watch_sees_silence_and_speech_and_closes_no_other_sockets() -> None:
    with ExitStack() as opened, patch.object(connections, "_PAUSE", 0.02):
        listening, other = (opened.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2))
        port = listening.getsockname()[1]
        silent, busy = (opened.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(2))
        for _ in range(2):
            opened.enter_context(listening.accept()[0])
        busy.sendall(b"x")
        watch = asyncio.create_task(ConnectionWatch(port, per_address=1).run())
        silent.setblocking(False)
        async with asyncio.timeout(60):
            assert await asyncio.get_running_loop().sock_recv(silent, 1) == b""
        busy.setblocking(False)
        with pytest.raises(BlockingIOError):
            busy.recv(1)
        assert other.getsockname()[1] != port
        watch.cancel()


# The server -------------------------------------------------------------------------------------------------------


def silent_ones(service: Service, stack: ExitStack, count: int, host: str, sends: bytes = b"") -> list[socket.socket]:
    """Connections from another address of this machine."""
    made = []
    for _ in range(count):
        one = stack.enter_context(closing(socket.socket()))
        one.bind((host, 0))
        one.connect(("127.0.0.1", service.port))
        one.sendall(sends)
        made.append(one)
    return made


def still_open(made: list[socket.socket]) -> int:
    count = 0
    for one in made:
        one.setblocking(False)
        try:
            count += one.recv(65_536) != b""
        except BlockingIOError:
            count += 1
        except OSError:
            pass
    return count


def test_silent_connections_and_bodies_leave_room_for_others(server: TestServer, tmp_path: Path) -> None:
    limits = {"CREDIT_LEDGER_CONNECTIONS_PER_ADDRESS": "20"}
    body = b"POST /dashboard/sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n"
    body += b"Content-Type: application/x-www-form-urlencoded\r\n\r\nkey=1"
    with (
        server.database() as conninfo,
        running_service(conninfo, tmp_path, settings=limits) as service,
        ExitStack() as s,
    ):
        assert service.client.get("/healthz").status_code == 200
        silent = silent_ones(service, s, 200, "127.0.0.2")
        bodies = silent_ones(service, s, 200, "127.0.0.3", body)
        for path in ("/healthz", "/readyz"):
            assert httpx.get(service.url + path, trust_env=False, verify=PLAIN, timeout=60).status_code == 200
        wait_for(lambda: still_open(silent) == still_open(bodies) == 20)
        assert service.client.get("/healthz").status_code == 200  # its own connection was none of them
        log = service.log.read_text()
        assert "of 1 addresses: too many, or silent" in log or "of 2 addresses: too many, or silent" in log
        assert "Traceback" not in log


def test_the_limit_on_open_files_is_raised_for_them() -> None:
    assert 512 <= connections.places() <= connections.MAX_CONNECTIONS


def test_heads_have_a_deadline_and_a_size(service: Service) -> None:
    """The deadline itself is the server's, and a minute: that it is set is what can be tested."""
    assert server.IDLE > 60
    with closing(socket.create_connection(("127.0.0.1", service.port), timeout=60)) as caller:
        caller.sendall(b"GET /healthz HTTP/1.1\r\nA: " + b"a" * server.MAX_HEAD * 3 + b"\r\n\r\n")
        assert b" 431 " in caller.recv(100)
    with closing(socket.create_connection(("127.0.0.1", service.port), timeout=60)) as caller:
        for _ in range(2):  # the second one on the same connection
            caller.sendall(GET)
            assert b" 200 " in caller.recv(65_536)
