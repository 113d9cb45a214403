"""Explanations: what they say adds up by arithmetic of its own, sound histories are sound, and others are not."""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ledger.domain.account import Account
from ledger.domain.commands import (
    CaptureHold,
    ChangeGrantExpiry,
    CloseAccount,
    DeductCredits,
    EraseTexts,
    ExtendHold,
    FreezeAccount,
    GrantCredits,
    NewLimit,
    OpenAccount,
    PlaceHold,
    RecordPayment,
    RefundPayment,
    ReleaseHold,
    ReopenAccount,
    ReverseDeduction,
    SetLimits,
    UnfreezeAccount,
    VoidGrant,
)
from ledger.domain.events import (
    CreditsDeducted,
    CreditsGranted,
    CreditsHeld,
    Event,
    Granted,
    GrantVoided,
    HoldCaptured,
    PaymentRecorded,
)
from ledger.domain.limits import named
from ledger.domain.lots import Draw
from ledger.domain.periods import TimedPeriod
from ledger.domain.pricing.price import Price
from ledger.explain.explaining import explain
from ledger.explain.explanation import MOST_PASSED_OVER, Explanation
from tests.domain.explained import explained, related_events_for
from tests.domain.journal import ACCOUNT_ID, DAY_ZERO, EventIndex, Journal
from tests.domain.purse import Purse
from tests.domain.strategies import DAY, MINUTE, SWEEP, TICK, journals
from tests.long_form import times

many = settings(max_examples=times(40, 80), deadline=None)
NEVER = datetime.max.replace(tzinfo=DAY_ZERO.tzinfo)


# Sound histories ------------------------------------------------------------------------------------------------------


@many
@given(journals())
def test_what_it_says_adds_up(journal: Journal) -> None:
    """Every before and after is what a second reading of the events has there, and every event is sound."""
    purse = Purse()
    holds: dict[str, dict[str, int]] = {}
    last = None
    for _, event, told in explained(journal.events):
        assert told.violations == (), (event, told.violations)
        held_before = sum(purse.held.values())
        open_before = dict(purse.open)
        _check_draws(told, open_before, holds)
        _move_holds(event, holds)
        purse.add(event)
        _check_afters(told, open_before, purse.open)
        assert (told.before.available, told.before.held) == (sum(open_before.values()), held_before)
        assert (told.balance.available, told.balance.held) == (sum(purse.open.values()), sum(purse.held.values()))
        if told.details.hold is not None:
            name = told.details.hold.hold_id
            assert told.details.hold.after == purse.held[name]
        assert told.balance == event.balance
        last = told.after
    assert last == journal.account


def _check_draws(told: Explanation, open_before: dict[str, int], holds: dict[str, dict[str, int]]) -> None:
    for part in told.details.draws:
        source = open_before if part.hold_id is None else holds[part.hold_id]
        assert part.before == source[part.grant_id]
        assert part.after == part.before - part.amount >= 0


def _move_holds(event: Event, holds: dict[str, dict[str, int]]) -> None:
    if isinstance(event, CreditsHeld):
        holds[event.hold_id] = {part.grant_id: part.amount for part in event.draws}
    if isinstance(event, HoldCaptured):
        for part in event.from_hold:
            holds[event.hold_id][part.grant_id] -= part.amount


def _check_afters(told: Explanation, open_before: dict[str, int], open_after: dict[str, int]) -> None:
    """The lots that the explanation names as changed are those that changed, and have what it says."""
    details = told.details
    parts: list[Any] = []
    parts += [*details.draws, *details.returns, *([details.lot] if details.lot else [])]
    first = {part.grant_id: part.before for part in reversed(parts) if _is_lot(part)}
    last = {part.grant_id: part.after for part in parts if _is_lot(part)}
    changed = {name for name in open_after if open_after[name] != open_before.get(name, 0)}
    assert changed <= last.keys()
    assert {name: open_before.get(name, 0) for name in first} == first
    assert {name: open_after[name] for name in last} == last


def _is_lot(part: Any) -> bool:
    return getattr(part, "hold_id", None) is None


@many
@given(journals())
def test_draws_are_told_in_an_order_that_a_plain_sort_finds(journal: Journal) -> None:
    purse = Purse()
    for _, event, told in explained(journal.events):
        if isinstance(event, CreditsDeducted | CreditsHeld):
            order = _plainly_sorted(purse, event.recorded_at)
            drawn = [part.grant_id for part in told.details.draws]
            left = [part.grant_id for part in told.details.passed_over if part.reason == "not_needed"]
            assert [*drawn, *left] == [grant.grant_id for grant in order][: len(drawn) + MOST_PASSED_OVER]
            for index, part in enumerate(told.details.draws):
                assert part.rule == _rule_found(order, index)
                neighbour = order[index - 1 if index else 1].grant_id if len(order) > 1 else "the only open lot"
                assert neighbour in part.why
            held = {(p.hold_id, p.grant_id) for p in told.details.passed_over if p.reason == "held"}
            assert all(purse.held[hold_id or ""] for hold_id, _ in held)
            assert not {part.reason for part in told.details.passed_over} & {"skipped", "expired"}
        purse.add(event)


def _plainly_sorted(purse: Purse, at: datetime) -> list[Granted]:
    grants = [grant for grant, _ in purse.spendable(at)]
    return sorted(grants, key=lambda g: ("sp".index(g.kind[0]), g.expires_at or NEVER, int(g.grant_id.split("_")[1])))


def _rule_found(order: list[Granted], index: int) -> str:
    if len(order) == 1:
        return "only_lot"
    one, other = order[index], order[index - 1 if index else 1]
    if one.kind != other.kind:
        return "subscription_first"
    return "earliest_expiry" if one.expires_at != other.expires_at else "oldest_grant"


# Events that are not what the rules make ------------------------------------------------------------------------------

FREE = {
    *[("DisputeRecorded", name) for name in ("amount_minor", "dispute_id", "state", "reason", "awaits", "changed_by")],
    ("PaymentRecorded", "amount_minor"),
    ("GrantVoided", "uncollected"),
    ("CreditsGranted", "source"),
    ("LimitsSet", "limits"),
    ("LimitsSet", "counts"),
    ("AllowanceSet", "amount"),
    ("UsageMetered", "quantity"),
    ("CreditsDeducted", "uncollected"),
    ("HoldCaptured", "uncollected"),
    ("DeductionReversed", "waived"),
}
FREE |= {("CreditsReceived", name) for name in ("source", "from_grant_id", "origin_grant_id")}
"""What no rule gives, because it is what a caller or another account says."""
WORDS = (["returned", "lapsed", "cancelled"], ["subscription", "permanent"])


def _wrong(value: Any) -> Iterator[Any]:
    """The same with one thing in it changed: a number by one, a time by a tick, a part left out, an id, a fate."""
    if isinstance(value, bool):
        return
    if isinstance(value, int):
        yield from (value + 1, value - 1)
    elif isinstance(value, str):
        yield from (word for words in WORDS if value in words for word in words if word != value)
        if re.fullmatch(r"(grt|ded|hld)_\d+", value):
            yield value[:4] + "999999"
    elif hasattr(value, "_fields"):
        for name in value._fields:
            part = getattr(value, name)
            others = [part + TICK] if isinstance(part, datetime) else _wrong(part)
            yield from (value._replace(**{name: other}) for other in others)
    elif isinstance(value, tuple) and value:
        for index, part in enumerate(value):
            yield from ((*value[:index], other, *value[index + 1 :]) for other in _wrong(part))
        yield from (value[:-1], (*value, value[-1]))


def _is_coming(event: Event) -> bool:
    """Whether an event grants or voids credits that are no part of the balance: their number is what a caller says."""
    match event:
        case CreditsGranted():
            return event.effective_at is not None
        case GrantVoided():
            return bool(event.coming)
        case _:
            return False


def _changed(event: Event) -> Iterator[Event]:
    assert is_dataclass(event)
    for field in fields(event):
        if (type(event).__name__, field.name) not in FREE and not (
            _is_coming(event) and field.name in {"amount", "kind"}
        ):
            value = getattr(event, field.name)
            if isinstance(value, Price):
                yield from (replace(event, **{field.name: other}) for other in _wrong_prices(value))
                continue
            if field.name == "counts" and value:
                value = tuple(named(value))  # with names, so that each of their fields is changed
            yield from (replace(event, **{field.name: other}) for other in _wrong(value))


def _wrong_prices(price: Price) -> Iterator[Any]:
    """Wrong sums, and wrong lines. Of which book a price is, no other event says."""
    yield from (price._replace(credits=price.credits + change) for change in (-1, 1))
    yield price._replace(exact=str(price.credits + 7))
    yield price._replace(lines=price.lines[:-1])
    first, *others = price.lines
    if first.units is not None:  # a flat charge counts none, and its credits are its own
        yield price._replace(lines=(first._replace(units=first.units + 1), *others))


@settings(max_examples=times(20, 40), deadline=None)
@given(journals())
def test_whatever_is_a_little_wrong_is_noticed(journal: Journal) -> None:
    for index, (before, event, _) in enumerate(explained(journal.events)):
        related = related_events_for(event, EventIndex(journal.events[:index]))
        for wrong in _changed(event):
            told = explain(before, wrong, related)
            if isinstance(wrong, PaymentRecorded) and told.sound:  # it lists fewer grants: those that follow tell
                assert not _sound_grants(before, wrong, journal.events, index), wrong
            else:
                assert not told.sound, wrong


def _sound_grants(account: Account | None, paid: PaymentRecorded, events: list[Event], index: int) -> bool:
    """Whether the grants that follow a payment are sound when that is told as `paid`."""
    earlier, sound = events[:index], True
    about = EventIndex(earlier)
    for event in [paid, *events[index + 1 :]]:
        told = explain(account, event, related_events_for(event, about))
        if isinstance(event, CreditsGranted) and event.payment_id == paid.payment_id:
            sound = sound and told.sound
        account = told.after
        earlier.append(event)
    return sound


@many
@given(journals())
def test_draws_and_returns_in_another_order_are_noticed(journal: Journal) -> None:
    for index, (before, event, _) in enumerate(explained(journal.events)):
        for field in fields(event):
            parts = getattr(event, field.name)
            if field.name in {"draws", "from_hold", "from_lots", "returns"} and len({p.grant_id for p in parts}) > 1:
                wrong: Any = replace(event, **{field.name: parts[::-1]})
                told = explain(before, wrong, related_events_for(event, EventIndex(journal.events[:index])))
                named = [one for one in told.violations if " puts " in one or " and continues with " in one]
                assert named, told.violations


@many
@given(journals(), st.data())
def test_an_event_that_is_missing_or_told_twice_is_noticed(journal: Journal, data: st.DataObject) -> None:
    """Not always at once: what is missing may be needed later, or never. But numbers are off from then on."""
    counting = CreditsGranted | CreditsDeducted | CreditsHeld
    counted = [i for i, e in enumerate(journal.events) if isinstance(e, counting) and not _is_coming(e)]
    counted = [i for i in counted if not isinstance(e := journal.events[i], CreditsDeducted) or e.amount]
    assume(counted)
    index = data.draw(st.sampled_from(counted))
    events = journal.events
    without, twice = [*events[:index], *events[index + 1 :]], [*events[: index + 1], *events[index:]]
    if index < len(events) - 1:
        assert not all(told.sound for _, _, told in explained(without))
    assert not all(told.sound for _, _, told in explained(twice))


# One by one -----------------------------------------------------------------------------------------------------------


def opened(*commands: Any) -> Journal:
    """100 permanent credits (grt_2), and subscription credits: 50 for a day (grt_3), 20 for two (grt_4)."""
    journal = Journal()
    journal.carry_out(OpenAccount(ACCOUNT_ID, 100))
    journal.carry_out(GrantCredits(ACCOUNT_ID, "subscription", 50, lifetime=DAY))
    journal.carry_out(GrantCredits(ACCOUNT_ID, "subscription", 20, lifetime=2 * DAY))
    for command in commands:
        journal.carry_out(command)
    return journal


def told_of(journal: Journal, event: Event) -> Explanation:
    """The explanation of an event after a journal."""
    return explain(journal.account, event, related_events_for(event, EventIndex(journal.events)))


def next_event(journal: Journal, command: Any) -> Any:
    """What a command would lead to: its last event."""
    return journal.decide(command)[-1]


def test_a_deduction_says_what_it_drew_and_what_it_left() -> None:
    journal = opened(PlaceHold(ACCOUNT_ID, 5))
    told = told_of(journal, next_event(journal, DeductCredits(ACCOUNT_ID, 60, "task-1")))
    assert told.sentence == "60 credits were deducted as ded_6 for task task-1."
    draws = [(part.grant_id, part.before, part.amount, part.after, part.rule) for part in told.details.draws]
    assert draws == [("grt_3", 45, 45, 0, "earliest_expiry"), ("grt_4", 20, 15, 5, "earliest_expiry")]
    assert [part.why for part in told.details.draws] == [
        "before grt_4, which lapses later",
        "after grt_3, which lapses earlier",
    ]
    left = [(part.grant_id, part.amount, part.reason, part.why) for part in told.details.passed_over]
    assert left == [
        ("grt_2", 100, "not_needed", "not needed, after grt_4: subscription before permanent"),
        ("grt_3", 5, "held", "held by hld_5 until 2026-01-01 00:15:00Z"),
    ]
    assert told.details.passed_over_count == 2
    assert (told.before.available, told.balance.available) == (165, 105)


def test_many_lots_are_counted_and_the_first_are_named() -> None:
    journal = opened(*[GrantCredits(ACCOUNT_ID, "permanent", 1)] * 30)
    told = told_of(journal, next_event(journal, DeductCredits(ACCOUNT_ID, 1)))
    assert (len(told.details.passed_over), told.details.passed_over_count) == (MOST_PASSED_OVER, 32)


def test_a_capture_takes_what_was_held_and_then_what_is_beyond() -> None:
    journal = opened(PlaceHold(ACCOUNT_ID, 60))
    told = told_of(journal, next_event(journal, CaptureHold(ACCOUNT_ID, "hld_5", 75, on_excess="draw")))
    draws = [(part.grant_id, part.hold_id, part.before, part.after, part.rule) for part in told.details.draws]
    assert draws == [
        ("grt_3", "hld_5", 50, 0, "as_held"),
        ("grt_4", "hld_5", 10, 0, "as_held"),
        ("grt_4", None, 10, 0, "subscription_first"),
        ("grt_2", None, 100, 95, "subscription_first"),
    ]
    assert told.details.why[1] == "15 credits beyond the hold came from the available credits, in burn order."
    assert told.sound


def test_a_reversal_says_why_it_goes_backwards_and_what_is_lost() -> None:
    journal = opened(DeductCredits(ACCOUNT_ID, 75))
    journal.now += DAY
    journal.carry_out(SWEEP)
    told = told_of(journal, next_event(journal, ReverseDeduction(ACCOUNT_ID, "ded_5")))
    returns = [(part.grant_id, part.before, part.amount, part.after, part.fate) for part in told.details.returns]
    assert returns == [
        ("grt_2", 95, 5, 100, "returned"),
        ("grt_4", 0, 20, 20, "returned"),
        ("grt_3", 0, 50, 0, "lapsed"),
    ]
    assert told.sentence == "75 credits of deduction ded_5 were reversed; of these, 50 lapsed at once."
    assert told.details.why == (
        "A reversal returns credits in the opposite order of the draws: the last draw comes back first.",
    )


def _misdrawn(journal: Journal, *draws: Draw) -> CreditsDeducted:
    """A deduction with other draws than it should have, and the balance that they would leave."""
    right = next_event(journal, DeductCredits(ACCOUNT_ID, sum(part.amount for part in draws)))
    assert isinstance(right, CreditsDeducted)
    return replace(right, draws=draws)


SOON, LATER = DAY_ZERO + DAY, DAY_ZERO + 2 * DAY
OUT_OF_ORDER = {
    "permanent first": (
        (Draw("grt_2", "permanent", 10, None),),
        "the burn order puts grt_3 next, but the event names grt_2: subscription before permanent",
    ),
    "later expiry first": (
        (Draw("grt_4", "subscription", 10, LATER),),
        "the burn order puts grt_3 next, but the event names grt_4: the earliest expiry first, none last",
    ),
    "one skipped": (
        (Draw("grt_3", "subscription", 50, SOON), Draw("grt_2", "permanent", 10, None)),
        "the burn order puts grt_4 next, but the event names grt_2: subscription before permanent",
    ),
    "one not used up": (
        (Draw("grt_3", "subscription", 40, SOON), Draw("grt_4", "subscription", 10, LATER)),
        "the event leaves 10 of grt_3 and continues with grt_4",
    ),
    "more than there was": (
        (Draw("grt_3", "subscription", 51, SOON),),
        "the event has 51 of grt_3, but there were only 50",
    ),
    "a lot that is not there": (
        (Draw("grt_9", "subscription", 10, SOON),),
        "the burn order puts grt_3 next, but the event names grt_9",
    ),
}


@pytest.mark.parametrize("name", OUT_OF_ORDER)
def test_a_deduction_out_of_order_is_told_with_the_rule_that_it_breaks(name: str) -> None:
    draws, violation = OUT_OF_ORDER[name]
    journal = opened()
    told = told_of(journal, _misdrawn(journal, *draws))
    assert violation in told.violations
    if name == "one skipped":
        assert [part.grant_id for part in told.details.passed_over if part.reason == "skipped"] == ["grt_4"]


def test_credits_spent_after_their_expiry_are_told() -> None:
    journal = opened()
    late = replace(_misdrawn(journal, Draw("grt_3", "subscription", 10, SOON)), recorded_at=SOON)
    told = told_of(journal, late)
    assert "the burn order puts grt_4 next, but the event names grt_3" in " ".join(told.violations)
    assert "an expiry that was due at 2026-01-02 00:00:00Z is not recorded before this event" in told.violations
    assert told.details.passed_over[0].reason == "expired"


PAID = RecordPayment(
    ACCOUNT_ID, "pi_1", "stripe", "paid", 100, "eur", grants=(GrantCredits(ACCOUNT_ID, "permanent", 10),)
)
HOLD = PlaceHold(ACCOUNT_ID, 5, 2 * DAY)
GRANT = GrantCredits(ACCOUNT_ID, "subscription", 5, lifetime=DAY)
AT_ONCE = timedelta(0)
SHORT = DeductCredits(ACCOUNT_ID, 200, on_shortfall="available")
MOVED = ChangeGrantExpiry(ACCOUNT_ID, "grt_3", DAY_ZERO + 9 * DAY)
REFUND = RefundPayment(ACCOUNT_ID, "pi_1", "re_1", 40)

WRONG: list[tuple[list[Any], timedelta, Any, dict[str, Any], str]] = [
    ([], AT_ONCE, GRANT, {"expires_at": DAY_ZERO}, "the expiry had passed when the event was recorded"),
    ([], AT_ONCE, GRANT, {"kind": "permanent"}, "permanent credits do not lapse, but these have an expiry"),
    ([], AT_ONCE, GRANT, {"amount": 0}, "0 is not a valid amount"),
    ([], AT_ONCE, GRANT, {"grant_id": "grt_6"}, "the event makes grt_6, but its version is 5"),
    ([], AT_ONCE, HOLD, {"expires_at": DAY_ZERO}, "the expiry had passed when the event was recorded"),
    (
        [],
        DAY,
        SWEEP,
        {"effective_at": SOON - TICK},
        "grt_3 lapses at 2026-01-02 00:00:00Z, not at 2026-01-01 23:59:59.999999Z",
    ),
    ([], DAY, SWEEP, {"grant_id": "grt_2"}, "grt_2 lapses never, not at 2026-01-02 00:00:00Z"),
    ([], DAY, SWEEP, {"grant_id": "grt_9"}, "there is no open lot grt_9"),
    ([], DAY, SWEEP, {"amount": 49}, "50 subscription remained, but the event records 49 subscription"),
    (
        [],
        DAY,
        SWEEP,
        {"recorded_at": SOON - TICK},
        "the event takes effect at 2026-01-02 00:00:00Z, after it was recorded",
    ),
    ([], 2 * DAY, SWEEP, {}, "another lot or hold expired earlier, at 2026-01-02 00:00:00Z"),
    (
        [PlaceHold(ACCOUNT_ID, 5, MINUTE)],
        MINUTE,
        SWEEP,
        {"effective_at": DAY_ZERO},
        "the hold lasts until 2026-01-01 00:01:00Z, not 2026-01-01 00:00:00Z",
    ),
    (
        [HOLD],
        DAY / 2,
        ExtendHold(ACCOUNT_ID, "hld_5", 2 * DAY),
        {"expires_at": SOON},
        "the event ends the hold earlier than before",
    ),
    ([HOLD], AT_ONCE, ExtendHold(ACCOUNT_ID, "hld_5", DAY), {"hold_id": "hld_4"}, "there is no open hold hld_4"),
    (
        [],
        AT_ONCE,
        VoidGrant(ACCOUNT_ID, "grt_3"),
        {"kind": "permanent"},
        "grt_3 is subscription, but the event records permanent",
    ),
    ([], AT_ONCE, VoidGrant(ACCOUNT_ID, "grt_3"), {"grant_id": "grt_9"}, "there is no earlier grant grt_9"),
    ([], AT_ONCE, VoidGrant(ACCOUNT_ID, "grt_3"), {"amount": 49}, "the event leaves 1 that it should have taken"),
    (
        [],
        AT_ONCE,
        VoidGrant(ACCOUNT_ID, "grt_3", 9),
        {"uncollected": 1},
        "the event leaves 41 that it should have taken",
    ),
    ([], AT_ONCE, VoidGrant(ACCOUNT_ID, "grt_3"), {"amount": 51}, "the event takes 51, but 50 remained"),
    ([], AT_ONCE, SHORT, {"uncollected": None, "amount": 0, "draws": ()}, "0 is not a valid amount"),
    ([], AT_ONCE, SHORT, {"uncollected": 0}, "0 is not a valid amount of uncollected credits"),
    (
        [],
        AT_ONCE,
        DeductCredits(ACCOUNT_ID, 9),
        {"uncollected": 1},
        "credits are uncollected, but 161 were left",
    ),
    (
        [SHORT],
        AT_ONCE,
        ReverseDeduction(ACCOUNT_ID, "ded_5", 40),
        {"waived": 29},
        "30 were uncollected, but the event waives 29",
    ),
    (
        [SHORT],
        AT_ONCE,
        ReverseDeduction(ACCOUNT_ID, "ded_5", 4),
        {"waived": None},
        "nothing comes back, and nothing is waived",
    ),
    (
        [HOLD],
        AT_ONCE,
        CaptureHold(ACCOUNT_ID, "hld_5", 4),
        {"uncollected": 1, "final": False, "returns": ()},
        "credits are uncollected, but the hold has not ended",
    ),
    ([], AT_ONCE, MOVED, {"grant_id": "grt_9"}, "there is no earlier grant grt_9"),
    ([], AT_ONCE, MOVED, {"kind": "permanent"}, "grt_3 is subscription, but the event records permanent"),
    (
        [],
        AT_ONCE,
        MOVED,
        {"previous_expires_at": None},
        "the lot lapses at 2026-01-02 00:00:00Z, but the event records that it does not lapse",
    ),
    ([], AT_ONCE, MOVED, {"reinstated": 1}, "0 had lapsed, but the event reinstates 1"),
    ([], AT_ONCE, MOVED, {"expires_at": None}, "the lot has subscription credits, but now it does not lapse"),
    ([], AT_ONCE, MOVED, {"expires_at": DAY_ZERO}, "the expiry had passed when the event was recorded"),
    (
        [VoidGrant(ACCOUNT_ID, "grt_4")],
        AT_ONCE,
        MOVED,
        {"grant_id": "grt_4"},
        "grant grt_4 is closed: nothing comes back to it",
    ),
    (
        [PAID],
        AT_ONCE,
        RecordPayment(ACCOUNT_ID, "pi_2", "stripe", "failed", 1, "eur"),
        {"payment_id": "pi_1"},
        "payment pi_1 was recorded before",
    ),
    (
        [],
        AT_ONCE,
        RecordPayment(ACCOUNT_ID, "pi_2", "stripe", "paid", 1, "eur"),
        {"grant_id": "grt_9"},
        "the payment buys grt_9, which is not the next event",
    ),
    ([PAID], AT_ONCE, REFUND, {"refunded_minor": 39}, "the event records 39 as refunded in total, but the sum is 40"),
    (
        [PAID],
        AT_ONCE,
        REFUND,
        {"amount_minor": 101, "refunded_minor": 101},
        "101 were refunded, but only 100 were paid",
    ),
    ([PAID], AT_ONCE, REFUND, {"payment_id": "pi_9"}, "there is no earlier payment pi_9"),
    (
        [DeductCredits(ACCOUNT_ID, 9)],
        AT_ONCE,
        ReverseDeduction(ACCOUNT_ID, "ded_5"),
        {"deduction_id": "ded_4"},
        "there is no earlier deduction ded_4",
    ),
    (
        [DeductCredits(ACCOUNT_ID, 9)],
        AT_ONCE,
        ReverseDeduction(ACCOUNT_ID, "ded_5"),
        {"amount": 8},
        "the event records 8 credits, but 9 come back",
    ),
]
"""What came before, how long ago, a command, what is changed in the event that it leads to, what is said of that."""


@pytest.mark.parametrize(("before", "length", "command", "changes", "violation"), WRONG, ids=lambda value: None)
def test_what_breaks_a_rule_is_told_in_words(
    before: list[Any], length: timedelta, command: Any, changes: dict[str, Any], violation: str
) -> None:
    journal = opened(*before)
    journal.now += length
    decided = journal.decide(command)
    event: Any = next((e for e in decided if {*changes} <= {f.name for f in fields(e)}), decided[0])
    if not changes:  # the last thing that ended, without those before it
        event = decided[-1]
    told = told_of(journal, replace(event, **changes))
    assert violation in told.violations


def test_a_shortfall_is_told_and_so_is_what_is_waived() -> None:
    journal = opened(SHORT)
    short = told_of(opened(), journal.events[-1])
    assert short.sound
    assert short.sentence == "170 credits were deducted as ded_5; 30 more were asked for, but were not available."
    waiver = next_event(journal, ReverseDeduction(ACCOUNT_ID, "ded_5", 1))
    assert told_of(journal, waiver).sentence == "1 that deduction ded_5 could not collect is waived."
    whole = next_event(journal, ReverseDeduction(ACCOUNT_ID, "ded_5"))
    assert told_of(journal, whole).sentence == (
        "30 that deduction ded_5 could not collect are waived, and 170 credits of it were reversed."
    )
    assert told_of(journal, waiver).sound
    assert told_of(journal, whole).sound


def test_a_changed_expiry_says_what_follows_it() -> None:
    journal = opened(DeductCredits(ACCOUNT_ID, 8))
    journal.now += DAY
    journal.carry_out(SWEEP)
    silent = replace(next_event(journal, replace(MOVED, reinstate=True)), reinstated=0)
    assert "42 had lapsed, but the event reinstates 0" in told_of(journal, silent).violations
    journal.carry_out(replace(MOVED, reinstate=True))
    lapse, changed = (told for _, _, told in list(explained(journal.events))[-2:])
    assert lapse.sentence == "42 subscription credits of grt_3 lapsed at 2026-01-02 00:00:00Z, unspent."
    assert changed.sentence == (
        "Grant grt_3 lapses at 2026-01-10 00:00:00Z instead of at 2026-01-02 00:00:00Z: "
        "42 subscription credits were reinstated, which had lapsed."
    )
    assert changed.sound
    assert (changed.details.lot.before, changed.details.lot.after) == (0, 42)  # type: ignore[union-attr]
    reversed_ = told_of(journal, next_event(journal, ReverseDeduction(ACCOUNT_ID, "ded_5")))
    assert reversed_.sound
    assert [(part.fate, part.after) for part in reversed_.details.returns] == [("returned", 50)]
    again = next_event(journal, replace(MOVED, reinstate=True))
    assert told_of(journal, again).sentence == "Grant grt_3 lapses at 2026-01-10 00:00:00Z, as before."


def test_what_comes_back_at_the_very_end_of_its_lot_lapses() -> None:
    journal = opened(PlaceHold(ACCOUNT_ID, 60, 3 * DAY))
    journal.now = SOON
    released = next_event(journal, ReleaseHold(ACCOUNT_ID, "hld_5"))
    right = told_of(journal, released)
    assert [(part.grant_id, part.fate, part.after) for part in right.details.returns] == [
        ("grt_3", "lapsed", 0),
        ("grt_4", "returned", 20),
    ]
    assert right.sound
    assert right.sentence == "Hold hld_5 was released: 60 credits came back; of these, 50 lapsed at once."
    forgotten = told_of(journal, replace(released, returns=released.returns[1:]))
    assert "60 were left in the hold, but 10 come back" in forgotten.violations


def test_a_capture_that_breaks_a_rule_of_holds() -> None:
    journal = opened(PlaceHold(ACCOUNT_ID, 60))
    right = next_event(journal, CaptureHold(ACCOUNT_ID, "hld_5", 70, on_excess="draw"))
    sooner = told_of(journal, replace(right, from_hold=right.from_hold[:1], final=False, amount=60))
    assert "the event draws from lots, but 10 of the hold are left" in sooner.violations
    whole = next_event(journal, CaptureHold(ACCOUNT_ID, "hld_5"))
    ended = "the event leaves nothing in the hold, but does not end it"
    assert told_of(journal, replace(whole, final=False)).violations[0] == ended
    part = next_event(journal, CaptureHold(ACCOUNT_ID, "hld_5", 1, final=False))
    assert told_of(journal, part).sound
    rest = next_event(journal, CaptureHold(ACCOUNT_ID, "hld_5", 1))
    assert ended in told_of(journal, replace(rest, final=False)).violations


def test_an_expiry_tells_the_counts_of_windows_that_are_open_when_it_is_recorded() -> None:
    limits = NewLimit("hour", 100, period=TimedPeriod(3600)), NewLimit("all", 100)
    journal = opened(SetLimits(ACCOUNT_ID, "plan", limits), PlaceHold(ACCOUNT_ID, 5, timedelta(minutes=1)))
    for wait, counted in ((5 * MINUTE, ["hour", "all"]), (timedelta(hours=2), ["all"])):  # it takes effect in both
        journal.now = DAY_ZERO + wait
        right = next_event(journal, SWEEP)
        assert [(one.limit_id, one.used) for one in named(right.counts)] == [(name, 0) for name in counted]
        told = told_of(journal, right)
        assert told.sound
        assert [(count.limit_id, count.before, count.after) for count in told.details.counts] == [
            (name, 5, 0) for name in counted
        ]
        first, *rest = right.counts
        assert not told_of(journal, replace(right, counts=tuple(rest) or None)).sound
        assert not told_of(journal, replace(right, counts=((*first[:2], 1, *first[3:]), *rest))).sound


def test_what_no_stream_may_have() -> None:
    journal = opened(PlaceHold(ACCOUNT_ID, 5))
    spending = next_event(journal, DeductCredits(ACCOUNT_ID, 1))
    opening, first_grant = journal.events[:2]
    assert explain(None, first_grant).violations[0] == "the first event of a stream must be AccountOpened"
    assert explain(None, first_grant).after is None
    assert (
        "the account was already open" in told_of(journal, replace(opening, balance=journal.opened.balance)).violations
    )
    early = told_of(journal, replace(spending, recorded_at=DAY_ZERO - TICK))
    assert early.violations == ("the previous event was recorded later, at 2026-01-01 00:00:00Z",)
    journal.carry_out(FreezeAccount(ACCOUNT_ID))
    frozen = told_of(journal, replace(spending, deduction_id="ded_7"))
    assert frozen.violations == (
        "the account was frozen, and a frozen account refuses deductions, holds, extensions and transfers",
    )
    captured = next_event(journal, CaptureHold(ACCOUNT_ID, "hld_5"))
    assert told_of(journal, captured).sound
    journal.carry_out(UnfreezeAccount(ACCOUNT_ID))
    journal.carry_out(CloseAccount(ACCOUNT_ID))
    closed = told_of(journal, replace(spending, deduction_id="ded_9"))
    assert closed.violations == (
        "the account was closed, and a closed account accepts only what returns or cancels credits, "
        "and payments that grant nothing",
    )
    assert told_of(journal, next_event(journal, VoidGrant(ACCOUNT_ID, "grt_2"))).sound
    assert told_of(journal, next_event(journal, RecordPayment(ACCOUNT_ID, "pi_1", "stripe", "paid", 5, "eur"))).sound
    reopened = next_event(journal, ReopenAccount(ACCOUNT_ID))
    assert told_of(journal, reopened).sound
    assert told_of(journal, next_event(journal, ReleaseHold(ACCOUNT_ID, "hld_5"))).sound
    assert told_of(journal, next_event(journal, EraseTexts(ACCOUNT_ID))).sound
    journal.carry_out(ReopenAccount(ACCOUNT_ID))
    assert told_of(journal, reopened).sound
    journal.carry_out(FreezeAccount(ACCOUNT_ID))
    assert told_of(journal, reopened).violations == (
        "the account was frozen, and a frozen account is unfrozen, not reopened",
    )


def test_nobody_can_go_on_from_an_event_about_what_is_not_there() -> None:
    journal = opened(PlaceHold(ACCOUNT_ID, 5))
    lost = told_of(journal, replace(next_event(journal, ReleaseHold(ACCOUNT_ID, "hld_5")), hold_id="hld_9"))
    assert lost.violations == ("there is no open hold hld_9", "the event cannot be applied: KeyError: 'hld_9'")
    assert lost.after is None


def test_a_wrong_event_answers_for_itself_alone() -> None:
    """Those after it are judged on the account that it left, so that one is found and not all."""
    journal = opened(DeductCredits(ACCOUNT_ID, 1), DeductCredits(ACCOUNT_ID, 2), DeductCredits(ACCOUNT_ID, 3))
    events = list(journal.events)
    wrong: Any = events[4]
    events[4] = replace(wrong, balance=wrong.balance._replace(permanent=99))
    for index in (5, 6):
        later: Any = events[index]
        events[index] = replace(later, balance=later.balance._replace(permanent=99))
    assert [told.version for _, _, told in explained(events) if not told.sound] == [5]
