"""Whatever a command or an outcome is, it comes out of a message as it went in."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.commit.submission import (
    ExpectedVersions,
    NoSession,
    Overloaded,
    Recorded,
    StorageFull,
    Submission,
    Unavailable,
)
from ledger.domain.commands import (
    Command,
    DeductCredits,
    EraseTexts,
    GrantCredits,
    Meter,
    NewLimit,
    OpenAccount,
    RecordPayment,
    SetAllowance,
    SetLimits,
)
from ledger.domain.errors import (
    BatchRefused,
    HoldLifeExceeded,
    InsufficientCredits,
    LimitReached,
    Refusal,
    UsageRequired,
)
from ledger.domain.events import Event
from ledger.domain.periods import CalendarPeriod, TimedPeriod
from ledger.forwarding.messages import (
    CommandFailed,
    command_message,
    error_message,
    outcome_message,
    read_command,
    read_outcome,
)
from ledger.store import Metadata
from tests.domain.journal import Journal
from tests.domain.strategies import commands, journals
from tests.store.samples import SAMPLES

METADATA = Metadata("key:ümlaut", "deduct", "key", "r1")
MOMENT = datetime(2026, 1, 1, 12, 0, 0, 5, tzinfo=UTC)


EVERYTHING = NewLimit(
    "month",
    5,
    ("member",),
    (("model", "m"),),
    "z",
    CalendarPeriod("month", "Europe/Berlin", 31),
    hard=False,
    near=(1, 2),
    allowances={"ada": 1},
    used={"ada": 2},
)


def through(command: Command, expected: ExpectedVersions | None = None) -> Submission:
    sent = Submission(command, METADATA, b"\x00\xffprint", expected)
    received = read_command(orjson.loads(command_message(7, sent)))
    assert (received.metadata, received.fingerprint, received.expected) == (METADATA, b"\x00\xffprint", expected)
    assert received.receipt == sent.receipt
    return received


@given(st.data(), journals(longest=8))
def test_every_command_comes_through(data: st.DataObject, journal: Journal) -> None:
    command = data.draw(commands(journal))
    assert through(command).command == command


@pytest.mark.parametrize(
    "command",
    [
        OpenAccount("ä", 5, {"free": [1, 2.5, None, {"deep": "\N{SNOWMAN}"}]}),
        GrantCredits("a", "subscription", 1, lifetime=timedelta(days=30, microseconds=1)),
        GrantCredits("a", "subscription", 1, expires_at=MOMENT),
        RecordPayment("a", "p", "s", "paid", 1, "EUR", None, (GrantCredits("a", "permanent", 9, "topup", None, None),)),
        DeductCredits("a", 2**53 - 1, usage={"model": "m", "input_tokens": 3}),
        DeductCredits("a", 1, usage={"success": False}, occurred_at=MOMENT, back_dating=timedelta(days=3)),
        EraseTexts("a"),
        SetLimits("a", "plan", (EVERYTHING, NewLimit("least", 0, period=TimedPeriod(60)))),
        SetAllowance("a", "month", "ada"),
        Meter("a", 7, {"metric": "z", "member": "y"}, "task"),
    ],
)
def test_fields_that_json_does_not_have_come_through(command: Command) -> None:
    assert through(command).command == command


@pytest.mark.parametrize("expected", [None, ExpectedVersions(None), ExpectedVersions((1, 5)), ExpectedVersions(())])
def test_expected_versions_come_through(expected: ExpectedVersions | None) -> None:
    through(EraseTexts("a"), expected)


@pytest.mark.parametrize("event", SAMPLES.values(), ids=lambda event: type(event).__name__)
def test_every_event_comes_through(event: Event) -> None:
    submission = Submission(EraseTexts("a"), METADATA)
    outcome = Recorded("a", 3, 9, (event,), replayed=True)
    assert read_outcome("a", orjson.loads(outcome_message(1, submission, outcome))) == outcome


@pytest.mark.parametrize(
    "refusal",
    [
        InsufficientCredits(5, 3),
        HoldLifeExceeded("h", MOMENT),
        BatchRefused(4, InsufficientCredits(5, 3)),
        LimitReached("Member ada may use 3 more credits", 5, 9, [{"headroom": 3, "resets_at": MOMENT}]),
        UsageRequired("member", "month"),
    ],
)
def test_a_refusal_says_the_same(refusal: Refusal) -> None:
    submission = Submission(EraseTexts("a"), METADATA)
    found = read_outcome("a", orjson.loads(outcome_message(1, submission, refusal)))
    assert isinstance(found, Refusal)
    assert (type(found), found.message, str(found)) == (type(refusal), refusal.message, str(refusal))
    assert orjson.dumps(found.facts, option=orjson.OPT_UTC_Z) == orjson.dumps(refusal.facts, option=orjson.OPT_UTC_Z)
    if isinstance(refusal, BatchRefused):
        assert isinstance(found, BatchRefused)
        assert (found.index, found.cause.code) == (refusal.index, refusal.cause.code)


@pytest.mark.parametrize("error", [Overloaded(), Unavailable(), StorageFull(), NoSession()])
def test_an_error_that_callers_know_stays_what_it_is(error: Exception) -> None:
    assert type(read_outcome("a", orjson.loads(error_message(1, error)))) is type(error)


def test_any_other_error_says_what_it_was_and_so_does_an_outcome_that_cannot_be_read() -> None:
    found = read_outcome("a", orjson.loads(error_message(1, KeyError("x"))))
    assert isinstance(found, CommandFailed)
    assert "KeyError" in str(found)
    assert isinstance(read_outcome("a", [1, 0, 3]), CommandFailed)
