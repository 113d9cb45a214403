"""Rate limits: a bucket for each key, in one process or in a file that several share."""

import multiprocessing
from multiprocessing.pool import Pool
from pathlib import Path

import pytest

from people import rate_limits
from people.rate_limits import Allowance, RateLimits, make_shared


class Time:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture(params=["own", "shared"])
def limits(request: pytest.FixtureRequest, time: Time, tmp_path: Path) -> RateLimits:
    if request.param == "own":
        return RateLimits(10, clock=time)
    make_shared(tmp_path / "rates")
    assert (tmp_path / "rates").stat().st_mode & 0o777 == 0o600
    return RateLimits(10, tmp_path / "rates", time)


def admitted(limits: RateLimits, tries: int, name: str = "a", commands: int = 1) -> int:
    return sum(limits.take(name, commands).admitted for _ in range(tries))


def told(allowance: Allowance) -> tuple[int, int, float, float, bool]:
    limit, remaining, reset, wait, was_admitted = allowance
    return limit, remaining, round(reset, 6), round(wait, 6), was_admitted


def test_a_key_may_send_what_a_second_allows_and_no_more(limits: RateLimits, time: Time) -> None:
    assert admitted(limits, 30) == 10
    assert admitted(limits, 30, "b") == 10
    time.now += 0.3
    assert admitted(limits, 30) == 3
    time.now += 5
    assert admitted(limits, 30) == 10


def test_what_remains_and_when_is_told(limits: RateLimits, time: Time) -> None:
    assert told(limits.take("a")) == (10, 9, 0.1, 0, True)
    assert told(limits.take("a", 4)) == (10, 5, 0.5, 0, True)
    assert told(limits.take("a", 5)) == (10, 0, 1, 0.1, True)
    assert told(limits.take("a")) == (10, 0, 1, 0.1, False)
    time.now += 0.1
    assert told(limits.take("a")) == (10, 0, 1, 0.1, True)


def test_a_large_batch_is_paid_for_by_waiting(limits: RateLimits, time: Time) -> None:
    assert limits.take("a").admitted
    assert limits.take("a", 99, more=True).admitted
    refused = limits.take("a")
    assert told(refused) == (10, 0, 10, 9.1, False)
    assert not limits.take("a", 99, more=True).admitted
    time.now += 9
    assert admitted(limits, 9) == 0
    time.now += 0.5
    assert admitted(limits, 9) == 5


def test_the_rest_of_a_batch_needs_no_room_of_its_own(limits: RateLimits) -> None:
    assert admitted(limits, 10) == 10
    assert limits.take("a", 5, more=True).admitted


@pytest.fixture
def workers() -> Pool:
    return multiprocessing.get_context("spawn").Pool(3)


def take_all(shared: Path) -> int:
    """What a worker gets when no time passes."""
    return admitted(RateLimits(3_000, shared, clock=lambda: 7.0), 3_000)


def test_workers_share_one_limit(workers: Pool, tmp_path: Path) -> None:
    """A worker that is put to sleep with the lock does not stop the others: a few commands are not counted."""
    make_shared(tmp_path / "rates")
    with workers:
        assert 3_000 <= sum(workers.map(take_all, [tmp_path / "rates"] * 6)) < 3_300


def test_more_keys_than_buckets_share_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "_BUCKETS", 3)
    limits = RateLimits(10, clock=lambda: 0.0)
    assert [admitted(limits, 30, name) for name in "abc"] == [10, 10, 10]
    assert admitted(limits, 30, "d") == 0
