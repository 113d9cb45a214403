"""Who has an account here? Neither an answer nor its time tells, while the mail server is down too.

Times are compared by medians and by the Mann-Whitney test. Chance makes two equal things look different now and then,
so what looks different is measured again: a difference that is there is found each time.
"""

import re
import time
from collections.abc import Callable, Iterator
from math import erfc, sqrt
from statistics import median

import httpx
import psycopg
import pytest

from people.sign_in.passwords import NOBODYS
from tests.long_form import LONG, times
from tests.postgres import TestServers, owner
from tests.service import Service, service_here

PASSWORD = "a password of nobody"
SAMPLES = times(30, 200)
HASHED = times(8, 200)
"""Samples of what makes a hash."""
ATTEMPTS = 3
BODIES = {
    "register": {"password": PASSWORD, "name": "Ada"},
    "login": {"password": PASSWORD},
    "reset": {},
    "link": {},
    "verification/resend": {},
}
KINDS = ("user", "pending", "nobody")
Asks = Callable[[str, str, int], httpx.Response]


@pytest.fixture(scope="module")
def house(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with users and registrations, behind a proxy: each request comes from a network of its own."""
    server = servers.get("embedded")
    assert server is not None
    settings = {
        "CREDIT_LEDGER_REGISTRATION": "open",
        "CREDIT_LEDGER_SMTP_URL": "smtp://127.0.0.1:1?starttls=off",
        "CREDIT_LEDGER_MAIL_FROM": "credits@example.com",
        "CREDIT_LEDGER_TRUSTED_PROXIES": "127.0.0.1/32",
    }
    folder = tmp_path_factory.mktemp("enumeration")
    with server.database() as conninfo, service_here(conninfo, folder, settings=settings) as running:
        _fill(conninfo)
        yield running


def _fill(conninfo: str) -> None:
    with psycopg.connect(owner(conninfo)) as connection:
        connection.execute(
            "INSERT INTO people.users (user_id, email, name, email_verified_at, password_hash, created_at)"
            " SELECT 'usr_' || lpad(n::text, 20, '0'), 'user-' || n || '@example.com', '', now(), %s, now()"
            " FROM generate_series(0, 4999) AS n",
            [NOBODYS],
        )
        connection.execute(
            "INSERT INTO people.registrations"
            " (user_id, sha256, pending_sha256, email, name, password_hash, created_at, expires_at)"
            " SELECT 'usr_p' || n, sha256(('a' || n)::bytea), sha256(('b' || n)::bytea), 'pending-' || n ||"
            " '@example.com', '', %s, now(), now() + interval '1 day' FROM generate_series(0, 4999) AS n",
            [NOBODYS],
        )


@pytest.fixture(scope="module")
def ask(house: Service) -> Iterator[Asks]:
    """Asks about the address of a kind with a number."""
    with httpx.Client(base_url=house.url, trust_env=False, timeout=60) as client:
        networks = iter(range(1 << 16))

        def asked(path: str, kind: str, number: int) -> httpx.Response:
            network = next(networks)
            told = {"X-Forwarded-For": f"10.{network >> 8}.{network & 255}.7"}
            body = {"email": f"{kind}-{number}@example.com", **BODIES[path]}
            return client.post(f"/api/auth/{path}", json=body, headers=told)

        yield asked


def test_answers_are_equal_but_for_ids(ask: Asks) -> None:
    for path in BODIES:
        seen = set()
        for kind in KINDS:
            answer = ask(path, kind, 4_999)
            heads = {**answer.headers, "date": "", "x-request-id": ""}
            text = re.sub(r"usr_\w+|clr_[\w-]+|(user|pending|nobody)-4999", "_", answer.text)
            assert int(heads.pop("content-length")) == len(answer.content)
            seen.add((answer.status_code, text, tuple(sorted(heads.items()))))
        assert len(seen) == 1, path


@pytest.mark.parametrize("path", BODIES)
def test_times_are_equal(ask: Asks, path: str) -> None:
    """A registration that waits is an address that somebody knows, too."""
    samples = HASHED if path in {"register", "login"} else SAMPLES
    told: list[str] = []
    for attempt in range(ATTEMPTS):
        found = _times(ask, path, attempt * 1_000, samples)
        told.append("; ".join(f"{kind}: {median(seconds) * 1e3:.2f} ms" for kind, seconds in found.items()))
        if not any(differ(found[kind], found["nobody"]) for kind in KINDS[:2]):
            return
    pytest.fail(f"{path} tells who is known, each time: medians {told}")


def _times(ask: Asks, path: str, first: int, samples: int) -> dict[str, list[float]]:
    """Seconds of each answer, one kind after the other, in another order each time."""
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for number in range(first, first + samples + 2):
        for place in range(len(KINDS)):
            kind = KINDS[(number + place) % len(KINDS)]
            began = time.perf_counter()
            assert ask(path, kind, number).status_code in {201, 202, 401}
            found[kind].append(time.perf_counter() - began)
    return {kind: seconds[2:] for kind, seconds in found.items()}  # the first two warm up


def differ(some: list[float], others: list[float]) -> bool:
    """Whether two kinds of answers can be told apart by their times. Few samples say nothing about medians."""
    apart = abs(median(some) / median(others) - 1) > 0.1
    return chance(some, others) < 0.01 or (LONG and apart)


def chance(some: list[float], others: list[float]) -> float:
    """How likely two samples of one distribution are as different as these: the test of Mann and Whitney, two-sided."""
    larger = sum((one > other) + (one == other) / 2 for one in some for other in others)
    sizes = len(some), len(others)
    middle, spread = sizes[0] * sizes[1] / 2, sqrt(sizes[0] * sizes[1] * (sum(sizes) + 1) / 12)
    return erfc(abs(larger - middle) / spread / sqrt(2))


def test_the_judge_tells_what_differs() -> None:
    same = [1 + (number * 7 % 30) / 100 for number in range(30)]
    assert chance(same, list(reversed(same))) == 1
    assert chance(same, [one + 0.05 for one in same]) == pytest.approx(0.03, abs=0.03)
    assert chance(same, [one * 1.1 for one in same]) < 0.01
    assert differ(same, [one * 1.3 for one in same])
