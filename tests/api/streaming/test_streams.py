"""Streams of a running service: every event once, in order and at once, also for clients that connect again."""

import asyncio
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import httpx
import psycopg
import pytest

from api.contract.problems import Problem
from api.streaming.follower import HEARTBEAT as HEARTBEAT_OF_STREAMS
from api.streaming.follower import RECENT_EVENTS
from api.streaming.places import MAX_FOR_EACH, StreamPlaces
from ledger.service import Ledger
from people.api_keys import create_key, revoke_key
from tests.api.contract import Contract
from tests.api.stage import OPERATIONS, Ask, asks, eventually, field_errors, fresh, refused, staged
from tests.api.streaming.ear import EVERYTHING, ask, listening, log_after, stream_of
from tests.dashboard.guests import all_leave, person, token_in
from tests.keys import prefix_of
from tests.long_form import times
from tests.postgres import TestServer, TestServers, owner
from tests.service import ADMIN_KEY, PLAIN, Service, ServiceProcess, running_service, service_here
from tests.store.asking import deduct, open_account

KEPT = 256 * 1024
"""Bytes that a slow reader's socket keeps: so a log of some megabytes is more than the network does."""


def deduct_some(service: Service, account: str, count: int) -> None:
    """Make many deductions of 1."""
    for start in range(0, count, 10_000):
        numbers = range(start, min(count, start + 10_000))
        command = {"op": "deduct", "account_id": account, "amount": 1}
        answer = service.post("/v1/batch", {"commands": [{**command, "task_id": fresh(f"{n}")} for n in numbers]})
        assert {result["status"] for result in answer.json()["results"]} == {201}


def end_of(service: Service) -> int:
    """The last position of the log."""
    with psycopg.connect(service.conninfo) as connection:
        row = connection.execute("SELECT coalesce(max(notification_id), 0) FROM ledger.events").fetchone()
    assert row is not None
    return int(row[0])


def listeners(service: Service) -> int:
    """The value of the gauge of listeners."""
    [line] = [line for line in service.get("/metrics").text.splitlines() if line.startswith("credit_ledger_listeners ")]
    return int(float(line.split()[1]))


# What is said -----------------------------------------------------------------------------------------------------


def test_what_is_sent_for_a_deduction(service: Service, contract: Contract) -> None:
    account = service.open_account(subscription=30, permanent=100)
    with listening(service) as ear:
        assert ear.start.id == ear.start.data["position"] == end_of(service)
        done = Ask("deduct", account, {"amount": 50, "description": "for her eyes only"}).post(service, "k").json()
        [heard] = ear.events(1)
        headers = ear.response.headers
    assert (heard.id, heard.event) == (done["position"], "CreditsDeducted")
    assert heard.data == {
        "position": done["position"],
        "account_id": account,
        "version": done["version"],
        "type": "CreditsDeducted",
        "recorded_at": done["recorded_at"],
        "balance": done["balance"],
    }
    assert contract.errors("EventNotice", heard.data) == []
    said = {name: headers[name] for name in ("content-type", "cache-control", "x-accel-buffering")}
    assert said == {"content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no"}
    assert "content-length" not in headers


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_is_told_with_the_balance_that_it_answered(service: Service, operation: str) -> None:
    good = asks(staged(service))[operation]
    with listening(service) as ear:
        done = good.post(service, "k").json()
        heard = ear.events(done["position"] - ear.start.data["position"])
    assert [event.id for event in heard] == list(range(ear.start.data["position"] + 1, done["position"] + 1))
    assert (heard[-1].data["account_id"], heard[-1].data["version"]) == (good.account, done["version"])
    assert heard[-1].data["balance"] == done["balance"]


def test_an_account_stream_has_its_account_alone(service: Service) -> None:
    one, two = service.open_account(permanent=9), service.open_account(permanent=9)
    with listening(service, stream_of(one)) as ear:
        assert ear.start.id == end_of(service)
        for n in range(3):
            for account in (two, one, two):
                assert Ask("deduct", account, {"amount": 1}).post(service, f"k{n}{account}").status_code < 300
        heard = ear.events(3)
    assert [(event.data["account_id"], event.data["version"]) for event in heard] == [(one, 3), (one, 4), (one, 5)]


# Coming back ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def long_log(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose log begins before its tail does."""
    server = servers.get("embedded")
    assert server is not None
    with server.database() as conninfo, service_here(conninfo, tmp_path_factory.mktemp("long")) as service:
        deduct_some(service, service.open_account(permanent=RECENT_EVENTS), RECENT_EVENTS)
        yield service


@pytest.mark.parametrize("by", ["last", "after"])
@pytest.mark.parametrize("part", [0.0, 0.3, 0.9, 1.0])
def test_resuming_gives_exactly_what_came_after(long_log: Service, part: float, by: str) -> None:
    service, account = long_log, staged(long_log)
    begin = int(end_of(service) * part)
    with listening(service, **{by: begin}) as ear:  # type: ignore[arg-type]
        assert ear.start.id == begin
        deduct_some(service, account, 3)
        told = [event["position"] for event in log_after(service, begin)]
        assert ear.positions(len(told)) == told == list(range(begin + 1, begin + 1 + len(told)))


def test_resuming_an_account_from_any_position(service: Service) -> None:
    account = staged(service)
    events = service.get(f"/v1/accounts/{account}/events").json()["events"]
    positions = [event["position"] for event in events]
    for begin in (0, positions[0] - 1, *positions):
        later = [position for position in positions if position > begin]
        with listening(service, stream_of(account), last=begin) as ear:
            assert ear.positions(len(later)) == later
            done = Ask("deduct", account, {"amount": 1}).post(service, f"event-{len(positions)}").json()
            assert ear.positions(1) == [done["position"]]
        positions.append(done["position"])


def test_the_header_comes_before_the_parameter(service: Service) -> None:
    with listening(service, last=end_of(service), after=0) as ear:
        assert ear.start.id == end_of(service)


@contextmanager
def always_something_new(service: Service, account: str) -> Iterator[None]:
    """Deduct until the block ends."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            deduct_some(service, account, 7)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("alone", [False, True])
def test_a_connection_that_is_lost_again_and_again(service: Service, alone: bool) -> None:  # noqa: FBT001
    chance = random.Random(7)
    account = service.open_account(permanent=1_000_000)
    path = stream_of(account) if alone else EVERYTHING
    begin = last = end_of(service)
    heard: list[int] = []
    with always_something_new(service, account):
        for _ in range(times(24, 40)):
            with listening(service, path, last=last) as ear:
                heard += ear.positions(chance.choice([0, 1, 1, 20, 150, 400]))
            last = heard[-1] if heard else last
    events = [event for event in log_after(service, begin) if not alone or event["account_id"] == account]
    assert len(heard) > 1_000
    assert heard == [event["position"] for event in events][: len(heard)]


# From elsewhere, and for how long ---------------------------------------------------------------------------------


async def test_what_another_process_commits_arrives_within_a_second(service: Service) -> None:
    account, lags = fresh(), list[float]()
    async with Ledger(service.conninfo).running() as other:
        await open_account(other, account, permanent=100)
        for path in (EVERYTHING, stream_of(account)):
            with listening(service, path) as ear:
                for turn in range(5):
                    begin = time.monotonic()
                    await deduct(other, account, 1, f"{path}-{turn}")
                    [heard] = await asyncio.to_thread(ear.events, 1)
                    assert heard.data["account_id"] == account
                    lags.append(time.monotonic() - begin)
    assert median(lags) < 1, lags


def test_a_silent_stream_shows_signs_of_life_and_ends_with_its_key(service: Service) -> None:
    """Two checks in one test, because each waits for a heartbeat."""
    revoked = create_key(service.conninfo, "to be revoked", ["ledger:read"])
    expired = create_key(service.conninfo, "to expire", ["ledger:read"], datetime.now(UTC) + timedelta(seconds=10))
    account = service.open_account()
    with ExitStack() as stack:
        stay, *ending = [
            stack.enter_context(listening(service, stream_of(account), key=key))
            for key in (ADMIN_KEY, revoked, expired)
        ]
        revoke_key(service.conninfo, prefix_of(revoked))
        assert stay.next().comment == "heartbeat"
        assert all(ear.ends() for ear in ending)
        Ask("freeze", account).post(service, "k")
        assert stay.events(1)[0].event == "AccountFrozen"


def test_a_revoked_key_is_told_nothing_more(service: Service) -> None:
    key = create_key(service.conninfo, "to be revoked", ["ledger:read"])
    account = service.open_account(permanent=10)
    with listening(service, key=key) as ear:
        revoke_key(service.conninfo, prefix_of(key))
        eventually(lambda: ask(service, stream_of(account), key, last=2**52).status_code == 401)
        Ask("deduct", account, {"amount": 1}).post(service, "k")
        with pytest.raises(StopIteration):
            ear.next()


def test_who_leaves_is_not_a_listener_any_more(service: Service) -> None:
    eventually(lambda: listeners(service) == 0)
    account = service.open_account()
    with ExitStack() as stack:
        ears = [stack.enter_context(listening(service, path)) for path in (EVERYTHING, stream_of(account)) * 5]
        assert listeners(service) == len(ears)
    eventually(lambda: listeners(service) == 0)


# Refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("last", ["-1", "one", "1.5", "", "9007199254740992", "1e3"])
def test_a_position_that_is_none_is_refused(service: Service, last: str) -> None:
    account = service.open_account()
    for path in (EVERYTHING, stream_of(account)):
        assert list(field_errors(ask(service, path, last=last))) == ["Last-Event-ID"]
        assert list(field_errors(ask(service, path, after=last))) == ["after"]
    assert list(field_errors(ask(service, aftr=1))) == ["aftr"]


def test_a_position_beyond_the_end_is_refused_and_the_end_is_named(service: Service) -> None:
    account = service.open_account()
    end = end_of(service)
    for path in (EVERYTHING, stream_of(account)):
        errors = field_errors(ask(service, path, last=end + 1_000))
        assert errors["Last-Event-ID"]["message"] == f"must be at most {end}, the last position of the log"


def test_who_may_listen(service: Service) -> None:
    account = service.open_account()
    others = create_key(service.conninfo, "for a test", ["ledger:write", "audit:read"])
    for path in (EVERYTHING, stream_of(account)):
        refused(ask(service, path, others), 403, "missing_scope", scope="ledger:read")
        refused(ask(service, path, "nobody's"), 401, "unauthenticated")
    refused(ask(service, stream_of(fresh("nobody"))), 404, "account_not_found")
    eventually(lambda: listeners(service) == 0)


# Many, slow, lost, stopped ----------------------------------------------------------------------------------------


MOST_CONNECTIONS = 30
"""Of a service to its database, however busy: three pools of four and five more in the worker, a pool of four and some
more in the projector, and those of the test."""


async def heard_by(
    port: int, path: str, key: str, door: asyncio.Semaphore, ready: asyncio.Semaphore, count: int
) -> int:
    """Listen on a bare socket, which costs less than a client, and count events until there are so many.

    They come through a door, some at a time: how many can come at once is another question, and the machine's affair.
    """
    found = 0
    with ExitStack() as stack:
        async with door:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
            await reader.readuntil(b"event: start")
        ready.release()
        while found < count:
            await reader.readuntil(b"event: CreditsDeducted\n")
            found += 1
    return found


async def test_a_thousand_listeners_cost_one_follower(service: Service) -> None:
    account = service.open_account(permanent=100)
    keys = [create_key(service.conninfo, f"listener {n}", ["ledger:read"]) for n in range(50)]
    paths = [(path, key) for key in keys for path in (EVERYTHING, stream_of(account)) for _ in range(10)]
    eventually(lambda: all(ask(service, "/v1/events", key=key).status_code != 429 for key in keys))  # all are known
    eventually(lambda: listeners(service) == 0)
    door, ready = asyncio.Semaphore(20), asyncio.Semaphore(0)
    async with asyncio.timeout(480), asyncio.TaskGroup() as group:  # it ends all of them when something is wrong
        listening = [group.create_task(heard_by(service.port, *path, door, ready, 3)) for path in paths]
        for _ in paths:
            await ready.acquire()
        assert listeners(service) == len(paths)
        assert connections(service.conninfo) <= MOST_CONNECTIONS
        for n in range(3):
            assert Ask("deduct", account, {"amount": 1}).post(service, f"k{n}").status_code == 201
    assert [one.result() for one in listening] == [3] * len(paths)
    assert connections(service.conninfo) <= MOST_CONNECTIONS
    eventually(lambda: listeners(service) == 0)


def connections(conninfo: str) -> int:
    """How many connections the database has."""
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()").fetchone()
    assert row is not None
    return int(row[0])


def test_a_slow_reader_gets_everything_and_one_who_does_not_read_does_not_hold_up_a_stop_for_ever(
    server: TestServer, tmp_path: Path
) -> None:
    """Send more events than memory and the network buffer, so that the slow one gets some from the database."""
    count = 3 * RECENT_EVENTS
    with server.database() as conninfo, running_service(conninfo, tmp_path) as service, socket.socket() as deaf:
        account = service.open_account(permanent=count)
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf.connect(("127.0.0.1", service.port))
        deaf.sendall(f"GET {EVERYTHING} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN_KEY}\r\n\r\n".encode())
        eventually(lambda: listeners(service) == 1)
        begin = end_of(service)
        with (
            listening(service, keeps=KEPT) as everything,
            listening(service, stream_of(account), keeps=KEPT) as alone,
        ):
            deduct_some(service, account, count)
            expected = list(range(begin + 1, begin + count + 1))
            assert everything.positions(count) == expected
            assert alone.positions(count) == expected  # by now the one who does not read was sent all that it takes
        eventually(lambda: listeners(service) == 1)
        service.process.terminate()
        service.process.wait(60)


def test_a_lost_database_is_waited_for(server: TestServer, tmp_path: Path) -> None:
    with server.database() as conninfo, service_here(conninfo, tmp_path) as service:
        account = service.open_account(permanent=1_000)
        begin = end_of(service)
        with listening(service) as everything, listening(service, stream_of(account)) as alone:
            for turn in range(3):
                with psycopg.connect(owner(conninfo), autocommit=True) as connection:
                    connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                answers = [Ask("deduct", account, {"amount": 1}).post(service, f"{turn}-{n}") for n in range(5)]
                assert {answer.status_code for answer in answers} == {201}
                expected = [begin + 5 * turn + n for n in range(1, 6)]
                assert everything.positions(5) == alone.positions(5) == expected


def test_open_streams_do_not_hold_up_a_stop(server: TestServer, tmp_path: Path) -> None:
    with server.database() as conninfo, running_service(conninfo, tmp_path) as service:
        stopped_with_open_streams(service)


def stopped_with_open_streams(service: ServiceProcess) -> None:
    """Stop a service, which must end its streams."""
    account = service.open_account(permanent=10)
    with ExitStack() as streams:
        ears = [streams.enter_context(listening(service, path)) for path in (EVERYTHING, stream_of(account)) * 10]
        service.process.terminate()
        assert all(ear.ends() for ear in ears)  # and not with a broken connection
        service.process.wait(60)
    assert "refused to gracefully stop" not in service.log.read_text()  # as what takes longer than STOP would


def test_a_service_of_several_workers_resumes_on_any_of_them_and_stops(server: TestServer, tmp_path: Path) -> None:
    with server.database() as conninfo, running_service(conninfo, tmp_path, workers=2) as service:
        account = service.open_account(permanent=1_000)
        last, heard = end_of(service), list[int]()
        begin = last
        for turn in range(10):
            with listening(service, last=last) as ear, httpx.Client(trust_env=False, verify=PLAIN) as fresh_connection:
                fresh_connection.post(
                    f"{service.url}/v1/accounts/{account}/deductions",
                    json={"amount": 1, "task_id": f"{turn}"},
                    headers={"Authorization": f"Bearer {ADMIN_KEY}"},
                )
                heard += ear.positions(1)
                last = heard[-1]
        assert heard == list(range(begin + 1, begin + 11))
        stopped_with_open_streams(service)


# Keys, sessions and places ----------------------------------------------------------------------------------------


def test_one_key_cannot_take_the_places_of_another(service: Service) -> None:
    greedy, other = (create_key(service.conninfo, name, ["ledger:read"]) for name in ("greedy", "other"))
    with ExitStack() as streams:
        ears = [streams.enter_context(listening(service, key=greedy)) for _ in range(MAX_FOR_EACH)]
        refused(ask(service, key=greedy), 429, "too_many_streams", limit=MAX_FOR_EACH)
        with listening(service, key=other) as ear:
            assert ear.start.event == "start"
        ears.pop().response.close()
        eventually(lambda: listeners(service) == MAX_FOR_EACH - 1)
        ears.append(streams.enter_context(listening(service, key=greedy)))
    eventually(lambda: listeners(service) == 0)


def test_a_silent_stream_ends_within_a_second_or_two_of_its_key(service: Service) -> None:
    key = create_key(service.conninfo, "revoked", ["ledger:read"])
    with listening(service, key=key) as ear:
        assert revoke_key(service.conninfo, prefix_of(key))
        began = time.monotonic()
        assert ear.ends()
        assert time.monotonic() - began < HEARTBEAT_OF_STREAMS / 2  # no heartbeat was waited for


def test_pages_have_places_of_their_own_and_a_stream_ends_with_its_session(service: Service) -> None:
    account = service.open_account()
    signed_in = person(service, account)
    updates = f"/dashboard/accounts/{account}/updates"
    with ExitStack() as streams:
        open_ones = [streams.enter_context(signed_in.stream("GET", updates)) for _ in range(MAX_FOR_EACH)]
        assert {answer.status_code for answer in open_ones} == {200}
        assert signed_in.get(updates).status_code == 429
        other = streams.enter_context(person(service, account).stream("GET", updates))
        assert other.status_code == 200
        form = token_in(signed_in.get(f"/dashboard/accounts/{account}"))
        began = time.monotonic()
        assert signed_in.post("/dashboard/sign-out", data={"csrf": form}).status_code == 200
        for answer in open_ones:
            answer.read()  # to its end
        assert time.monotonic() - began < HEARTBEAT_OF_STREAMS / 2
        assert listeners(service) == 1
    all_leave()
    eventually(lambda: listeners(service) == 0)


def test_the_rooms_are_apart() -> None:
    places = StreamPlaces(for_api=1, for_pages=1)
    taken = places.take("api", "a", lambda: True)
    with pytest.raises(Problem) as found:
        places.take("api", "b", lambda: True)
    assert (found.value.code, found.value.retry_after) == ("overloaded", 5)
    places.take("pages", "b", lambda: True)
    places.give_back(taken)
    places.take("api", "b", lambda: True)
