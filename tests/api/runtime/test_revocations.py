"""A revoked key is dead within a second in every process of a service, whichever of them was told."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import httpx
import pytest

from people.api_keys import create_key, revoke_key
from tests.keys import prefix_of
from tests.postgres import TestServers
from tests.service import ADMIN_KEY, PLAIN, ServiceProcess, running_service

BOUND = 1.0
TIMES = 3
ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}


class Workers:
    """A service of several processes, with a connection to each."""

    def __init__(self, service: ServiceProcess, clients: list[httpx.Client]) -> None:
        self.service = service
        self.clients = clients
        self.account = service.open_account(permanent=1)

    def asked_with(self, client: httpx.Client, key: str) -> int:
        path = f"/v1/accounts/{self.account}/balance"
        return client.get(path, headers={"Authorization": f"Bearer {key}"}).status_code

    def key_of_account(self) -> dict[str, Any]:
        body = {"account_id": self.account, "name": "short-lived", "rate_limit": 1_000_000}
        made: dict[str, Any] = self.service.post("/v1/keys", body).json()
        return made

    def longest(self, key: str, ends: Callable[[], object]) -> float:
        """End a key; the seconds after that at which a process still began to take it, the longest of all."""
        assert [self.asked_with(client, key) for client in self.clients] == [200] * len(self.clients)
        ends()
        ended, last, left = time.monotonic(), 0.0, list(self.clients)
        while left:
            for client in tuple(left):
                begun = time.monotonic()
                if self.asked_with(client, key) == 401:
                    left.remove(client)
                else:
                    last = begun - ended
                    assert last < 20, "it is never refused"
            time.sleep(0.01)
        return last


@pytest.fixture(scope="module", params=[2, 4])
def workers(
    request: pytest.FixtureRequest, servers: TestServers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workers]:
    server = servers.get("embedded")
    assert server is not None
    count: int = request.param
    folder = tmp_path_factory.mktemp("workers")
    with (
        server.database() as conninfo,
        running_service(conninfo, folder, workers=count) as service,
        ExitStack() as open_,
    ):
        yield Workers(service, connections(service, count, open_))


def connections(service: ServiceProcess, count: int, stack: ExitStack) -> list[httpx.Client]:
    """A connection to each of the processes, which are told apart by the beginnings of their request ids."""
    found: dict[str, httpx.Client] = {}
    for _ in range(500):
        client = stack.enter_context(httpx.Client(base_url=service.url, trust_env=False, verify=PLAIN, timeout=60))
        answer = client.get("/v1/keys?limit=1", headers=ADMIN)
        found.setdefault(answer.headers["x-request-id"].partition("-")[0], client)
        if len(found) == count:
            return list(found.values())
    raise AssertionError(f"{len(found)} of {count} processes answer")


def by_its_id(told: httpx.Client, key: dict[str, Any]) -> httpx.Response:
    return told.delete(f"/v1/keys/{key['id']}", headers=ADMIN)


def by_a_finder(told: httpx.Client, key: dict[str, Any]) -> httpx.Response:
    return told.post("/v1/keys/revocations", json={"key": key["key"]})


def for_a_while(told: httpx.Client, key: dict[str, Any]) -> httpx.Response:
    return told.patch(f"/v1/keys/{key['id']}", json={"is_active": False}, headers=ADMIN)


def test_a_revoked_key_is_dead_within_a_second_everywhere(workers: Workers) -> None:
    """By its id, by whoever found it, and when it is disabled; each time told to another process."""
    for told in workers.clients[:TIMES]:
        for end in (by_its_id, by_a_finder, for_a_while):
            key = workers.key_of_account()
            assert workers.longest(key["key"], partial(end, told, key)) < BOUND


def test_a_key_that_the_command_line_revoked_is_dead_within_a_second(workers: Workers) -> None:
    conninfo = workers.service.conninfo
    for _ in range(TIMES):
        key = create_key(conninfo, "of a service", ["ledger:read"])
        assert workers.longest(key, partial(revoke_key, conninfo, prefix_of(key))) < BOUND
