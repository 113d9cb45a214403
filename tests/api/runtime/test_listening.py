"""Where the service listens: names, addresses, ports that somebody else has, and one ledger for each port."""

import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest
from granian._granian import ListenerSpec

from api.runtime.listening.announcement import announced
from api.runtime.listening.listen_address import CannotListen, ListenAddress, links_need_public_url, resolve
from api.runtime.listening.port_claim import _refuse_other_programs, claimed_address, served_ledger
from api.runtime.processes.server import _listen_errors
from api.runtime.settings import Settings, load_settings
from tests.commands import PROGRAM, Finished, command, environment_for
from tests.postgres import TestServer
from tests.service import Service, free_port, running_service, wait_for

UNKNOWN = "no-such-host.invalid"


@pytest.fixture
def port() -> int:
    return free_port()


def of(data_dir: str, port: int, host: str = "127.0.0.1") -> Settings:
    """The settings of one ledger on a port."""
    return load_settings(data_dir=data_dir, port=port, host=host)


@contextmanager
def listening(port: int, host: str = "127.0.0.1", *, shared: bool = False) -> Iterator[None]:
    """Another program."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as program:
        program.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        program.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
        program.bind((host, port))
        program.listen()
        yield


# Names and addresses ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "ip", "url"),
    [
        ("127.0.0.1", "127.0.0.1", "http://127.0.0.1:8000"),
        ("localhost", "127.0.0.1", "http://localhost:8000"),
        ("::1", "::1", "http://[::1]:8000"),
        ("[::1]", "::1", "http://[::1]:8000"),
        ("0.0.0.0", "0.0.0.0", "http://0.0.0.0:8000"),
        ("[::]", "::", "http://[::]:8000"),
    ],
)
def test_a_host_becomes_an_address_to_listen_on_and_one_to_print(host: str, ip: str, url: str) -> None:
    found = resolve(host, 8000)
    assert (str(found.ips[0]), found.url) == (ip, url)


@pytest.mark.parametrize(
    ("host", "reached"),
    [("0.0.0.0", "http://127.0.0.1:80"), ("::", "http://[::1]:80"), ("localhost", "http://localhost:80")],
)
def test_the_machine_reaches_what_listens_on_all_addresses(host: str, reached: str) -> None:
    assert resolve(host, 80).reachable_url == reached


@pytest.mark.parametrize(
    ("host", "complaint"),
    [
        (UNKNOWN, "which cannot be resolved: "),
        ("http://localhost", "which cannot be resolved: "),
        ("localhost:8000", "which cannot be resolved: "),
        ("x" * 70, "which cannot be resolved: it is not a host name"),
        ("[::1", "which cannot be resolved: "),
        ("203.0.113.7", "which is not an address of this machine"),
        ("fe80::1%lo", "a link-local address of one network interface, which is not supported"),
    ],
)
def test_a_host_that_will_not_do_is_one_line(host: str, complaint: str) -> None:
    done = command(None, "serve", settings={"CREDIT_LEDGER_HOST": host})
    assert one_line(done).startswith(f'credit-ledger: CREDIT_LEDGER_HOST is "{host}", {complaint}')


@pytest.mark.parametrize(
    ("host", "needed"),
    [
        *(("127.0.0.1", False), ("127.9.9.9", False), ("localhost", False), ("::1", False), ("[::1]", False)),
        *(("0.0.0.0", True), ("::", True), ("203.0.113.7", True), (UNKNOWN, True)),
    ],
)
def test_whoever_listens_beyond_this_machine_needs_a_public_address(host: str, needed: bool) -> None:  # noqa: FBT001
    assert links_need_public_url(load_settings(host=host)) is needed
    assert not links_need_public_url(load_settings(host=host, public_url="https://credits.example"))


def one_line(done: Finished) -> str:
    """What a start says that comes to nothing."""
    assert done.status == 1
    assert done.out == ""
    [line] = done.err.splitlines()
    return line


# Ports ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("words", ["serve", "demo"])
def test_a_port_of_another_program_is_one_line(tmp_path: Path, port: int, words: str, *, shared: bool) -> None:
    with listening(port, shared=shared):
        done = command(None, words, "--port", str(port), settings={"CREDIT_LEDGER_DATA_DIR": str(tmp_path / "data")})
    assert one_line(done) == (
        f"credit-ledger: port {port} of 127.0.0.1 is taken by another program: "
        "stop that program, or set CREDIT_LEDGER_PORT to another port"
    )
    assert not (tmp_path / "data").exists()


def test_no_address_of_a_name_may_lead_to_another_program(port: int) -> None:
    address = ListenAddress("both", (ip_address("127.0.0.1"), ip_address("::1")), port)
    with listening(port, "::1"), pytest.raises(CannotListen, match=re.escape("of both (::1) is taken")):
        _refuse_other_programs(address, beside_others=False)


def test_a_port_that_is_kept_for_root_is_one_line() -> None:
    """Tried by somebody who may not; where no port is kept for root, it is had."""
    first_free = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    said = _as_nobody(lambda: _claim_once(of("/data", max(first_free - 1, 1))))
    assert said.startswith(f"this user may not listen on port {first_free - 1}: " if first_free > 1 else "claimed")


def _as_nobody(ask: Callable[[], str]) -> str:
    """What is answered in a process without the rights of root."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        if os.geteuid() == 0:
            os.setuid(65_534)
        os.write(writer, ask().encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as answer:  # noqa: PTH123 - a pipe
        said = answer.read()
    os.waitpid(child, 0)
    return said


# One ledger for each port -----------------------------------------------------------------------------------------


def test_another_ledger_is_refused_by_name(port: int) -> None:
    with claimed_address(of("/a", port)):
        said = _claim_once(of("/b", port))
        assert said == (
            f"port {port} of 127.0.0.1 is served by another ledger, /a (process {os.getpid()}): "
            "stop that program, or set CREDIT_LEDGER_PORT to another port"
        )
    assert _claim_once(of("/b", port)) == "claimed"


def test_the_same_ledger_may_have_it_twice(port: int) -> None:
    with claimed_address(of("/a", port)), listening(port, shared=True), claimed_address(of("/a", port)):
        assert "another ledger, /a" in _claim_once(of("/b", port))
    with claimed_address(of("/a", port)), listening(port):
        assert "another program" in _claim_once(of("/a", port))


@pytest.mark.parametrize(
    ("one", "other", "refused"),
    [
        ("127.0.0.1", "127.0.0.2", False),
        ("127.0.0.1", "0.0.0.0", True),
        ("0.0.0.0", "127.0.0.1", True),
        ("127.0.0.1", "::", True),
        ("::", "127.0.0.1", True),
        ("::1", "127.0.0.1", False),
        ("::1", "0.0.0.0", False),
        ("::1", "::", True),
    ],
)
def test_addresses_that_have_connections_in_common(port: int, one: str, other: str, *, refused: bool) -> None:
    with claimed_address(of("/a", port, one)):
        assert ("another ledger" in _claim_once(of("/b", port, other))) is refused
        assert _claim_once(of("/b", free_port(), other)) == "claimed"


def test_of_many_that_start_at_once_one_has_it(port: int) -> None:
    together, said = threading.Barrier(8), []

    def start(ledger: str) -> None:
        together.wait()
        with ExitStack() as stack:
            try:
                stack.enter_context(claimed_address(of(ledger, port)))
                said.append("claimed")
            except CannotListen as problem:
                said.append(str(problem))
            together.wait()

    threads = [threading.Thread(target=start, args=[f"/ledger-{number}"]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said.count("claimed") == 1
    assert sum("served by another ledger" in line for line in said) == 7


def test_a_name_of_somebody_else_is_no_claim(port: int) -> None:
    for name in ("nonsense", "x/y/z/0", "127.0.0.1/pid/z/0"):
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as strange:
            strange.bind(f"\0credit-ledger/{port}/{name}")
            assert _claim_once(of("/b", port)) == "claimed"


def test_a_long_path_is_shown_by_its_end(port: int) -> None:
    with claimed_address(of(f"/{'long/' * 40}ledger-ü", port)):
        assert re.search(r"another ledger, \.\.\.[a-z/]*/long/ledger-\? \(process", _claim_once(of("/b", port)))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("postgresql://a:b@db/ledger", "postgresql://c:d@db:5432/ledger?application_name=x", True),
        ("postgresql://a:b@db/ledger", "postgresql://a:b@db/copy", False),
        ("postgresql://a:b@db/ledger", "postgresql://a:b@db:5433/ledger", False),
        ("postgresql://a:b@db/ledger", "postgresql://a:b@standby/ledger", False),
        ("postgresql:///ledger?host=/run/a", "postgresql:///ledger?host=/run/b", False),
        ("postgresql://ledger@db", "postgresql://other@db/ledger", True),
    ],
)
def test_a_database_is_known_by_where_it_is(
    monkeypatch: pytest.MonkeyPatch, one: str, other: str, *, same: bool
) -> None:
    for name in ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER"):
        monkeypatch.delenv(name, raising=False)
    found = [served_ledger(load_settings(database_url=url)) for url in (one, other)]
    assert (found[0] == found[1]) is same


def _claim_once(settings: Settings) -> str:
    try:
        with claimed_address(settings):
            return "claimed"
    except CannotListen as problem:
        return str(problem)


# Services ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["serve", "demo"])
def test_a_second_ledger_on_a_served_port_touches_nothing(service: Service, tmp_path: Path, words: str) -> None:
    settings = {"CREDIT_LEDGER_DATA_DIR": str(tmp_path / "data"), "CREDIT_LEDGER_PORT": str(service.port)}
    done = command(None, words, settings=settings)
    said = rf"port {service.port} of 127\.0\.0\.1 is served by another ledger, \S+ \(process \d+\): stop that program"
    assert re.match(f"credit-ledger: {said}", one_line(done))
    assert not (tmp_path / "data").exists()


def test_a_rolling_restart_of_the_same_ledger(server: TestServer, tmp_path: Path) -> None:
    (later := tmp_path / "later").mkdir()
    with server.database() as conninfo, ExitStack() as old:
        first = old.enter_context(running_service(conninfo, tmp_path))
        account = first.open_account(permanent=10)
        with running_service(conninfo, later, workers=2, port=first.port) as second:
            wait_for(lambda: "Credit ledger: http" in second.log.read_text())
            old.close()
            deduction = {"amount": 1, "task_id": "after"}
            assert second.post(f"/v1/accounts/{account}/deductions", deduction).status_code == 201


def test_nothing_is_announced_before_it_listens(database: str, tmp_path: Path, port: int) -> None:
    """On an address of IPv6, whose URL has brackets."""
    settings = {"CREDIT_LEDGER_HOST": "[::1]", "CREDIT_LEDGER_PORT": str(port), "CREDIT_LEDGER_DATA_DIR": str(tmp_path)}
    settings["CREDIT_LEDGER_DRAIN_SECONDS"] = "0"
    with subprocess.Popen(
        [*PROGRAM, "serve"],
        env=environment_for(database, settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        here = f"Credit ledger: http://[::1]:{port}  (API: /docs, pages: /dashboard)\n"
        before = list(iter(process.stdout.readline, here))
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as client:
            assert client.connect_ex(("::1", port)) == 0
        assert not any("http" in line for line in before)
        assert [line for line in before if line.startswith("Admin key (shown this once): clk_")]
        process.terminate()


def test_a_key_is_shown_even_if_it_never_listens(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    with announced(resolve("127.0.0.1", port), "this start", ["Credit ledger: ..."], ["Admin key: clk_"]):
        pass
    assert capsys.readouterr().out == "Admin key: clk_\n"


def test_another_services_answers_are_not_taken_for_ones_own(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    with announced(resolve("127.0.0.1", service.port), "another start", ["Credit ledger: ..."], []):
        for _ in range(20):
            assert service.get("/healthz").headers["Credit-Ledger-Start"] not in ("", "another start")
    assert capsys.readouterr().out == ""


def test_a_port_that_is_lost_at_the_last_moment_is_one_line(port: int) -> None:
    """As the server's library tells it, when it is told."""
    said = f"nothing can listen on port {port} of 127.0.0.1: Address already in use"
    with listening(port), pytest.raises(CannotListen) as refused, _listen_errors(resolve("127.0.0.1", port)):
        ListenerSpec("127.0.0.1", port, 128).build()
    assert str(refused.value) == said
