"""The guarded clock against a machine whose clock is set, drifts and stands still."""

import itertools
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.runtime import clock_agreement
from api.runtime.clock_agreement import ClocksDisagree, agree_on_time
from ledger import clock as clocks
from ledger.clock import FOLLOW_AFTER, STEP, ClockGuard, DatabaseTime, GuardedClock
from ledger.service import Ledger
from tests.survival.clock import FakeClock
from tests.survival.faults.fault import Missing

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()
HOUR = 3_600.0


class Machine:
    """A machine: time passes for its counter, and its clock is what somebody has set it to."""

    def __init__(self) -> None:
        self.counter = 1_000.0
        self.wrong = 0.0

    def clock(self) -> float:
        return NOON + self.counter - 1_000.0 + self.wrong

    def guarded(self) -> GuardedClock:
        return GuardedClock(machine=self.clock, counter=lambda: self.counter)


def seconds(clock: GuardedClock) -> float:
    """What a clock says, after noon."""
    return clock().timestamp() - NOON


def test_it_goes_on_when_the_machine_is_set() -> None:
    machine = Machine()
    clock = machine.guarded()
    for wrong in (3 * HOUR, -2 * HOUR, 0.0, -40 * HOUR, STEP + 1):
        machine.wrong = wrong
        machine.counter += 10
        before = seconds(clock)
        assert clock.compare() == pytest.approx(wrong)
        assert seconds(clock) == before
    assert seconds(clock) == pytest.approx(50)


def test_a_drift_is_followed_a_little_at_a_time() -> None:
    machine = Machine()
    clock = machine.guarded()
    machine.wrong = 2.0
    steps = []
    for _ in range(1_000):
        before = seconds(clock)
        machine.counter += 1
        assert clock.compare() == 0.0
        steps.append(seconds(clock) - before)
    assert seconds(clock) == pytest.approx(1_002, abs=0.001)
    assert max(steps) < 1.006


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(-100 * HOUR, 100 * HOUR)), max_size=30))
def test_it_never_runs_backwards_and_never_far_from_the_counter(history: list[tuple[float, float]]) -> None:
    """Whatever is done to the machine's clock: a second is never longer or shorter than the slew allows."""
    machine = Machine()
    clock = machine.guarded()
    said = [seconds(clock)]
    for passed, wrong in history:
        machine.counter += passed
        said.append(seconds(clock))
        machine.wrong = wrong
        clock.compare()
        said.append(seconds(clock))
    assert all(one <= two for one, two in itertools.pairwise(said))
    passed = machine.counter - 1_000
    assert said[-1] == pytest.approx(passed, abs=0.005 * passed + 1e-5)


def test_a_process_that_is_started_again_takes_over_the_time() -> None:
    machine = Machine()
    origin = machine.clock() - machine.counter
    machine.counter += 500
    machine.wrong = 7 * HOUR
    clock = GuardedClock(origin, machine=machine.clock, counter=lambda: machine.counter)
    assert seconds(clock) == pytest.approx(500)
    assert clock.compare() == pytest.approx(7 * HOUR)


# The guard: when a step is followed after all.


class Database:
    """A database whose clock may be another machine's, and right or wrong."""

    def __init__(self, machine: Machine, *, elsewhere: bool) -> None:
        self.machine = machine
        self.wrong = 0.0
        self.elsewhere = elsewhere
        self.answers = True

    async def __call__(self) -> DatabaseTime | None:
        self.asked = True
        if not self.answers:
            return None
        return DatabaseTime(NOON + self.machine.counter - 1_000 + self.wrong, self.elsewhere)


async def turns(guard: ClockGuard, machine: Machine, seconds: float) -> None:
    """Let the guard look once a second for so long."""
    for _ in range(int(seconds)):
        machine.counter += 1
        await guard.check(machine.counter)


@pytest.mark.parametrize(
    ("elsewhere", "agrees", "answers", "followed"),
    [(True, True, True, True), (True, False, True, False), (False, True, True, False), (True, True, False, False)],
)
async def test_a_step_is_followed_when_another_machine_says_so_for_long(
    *, elsewhere: bool, agrees: bool, answers: bool, followed: bool
) -> None:
    machine = Machine()
    clock = machine.guarded()
    database = Database(machine, elsewhere=elsewhere)
    guard = ClockGuard(clock, database)
    machine.wrong = 3 * HOUR
    database.wrong = 3 * HOUR if agrees else 0.0
    database.answers = answers
    await turns(guard, machine, FOLLOW_AFTER - 20)
    assert seconds(clock) == pytest.approx(FOLLOW_AFTER - 20)
    await turns(guard, machine, 40)
    assert (clock.offset_of(machine.clock()) == pytest.approx(0)) is followed
    assert (clock.refused == 0.0) is followed


async def test_a_witness_that_wavers_is_not_believed() -> None:
    machine = Machine()
    clock = machine.guarded()
    database = Database(machine, elsewhere=True)
    guard = ClockGuard(clock, database)
    machine.wrong = 3 * HOUR
    for wrong in (3 * HOUR, 0.0) * 2:
        database.wrong = wrong
        await turns(guard, machine, FOLLOW_AFTER - 20)
    assert clock.refused == pytest.approx(3 * HOUR)


async def test_what_is_refused_is_said_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine()
    guard = ClockGuard(machine.guarded(), Database(machine, elsewhere=False))
    machine.wrong = -2 * HOUR
    await turns(guard, machine, 90)
    machine.wrong = 0.0
    await turns(guard, machine, 5)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 3, said
    assert "7200 s behind and is not followed" in said[0]
    assert said[2] == "the machine's clock agrees again"


# At the start.


def test_a_service_starts_when_machine_and_database_agree(each_database: str) -> None:
    assert agree_on_time(each_database) == pytest.approx(clocks.origin_now(), abs=1)


@pytest.mark.parametrize(("wrong", "words"), [(3 * HOUR, "10800 seconds ahead of"), (-90.0, "90 seconds behind")])
def test_a_service_does_not_start_when_they_do_not(
    database: str, monkeypatch: pytest.MonkeyPatch, wrong: float, words: str
) -> None:
    monkeypatch.setattr(clock_agreement, "origin_now", lambda: clocks.origin_now() + wrong)
    with pytest.raises(ClocksDisagree, match=f"the machine's clock is {words} the database's"):
        agree_on_time(database)


async def test_a_database_on_the_same_machine_is_no_second_witness(each_ledger: Ledger) -> None:
    said = await each_ledger.log.database_time()
    assert said is not None
    assert not said.elsewhere
    assert said.at == pytest.approx(time.time(), abs=10)


def test_a_worker_that_is_started_while_the_clock_is_wrong_goes_by_the_time_of_its_service(tmp_path: Path) -> None:
    """A real process on a machine whose clock is three hours ahead."""
    try:
        wrong = FakeClock(tmp_path / "clock")
        wrong.set(3 * HOUR)
        environment = {**os.environ, **wrong.environment, clock_agreement.ORIGIN: repr(clocks.origin_now())}
    except Missing as missing:
        pytest.skip(str(missing))
    program = "import time, api.runtime.clock_agreement as t; print(time.time(), t.agreed_clock()().timestamp())"
    said = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    machine, guarded = map(float, said.stdout.split())
    assert machine == pytest.approx(time.time() + 3 * HOUR, abs=10)
    assert guarded == pytest.approx(time.time(), abs=10)
