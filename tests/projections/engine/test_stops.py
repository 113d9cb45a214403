"""An event that cannot be applied: that projection stops there and says so, the others go on, nothing is skipped."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from ledger.domain.commands import Command, DeductCredits, GrantCredits, OpenAccount, RecordPayment
from ledger.domain.events import CreditsGranted, PaymentRecorded
from projections.engine.runner import Runner
from projections.models.balances.projection import BALANCES
from projections.models.catalog import PROJECTIONS
from tests.domain.journal import ACCOUNT_ID, Journal
from tests.projections.bench import Bench
from tests.projections.folding import Told, folded
from tests.projections.stored import assert_same, positions, problems, rows_to_compare

NAMES = [projection.name for projection in PROJECTIONS]
COMMANDS: list[Command] = [
    OpenAccount(ACCOUNT_ID, 100),
    *(DeductCredits(ACCOUNT_ID, amount) for amount in (1, 2, 3)),
    RecordPayment(
        ACCOUNT_ID, "pi_1", "stripe", "paid", 999, "EUR", grants=(GrantCredits(ACCOUNT_ID, "permanent", 50),)
    ),
    *(DeductCredits(ACCOUNT_ID, amount) for amount in (4, 5, 6)),
]
SOUND = 10
"""Events of the commands above: opening, signup, three deductions, a payment, its grant, three deductions."""


@pytest.fixture
def log() -> list[Told]:
    journal = Journal()
    for command in COMMANDS:
        journal.carry_out(command)
    assert len(journal.events) == SOUND
    return [Told(version, ACCOUNT_ID, version, event) for version, event in enumerate(journal.events, 1)]


@pytest.fixture
def empty(bench: Bench) -> Bench:
    bench.empty()
    return bench


def said_so(caplog: pytest.LogCaptureFixture) -> dict[str, int]:
    """Which projections the log says have stopped, and where."""
    stops = [r for r in caplog.records if r.levelno == logging.ERROR and "stopped at position" in r.getMessage()]
    return {str(r.args[0]): int(r.args[1]) for r in stops if isinstance(r.args, tuple)}  # type: ignore[call-overload]


def stopped_at(bench: Bench) -> dict[str, int | None]:
    return {name: position for name, (position, _) in problems(bench.plain).items()}


# Events that nobody understands -------------------------------------------------------------------------------------

Stored = dict[str, Any]


def as_it_is(stored: Stored) -> Stored:
    return stored


UNREADABLE: dict[str, tuple[str, Callable[[Stored], Stored | bytes], str]] = {
    "a type from the future": ("CreditsBorrowed", as_it_is, "CreditsBorrowed"),
    "a version from the future": ("CreditsDeducted", lambda stored: {**stored, "schema": 2}, "update the program"),
    "no JSON": ("CreditsDeducted", lambda _: b'{"data":', "JSONDecodeError"),
    "no UTF-8": ("CreditsDeducted", lambda _: b'{"data":"\xff"}', "JSONDecodeError"),
    "JSON that is no object": ("CreditsDeducted", lambda _: b"[]", "TypeError"),
    "data that is no object": ("CreditsDeducted", lambda stored: {**stored, "data": []}, "TypeError"),
    "a field too few": ("CreditsDeducted", lambda stored: {**stored, "data": {}}, "TypeError"),
    "fields of another type": ("CreditsGranted", as_it_is, "KeyError: 'deduction_id'"),
    "an amount that is a text": (
        "CreditsDeducted",
        lambda stored: {**stored, "data": {**stored["data"], "amount": "1"}},
        "TypeError",
    ),
    "a time that is none": ("CreditsDeducted", lambda stored: {**stored, "recorded_at": "yesterday"}, "ValueError"),
}
"""A type and bytes to put in the place of a deduction, and a word of what is said of them."""


_CHAINED = """
UPDATE ledger.events AS e SET hash = ledger.link(
    before.hash, e.originator_id, e.originator_version, e.topic, e.state, e.subject, e.receipt, e.fingerprint,
    e.command_events
)
FROM ledger.events AS before
WHERE e.notification_id = %s AND before.originator_id = e.originator_id
  AND before.originator_version = e.originator_version - 1
"""


def damage(bench: Bench, position: int, topic: str, change: Callable[[Stored], Stored | bytes] = as_it_is) -> None:
    row = bench.plain.execute("SELECT state FROM ledger.events WHERE notification_id = %s", [position]).fetchone()
    assert row is not None
    changed = change(orjson.loads(bytes(row[0])))
    state = changed if isinstance(changed, bytes) else orjson.dumps(changed)
    replaced = "UPDATE ledger.events SET topic = %s, state = %s WHERE notification_id = %s"
    bench.anything.execute(replaced, [topic, state, position])
    bench.anything.execute(_CHAINED, [position])


@pytest.mark.parametrize("page", [1, 3, 2_000])
@pytest.mark.parametrize("what", UNREADABLE)
def test_an_event_that_nobody_understands_stops_all_before_it(
    empty: Bench, log: list[Told], caplog: pytest.LogCaptureFixture, what: str, page: int
) -> None:
    topic, change, problem = UNREADABLE[what]
    empty.run(empty.append(log))
    damage(empty, 5, topic, change)
    empty.run(empty.project(page))
    assert_same(rows_to_compare(empty.plain), folded(log[:4]))
    assert positions(empty.plain) == dict.fromkeys(NAMES, 4)
    assert stopped_at(empty) == said_so(caplog) == dict.fromkeys(NAMES, 5)
    assert all(problem in str(text) for _, text in problems(empty.plain).values()), problems(empty.plain)


def test_a_program_that_understands_it_goes_on(empty: Bench, log: list[Told]) -> None:
    """A new program is a new runner. The old one would not look again."""
    empty.run(empty.append(log))
    damage(empty, 5, "CreditsBorrowed")
    empty.run(empty.project(page=3))
    damage(empty, 5, "CreditsDeducted")
    empty.run(empty.project(page=3))
    assert not problems(empty.plain)
    assert_same(rows_to_compare(empty.plain), folded(log))


def test_an_event_that_does_not_chain_is_not_projected(
    empty: Bench, log: list[Told], caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever changed it did not compute the hashes again. All that the projection says of it is where it is."""
    empty.run(empty.append(log))
    empty.anything.execute("UPDATE ledger.events SET state = state || ' ' WHERE notification_id = 5")
    empty.run(empty.project(page=3))
    assert positions(empty.plain) == dict.fromkeys(NAMES, 4)
    assert stopped_at(empty) == said_so(caplog) == dict.fromkeys(NAMES, 5)
    expected = f"the event at position 5 of account {ACCOUNT_ID} cannot be read: NotChained: its hash does not"
    assert all(str(text).startswith(expected) for _, text in problems(empty.plain).values())


def test_an_event_without_the_one_before_it_is_not_projected(empty: Bench, log: list[Told]) -> None:
    """Chained to nothing, as the first event of an account is."""
    empty.run(empty.append(log))
    empty.anything.execute("DELETE FROM ledger.events WHERE notification_id < 5")
    empty.anything.execute(
        "UPDATE ledger.events SET hash = ledger.link(ledger.genesis(), originator_id, originator_version::bigint,"
        " topic, state, subject, receipt, fingerprint, command_events) WHERE notification_id = 5"
    )
    empty.run(empty.project(page=3))
    assert set(stopped_at(empty).values()) == {5}


# Events that one projection cannot apply ----------------------------------------------------------------------------

BEHIND_ITS_BACK: dict[str, tuple[str, str, str, str]] = {
    "a row that is gone": (
        "balances",
        "DELETE FROM projection_balances.grants",
        "INSERT INTO projection_balances.grants (account_id, number, kind, source, amount, granted_at, remaining,"
        " spent) VALUES ('ada', 2, 'permanent', 'signup', 100, '2026-01-01Z', 97, 3)",
        "CannotApply",
    ),
    "a row that says less than there is": (
        "balances",
        "UPDATE projection_balances.grants SET remaining = 0, spent = 100",
        "UPDATE projection_balances.grants SET remaining = 97, spent = 3",
        "CheckViolation",
    ),
    "a row that is there already": (
        "history",
        "INSERT INTO projection_history.entry_rows (account, recorded_at, sequence, subscription, permanent, balance,"
        " type, about_kind) VALUES (1, '2026-01-01Z', 20, 0, 0, 0, 'v', 'g')",
        "DELETE FROM projection_history.entry_rows WHERE type = 'v'",
        "UniqueViolation",
    ),
    "a table that is gone": (
        "rollups",
        "ALTER TABLE projection_rollups.rollups RENAME TO mislaid",
        "ALTER TABLE projection_rollups.mislaid RENAME TO rollups",
        "UndefinedTable",
    ),
    "a payment that is there already": (
        "payments",
        "INSERT INTO projection_payments.payments"
        " SELECT 'ada', 'pi_1', 6, now(), 's', 'paid', 1, 0, 'EUR', NULL, NULL, NULL, 0",
        "DELETE FROM projection_payments.payments",
        "UniqueViolation",
    ),
}
"""The projection, what is done to its rows after event 4, what mends it, and a word of what is said of it."""
STOPS = {"payments": 6}
"""Where the damage is met; all others meet theirs at 5, the next event."""


@pytest.mark.parametrize("page", [1, 3, 2_000])
@pytest.mark.parametrize("what", BEHIND_ITS_BACK)
def test_one_projection_stops_and_the_others_go_on(
    empty: Bench, log: list[Told], caplog: pytest.LogCaptureFixture, what: str, page: int
) -> None:
    name, harm, mend, problem = BEHIND_ITS_BACK[what]
    at = STOPS.get(name, 5)
    empty.run(empty.append(log[:4]))
    empty.run(empty.project(page))
    empty.anything.execute(harm.encode())
    try:
        empty.run(empty.append(log[4:]))
        empty.run(empty.project(page))
        assert positions(empty.plain) == {**dict.fromkeys(NAMES, SOUND), name: at - 1}
        assert stopped_at(empty) == said_so(caplog) == {name: at}
        assert problem in str(problems(empty.plain)[name][1])
        others = [projection for projection in PROJECTIONS if projection.name != name]
        expected = {table: rows for table, rows in folded(log).items() if table.split(".")[0] != name}
        assert_same(rows_to_compare(empty.plain, others), expected)
    finally:
        empty.anything.execute(mend.encode())
    empty.run(empty.project(page))
    assert not problems(empty.plain)
    assert_same(rows_to_compare(empty.plain), folded(log))


@pytest.mark.parametrize("page", [1, 3, 2_000])
def test_an_event_that_some_projections_cannot_even_gather(
    empty: Bench, log: list[Told], caplog: pytest.LogCaptureFixture, page: int
) -> None:
    """Its id names no version: balances and history cannot number it, payments do not mind."""
    granted = log[6].event
    assert isinstance(granted, CreditsGranted)
    log[6] = log[6]._replace(event=replace(granted, grant_id="grant-7"))
    empty.run(empty.append(log))
    empty.run(empty.project(page))
    assert positions(empty.plain) == {**dict.fromkeys(NAMES, SOUND), "balances": 6, "history": 6}
    assert stopped_at(empty) == said_so(caplog) == {"balances": 7, "history": 7}
    assert "ValueError" in str(problems(empty.plain)["balances"][1])
    expected = {table: rows for table, rows in folded(log[:6]).items() if table.startswith("balances.")}
    assert_same(rows_to_compare(empty.plain, [BALANCES]), expected)


def test_a_value_that_no_index_takes_is_no_lost_database(
    empty: Bench, log: list[Told], caplog: pytest.LogCaptureFixture
) -> None:
    """PostgreSQL's driver calls both an operational error; one passes, the other never does."""
    place, paid = next((n, one.event) for n, one in enumerate(log) if isinstance(one.event, PaymentRecorded))
    too_long = "".join(map(chr, range(0x4E00, 0x4E00 + 9_000)))
    log[place] = log[place]._replace(event=replace(paid, payment_id=too_long))
    empty.run(empty.append(log))
    empty.run(empty.project(page=3))
    assert positions(empty.plain) == {**dict.fromkeys(NAMES, SOUND), "payments": place}
    assert stopped_at(empty) == said_so(caplog) == {"payments": place + 1}


@pytest.mark.parametrize("page", [1, 3, 2_000])
def test_each_stops_at_its_own_first_event(
    empty: Bench, log: list[Told], caplog: pytest.LogCaptureFixture, page: int
) -> None:
    """Damaged rows and an unreadable event after them: what is met first is what counts."""
    empty.run(empty.append(log[:3]))
    empty.run(empty.project(page))
    empty.plain.execute("UPDATE projection_balances.grants SET remaining = 0, spent = 100")
    empty.run(empty.append(log[3:]))
    damage(empty, 6, "CreditsBorrowed")
    empty.run(empty.project(page))
    assert stopped_at(empty) == said_so(caplog) == {**dict.fromkeys(NAMES, 6), "balances": 4}
    assert positions(empty.plain) == {**dict.fromkeys(NAMES, 5), "balances": 3}


def test_a_stopped_projection_is_not_tried_again_and_again(
    empty: Bench, log: list[Told], caplog: pytest.LogCaptureFixture
) -> None:
    """By the same runner it is left alone, and says so once; what comes later is for the others."""
    empty.run(empty.append(log[:4]))
    empty.run(empty.project(page=3))
    empty.plain.execute("DELETE FROM projection_balances.grants")
    empty.run(empty.append(log[4:7]))
    runner = empty.runner(page=3)
    empty.run(to_the_end(empty, runner))
    empty.run(empty.append(log[7:]))
    empty.run(to_the_end(empty, runner))
    assert positions(empty.plain) == {**dict.fromkeys(NAMES, SOUND), "balances": 4}
    assert len([r for r in caplog.records if "stopped at position" in r.getMessage()]) == 1


def test_the_same_runner_goes_on_with_a_projection_that_was_built_anew(empty: Bench, log: list[Told]) -> None:
    """What replaces the stopped build has no stop in its checkpoint: that is how a running service hears of it."""
    empty.run(empty.append(log[:4]))
    empty.run(empty.project(page=3))
    empty.plain.execute("DELETE FROM projection_balances.grants")
    empty.run(empty.append(log[4:]))
    runner = empty.runner(page=3)
    empty.run(to_the_end(empty, runner))
    assert stopped_at(empty) == {"balances": 5}
    empty.empty_projections()
    empty.run(to_the_end(empty, runner))
    assert not problems(empty.plain)
    assert_same(rows_to_compare(empty.plain), folded(log))


async def to_the_end(bench: Bench, runner: Runner) -> None:
    while await runner.step(bench.connection):
        pass
