"""The laws of an account: what is true after every history, whatever was asked, in whatever order, at whatever time."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise, permutations
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ledger.domain.account import Account, evolve, fold
from ledger.domain.amounts import MAX_AMOUNT, Kind
from ledger.domain.commands import (
    CaptureHold,
    ChangeGrantExpiry,
    Command,
    DeductCredits,
    GrantCredits,
    MovedLot,
    OpenAccount,
    PlaceHold,
    ReceiveCredits,
    RecordExpiries,
    RecordPayment,
    RefundPayment,
    ReverseDeduction,
    ReverseTransfer,
    SendCredits,
    VoidGrant,
)
from ledger.domain.decisions.decider import decide
from ledger.domain.decisions.expiry import apply_due_expiries
from ledger.domain.errors import BalanceLimitExceeded, InsufficientCredits, InvalidField, Refusal
from ledger.domain.events import (
    CreditsDeducted,
    CreditsExpired,
    CreditsGranted,
    CreditsHeld,
    CreditsReceived,
    CreditsSent,
    DisputeRecorded,
    Event,
    Granted,
    GrantExpiryChanged,
    GrantStarted,
    HoldCaptured,
    HoldExpired,
)
from ledger.domain.limits import Count
from ledger.domain.lots import NO_LOTS, Draws, Lot, Lots, burn_order, put
from ledger.domain.related_events import RelatedEvents
from tests.domain.journal import ACCOUNT_ID, DAY_ZERO, Journal
from tests.domain.purse import Purse, purse_of
from tests.domain.strategies import DAY, SWEEP, TICK, commands, journals, moments
from tests.long_form import times

fewer = settings(max_examples=times(30, 60))


# Folding ------------------------------------------------------------------------------------------------------------


@fewer
@given(journals(), st.data())
def test_any_prefix_and_then_the_rest_fold_to_the_whole(journal: Journal, data: st.DataObject) -> None:
    events = tuple(journal.events)
    cut = data.draw(st.integers(0, len(events)))
    assert fold(events[cut:], fold(events[:cut])) == journal.account


@fewer
@given(journals())
def test_every_event_names_its_version_and_its_time(journal: Journal) -> None:
    account: Account | None = None
    for version, event in enumerate(journal.events, 1):
        before, account = account, evolve(account, event)
        assert account.version == version
        assert account.recorded_at == event.recorded_at
        assert account.balance == event.balance
        assert before is None or before.recorded_at <= event.recorded_at
        assert {name.split("_")[1] for name in _names_made(event)} <= {str(version)}


FULL = GrantCredits(ACCOUNT_ID, "permanent", MAX_AMOUNT)
LATER = GrantCredits(ACCOUNT_ID, "permanent", MAX_AMOUNT, effective_at=DAY_ZERO + 9 * DAY)
LAPSING = GrantCredits(ACCOUNT_ID, "subscription", MAX_AMOUNT, lifetime=DAY)
PAID = RecordPayment(ACCOUNT_ID, "pi_1", "stripe", "paid", 1, "eur", grants=(GrantCredits(ACCOUNT_ID, "permanent", 1),))
LOT = MovedLot("grt_2", "permanent", 1, None, "topup", DAY_ZERO, "bob", "grt_2")


@pytest.mark.parametrize(
    ("before", "brings"),
    [
        ([], GrantCredits(ACCOUNT_ID, "permanent", 1)),
        ([], PAID),
        ([], ReceiveCredits(ACCOUNT_ID, "bob", None, "trf_3", (LOT,))),
        ([FULL, DeductCredits(ACCOUNT_ID, MAX_AMOUNT)], ReverseDeduction(ACCOUNT_ID, "ded_3", 1)),
        ([FULL, SendCredits(ACCOUNT_ID, "bob")], ReverseTransfer(ACCOUNT_ID, "trf_3")),
        ([LAPSING, DAY], ChangeGrantExpiry(ACCOUNT_ID, "grt_2", DAY_ZERO + 3 * DAY, reinstate=True)),
    ],
)
def test_nothing_that_brings_credits_takes_the_room_of_what_is_coming(
    before: list[Command | timedelta], brings: Command
) -> None:
    """A start is never refused, so the largest balance is kept only if each of these looks at it."""
    journal = Journal()
    for one in [OpenAccount(ACCOUNT_ID), *before, LATER]:
        if isinstance(one, timedelta):
            journal.now += one
        else:
            journal.carry_out(one)
    assert isinstance(journal.attempt(brings), BalanceLimitExceeded)
    journal.now = DAY_ZERO + 9 * DAY
    assert journal.settled(journal.now).balance.total == MAX_AMOUNT


def _names_made(event: Event) -> list[str]:
    match event:
        case CreditsGranted() | CreditsReceived():
            return [event.grant_id]
        case CreditsSent():
            return [event.transfer_id]
        case CreditsDeducted() | HoldCaptured():
            return [event.deduction_id]
        case CreditsHeld() | DisputeRecorded(hold_id=str(), state="open", changed_by=None):
            return [event.hold_id or ""]
        case _:
            return []


def test_a_stream_begins_with_its_opening() -> None:
    granted = decide(OpenAccount(ACCOUNT_ID, 1), None, DAY_ZERO)[1]
    with pytest.raises(ValueError, match="must begin with AccountOpened, not CreditsGranted"):
        evolve(None, granted)


# Deciding -----------------------------------------------------------------------------------------------------------


@fewer
@given(journals(), st.data())
def test_decide_changes_nothing_and_says_the_same_twice(journal: Journal, data: st.DataObject) -> None:
    journal.now = data.draw(moments(journal))
    command = data.draw(commands(journal))
    related = journal.past_of(command)
    asked = (command, journal.account, journal.now, related)
    before = copy.deepcopy(asked)
    once, twice = _outcome(*asked), _outcome(*asked)
    assert asked == before
    assert once == twice


@fewer
@given(journals())
def test_a_refused_command_leaves_no_trace(journal: Journal) -> None:
    never_refused = Journal()
    for at, command, told in journal.asked:
        if not isinstance(told, Refusal):
            never_refused.now = at
            never_refused.carry_out(command)
    assert never_refused.events == journal.events
    assert never_refused.account == journal.account


@fewer
@given(journals(), st.data())
def test_the_past_that_is_asked_for_is_all_of_it_that_matters(journal: Journal, data: st.DataObject) -> None:
    command = data.draw(commands(journal))
    needed = journal.past_of(command)
    everything = RelatedEvents(tuple(journal.events))
    asked = (command, journal.account, journal.now)
    assert _outcome(*asked, needed) == _outcome(*asked, everything)


def _outcome(command: Any, account: Account | None, now: datetime, related: RelatedEvents) -> object:
    try:
        return decide(command, account, now, related)
    except Refusal as refusal:
        return refusal.code, refusal.facts


@fewer
@given(journals(), st.data())
def test_time_is_the_command_s_own_unless_it_would_run_backwards(journal: Journal, data: st.DataObject) -> None:
    last = journal.opened.recorded_at
    journal.now = data.draw(moments(journal))
    told = journal.attempt(data.draw(commands(journal)))
    assume(not isinstance(told, Refusal))
    assert isinstance(told, tuple)
    assert {event.recorded_at for event in told} <= {max(journal.now, last)}


# Spending -----------------------------------------------------------------------------------------------------------


@settings(max_examples=times(60, 150))
@given(journals(longest=50))
def test_permanent_credit_is_never_drawn_while_subscription_credit_is_spendable(
    journal: Journal,
) -> None:
    purse = Purse()
    for event in journal.events:
        draws = _drawn_from_lots(event)
        if any(part.kind == "permanent" for part in draws):
            drawn = {part.grant_id: part.amount for part in draws}
            left = [
                grant
                for grant, amount in purse.spendable(event.recorded_at)
                if grant.kind == "subscription" and amount > drawn.get(grant.grant_id, 0)
            ]
            assert not left, f"{event} drew permanent credits, and there was {left}"
        purse.add(event)


@fewer
@given(journals(longest=50))
def test_draws_follow_the_burn_order_and_take_each_lot_whole_but_the_last(journal: Journal) -> None:
    purse = Purse()
    for event in journal.events:
        draws = _drawn_from_lots(event)
        in_order = sorted(purse.spendable(event.recorded_at), key=lambda lot: _order(lot[0]))
        passed = [(grant.grant_id, amount) for grant, amount in in_order[: len(draws)]]
        assert [part.grant_id for part in draws] == [name for name, _ in passed]
        whole, last = passed[:-1], passed[-1:]
        assert [part.amount for part in draws[:-1]] == [amount for _, amount in whole]
        assert all(part.amount <= amount for part, (_, amount) in zip(draws[-1:], last, strict=True))
        purse.add(event)


def _order(grant: Granted) -> tuple[bool, bool, datetime, int]:
    never = grant.expires_at is None
    return grant.kind == "permanent", never, grant.expires_at or DAY_ZERO, int(grant.grant_id[4:])


def _drawn_from_lots(event: Event) -> Draws:
    match event:
        case CreditsDeducted() | CreditsHeld() | CreditsSent():
            return event.draws
        case HoldCaptured():
            return event.from_lots
        case _:
            return ()


@fewer
@given(journals())
def test_draws_add_up_to_the_amount_and_to_what_the_balance_lost(journal: Journal) -> None:
    for before, event in pairwise(journal.events):
        match event:
            case CreditsDeducted():
                assert sum(part.amount for part in event.draws) == event.amount
                assert before.balance.total - event.balance.total == event.amount
            case CreditsHeld():
                assert sum(part.amount for part in event.draws) == event.amount
                assert event.balance.held - before.balance.held == event.amount
                assert event.balance.total == before.balance.total
            case HoldCaptured():
                gone = sum(part.amount for part in event.returns if part.fate != "returned")
                assert sum(part.amount for part in event.draws) == event.amount
                assert before.balance.total - event.balance.total == event.amount + gone
            case _:
                continue
        assert all(part.amount > 0 for part in event.draws)


@settings(max_examples=times(60, 150))
@given(journals(longest=50))
def test_no_credit_is_lost_or_invented(journal: Journal) -> None:
    purse = Purse()
    for event in journal.events:
        purse.add(event)
        left, held = sum(purse.open.values()), sum(purse.held.values())
        spent = purse.spent - purse.reversed
        moved, coming = purse.moved_out - purse.moved_in, sum(purse.coming.values())
        assert purse.granted == spent + left + held + purse.lapsed + purse.cancelled + moved + coming
        assert (left, held) == (event.balance.available, event.balance.held)
        assert all(amount >= 0 for amount in [*purse.open.values(), *purse.held.values()])


@fewer
@given(journals())
def test_nothing_is_open_twice(journal: Journal) -> None:
    purse, account = purse_of(journal.events), journal.opened
    lots = {lot.grant_id: lot.remaining for lot in account.lots}
    assert lots == {name: amount for name, amount in purse.open.items() if amount}
    assert len(lots) == len(account.lots)
    holds = {hold.hold_id: hold.amount for hold in account.holds}
    disputed = {of.hold_id: of.amount for of in account.disputed if of.amount}  # none where the credits had gone before
    assert holds | disputed == {name: amount for name, amount in purse.held.items() if amount}


# Time ---------------------------------------------------------------------------------------------------------------


@fewer
@given(journals(), st.data())
def test_a_sweeper_changes_nothing_but_when_an_expiry_is_recorded(journal: Journal, data: st.DataObject) -> None:
    quiet, swept, now = Journal(), Journal(), DAY_ZERO
    for at, command, _ in journal.asked:
        now = max(now, at)
        sweeps = data.draw(st.lists(st.integers(0, 100), max_size=2)) if swept.account else []
        for percent in sorted(sweeps):
            swept.now = swept.opened.recorded_at + (now - swept.opened.recorded_at) * percent / 100
            swept.attempt(SWEEP)
        quiet.now = swept.now = now
        if command != SWEEP:
            told, expected = swept.attempt(command), quiet.attempt(command)
            assert isinstance(told, Refusal) == isinstance(expected, Refusal)
    end = now + 400 * DAY
    swept.now = quiet.now = end
    swept.attempt(SWEEP)
    quiet.attempt(SWEEP)
    _differ_by_notice_alone(swept.events, quiet.events)


def _differ_by_notice_alone(some: Sequence[Event], others: Sequence[Event]) -> None:
    """Fail if two histories differ by more than when expiries and starts were recorded, and the counts of windows that
    were open at one of these moments and had ended at the other: they count nothing any more."""
    latest = [max(one.recorded_at, other.recorded_at) for one, other in zip(some, others, strict=True)]
    assert _as_if_recorded(some, latest) == _as_if_recorded(others, latest)


def _as_if_recorded(events: Sequence[Event], moments: Sequence[datetime]) -> list[Event]:
    """The events, those that time brought recorded at other moments, and with them what disputes hold of a start."""
    found, noticed = list[Event](), False
    for event, at in zip(events, moments, strict=True):
        of_dispute = noticed and isinstance(event, DisputeRecorded)
        noticed = of_dispute or isinstance(event, HoldExpired | CreditsExpired | GrantStarted)
        found.append(_recorded_at(event, at) if noticed else event)
    return found


def _recorded_at(event: Event, at: datetime) -> Event:
    event = replace(event, recorded_at=at)
    if isinstance(event, HoldExpired):
        open_ = tuple(count for count in event.counts or () if (until := Count(*count).until) is None or at < until)
        return replace(event, counts=open_ or None)
    return event


@fewer
@given(journals(), st.integers(0, 100 * 24), st.integers(0, 100 * 24))
def test_settling_in_two_steps_is_settling_at_once(journal: Journal, one: int, two: int) -> None:
    account = journal.opened
    first, second = sorted((one, two))
    at, later = (account.recorded_at + timedelta(hours=hours) for hours in (first, second))
    some, between = apply_due_expiries(account, at)
    rest, after = apply_due_expiries(between, later)
    together, settled = apply_due_expiries(account, later)
    _differ_by_notice_alone([*some, *rest], together)
    assert (after.lots, after.holds, after.balance) == (
        settled.lots,
        settled.holds,
        settled.balance,
    )


@fewer
@given(journals())
def test_time_changes_an_account_when_it_says_and_not_a_moment_before(journal: Journal) -> None:
    account = journal.opened
    due = account.due_at
    assume(due is not None)
    assert due is not None
    assert apply_due_expiries(account, due - TICK) == ((), account)
    events, settled = apply_due_expiries(account, due)
    assert events
    assert settled.due_at is None or settled.due_at > due
    assert {
        event.effective_at for event in events if isinstance(event, HoldExpired | CreditsExpired | GrantStarted)
    } == {due}


@fewer
@given(journals())
def test_expiries_are_recorded_in_the_order_in_which_they_took_effect(journal: Journal) -> None:
    ends = [e.effective_at for e in journal.events if isinstance(e, HoldExpired | CreditsExpired | GrantStarted)]
    assert ends == sorted(ends)
    ends_of: dict[str, datetime | None] = {}
    for event in journal.events:
        if isinstance(event, CreditsGranted | CreditsReceived | GrantExpiryChanged):
            ends_of[event.grant_id] = event.expires_at
        if isinstance(event, CreditsExpired):
            assert event.effective_at == ends_of[event.grant_id]
            assert event.effective_at <= event.recorded_at
            assert event.amount > 0


@given(st.timedeltas(TICK, timedelta(days=400)), st.timedeltas(-DAY, DAY))
def test_a_lot_is_spendable_while_now_is_before_its_end(life: timedelta, offset: timedelta) -> None:
    journal = Journal()
    journal.carry_out(OpenAccount(ACCOUNT_ID))
    journal.carry_out(GrantCredits(ACCOUNT_ID, "subscription", 10, expires_at=DAY_ZERO + life))
    for moment in (DAY_ZERO + life - TICK, DAY_ZERO + life, DAY_ZERO + life + offset):
        journal.now = max(moment, DAY_ZERO)
        if journal.now < DAY_ZERO + life:
            assert len(journal.decide(DeductCredits(ACCOUNT_ID, 10))) == 1
        else:
            with pytest.raises(InsufficientCredits):
                journal.decide(DeductCredits(ACCOUNT_ID, 10))


# The burn order -----------------------------------------------------------------------------------------------------

ENDS = st.sampled_from([None, *(DAY_ZERO + days * DAY for days in (1, 2, 3))])

KINDS: list[Kind] = ["subscription", "permanent"]


def _lot(version: int, kind: Kind, end: datetime | None) -> Lot:
    return Lot(f"grt_{version}", kind, 1, end if kind == "subscription" else None)


LOTS = st.builds(_lot, st.integers(2, 120), st.sampled_from(KINDS), ENDS)


@given(st.lists(LOTS, max_size=12, unique_by=lambda lot: lot.grant_id), st.randoms())
def test_the_burn_order_is_total_and_does_not_depend_on_arrival(lots: list[Lot], random: Any) -> None:
    keys = [burn_order(lot) for lot in lots]
    assert len(set(keys)) == len(keys)
    shuffled = list(lots)
    random.shuffle(shuffled)
    arrived = NO_LOTS
    for lot in shuffled:
        arrived = put(arrived, lot)
    assert [*arrived] == sorted(lots, key=burn_order)
    assert arrived == Lots.of(lots)


def test_the_burn_order_is_the_one_of_the_glossary() -> None:
    soon, late = DAY_ZERO + DAY, DAY_ZERO + 2 * DAY
    lots = (
        Lot("grt_9", "subscription", 1, soon),
        Lot("grt_10", "subscription", 1, soon),
        Lot("grt_2", "subscription", 1, late),
        Lot("grt_4", "subscription", 1, None),
        Lot("grt_3", "permanent", 1, None),
        Lot("grt_11", "permanent", 1, None),
    )
    for shuffled in permutations(lots):
        assert tuple(sorted(shuffled, key=burn_order)) == lots


# Amounts ------------------------------------------------------------------------------------------------------------

NOT_AMOUNTS = [
    0,
    -1,
    MAX_AMOUNT + 1,
    2**64,
    True,
    False,
    1.0,
    1.5,
    float("nan"),
    "1",
    b"1",
    [1],
    None,
]
ASKING: dict[str, Any] = {
    "grant": lambda amount: GrantCredits(ACCOUNT_ID, "permanent", amount),
    "deduct": lambda amount: DeductCredits(ACCOUNT_ID, amount),
    "hold": lambda amount: PlaceHold(ACCOUNT_ID, amount),
    "capture": lambda amount: CaptureHold(ACCOUNT_ID, "hld_1", amount),
    "reverse": lambda amount: ReverseDeduction(ACCOUNT_ID, "ded_1", amount),
    "void": lambda amount: VoidGrant(ACCOUNT_ID, "grt_1", amount),
    "refund": lambda amount: RefundPayment(ACCOUNT_ID, "pi_1", "re_1", amount),
    "open": lambda amount: OpenAccount(ACCOUNT_ID, amount),
    "pay": lambda amount: RecordPayment(ACCOUNT_ID, "pi_1", "stripe", "paid", amount, "eur"),
}
FIELDS = {"refund": "amount_minor", "open": "signup_credits", "pay": "amount_minor"}
MAY_BE_ABSENT = {"capture", "reverse", "void", "refund"}
MAY_BE_ZERO = {"open", "pay"}


@pytest.mark.parametrize("operation", ASKING)
@pytest.mark.parametrize("amount", NOT_AMOUNTS, ids=repr)
def test_what_is_no_amount_is_refused_by_the_name_of_its_field(operation: str, amount: object) -> None:
    if (amount is None and operation in MAY_BE_ABSENT) or (
        type(amount) is int and amount == 0 and operation in MAY_BE_ZERO
    ):
        assert ASKING[operation](amount) == ASKING[operation](amount)
        return
    with pytest.raises(InvalidField) as refused:
        ASKING[operation](amount)
    assert refused.value.code == "validation_failed"
    [error] = refused.value.facts["errors"]
    assert error["field"] == FIELDS.get(operation, "amount")
    assert str(MAX_AMOUNT) in error["message"]


@pytest.mark.parametrize("operation", ASKING)
@pytest.mark.parametrize("amount", [1, MAX_AMOUNT])
def test_the_least_and_the_largest_amount_are_amounts(operation: str, amount: int) -> None:
    command = ASKING[operation](amount)
    assert amount in (getattr(command, name, None) for name in ("amount", "amount_minor", "signup_credits"))


@given(st.integers(1, MAX_AMOUNT), st.integers(1, MAX_AMOUNT))
def test_a_balance_reaches_the_limit_and_never_passes_it(one: int, two: int) -> None:
    journal = Journal()
    journal.carry_out(OpenAccount(ACCOUNT_ID, one))
    told = journal.attempt(GrantCredits(ACCOUNT_ID, "permanent", two))
    assert isinstance(told, Refusal) == (one + two > MAX_AMOUNT)
    room = MAX_AMOUNT - journal.opened.balance.total
    if room:
        journal.carry_out(GrantCredits(ACCOUNT_ID, "subscription", room, lifetime=DAY))
    assert journal.opened.balance.total == MAX_AMOUNT
    assert isinstance(journal.attempt(GrantCredits(ACCOUNT_ID, "permanent", 1)), Refusal)


def test_the_sweeper_s_command_alone_may_come_to_nothing() -> None:
    journal = Journal()
    journal.carry_out(OpenAccount(ACCOUNT_ID, 1))
    assert journal.decide(RecordExpiries(ACCOUNT_ID)) == ()
