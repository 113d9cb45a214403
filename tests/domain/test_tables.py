"""The tricky decisions, one table each: which lots pay, where credits go back to, and what happens at a limit.

The scenarios tell the story; here are the events' own fields, for every way in which a small case can come out.
"""

from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from datetime import datetime, timedelta

import pytest

from ledger.domain.account import Account, fold
from ledger.domain.amounts import MAX_AMOUNT, Balance, Kind
from ledger.domain.commands import (
    CaptureHold,
    Command,
    DeductCredits,
    ExtendHold,
    GrantCredits,
    OpenAccount,
    PlaceHold,
    RecordExpiries,
    RecordPayment,
    RefundPayment,
    ReleaseHold,
    ReverseDeduction,
    VoidGrant,
)
from ledger.domain.decisions.decider import decide
from ledger.domain.decisions.expiry import apply_due_expiries
from ledger.domain.errors import (
    BalanceLimitExceeded,
    DrawsLimitExceeded,
    HoldHasExpired,
    InsufficientCredits,
    InvalidField,
    OpenHoldsLimitExceeded,
    OpenLotsLimitExceeded,
    RefundAlreadyRecorded,
)
from ledger.domain.events import (
    CreditsDeducted,
    CreditsExpired,
    DeductionReversed,
    GrantVoided,
    HoldCaptured,
    HoldExpired,
    HoldReleased,
    PaymentRefunded,
)
from ledger.domain.holds import LONGEST_HOLD, NO_HOLDS, Hold, Holds, Returns, with_fate
from ledger.domain.lots import (
    MAX_DRAWS,
    MAX_OPEN_LOTS,
    NO_LOTS,
    Draw,
    Draws,
    Lot,
    Lots,
    draw,
    first_expiry,
    put_all,
    take,
)
from tests.domain.journal import ACCOUNT_ID, DAY_ZERO, Journal
from tests.domain.strategies import DAY, MINUTE, SECOND, TICK

SHORT, LONG = DAY_ZERO + DAY, DAY_ZERO + 30 * DAY


def three_lots() -> Journal:
    """grt_2: 10 until SHORT. grt_3: 20 until LONG. grt_4: 40 for ever."""
    journal = Journal()
    journal.carry_out(OpenAccount(ACCOUNT_ID))
    journal.carry_out(GrantCredits(ACCOUNT_ID, "subscription", 10, expires_at=SHORT))
    journal.carry_out(GrantCredits(ACCOUNT_ID, "subscription", 20, expires_at=LONG))
    journal.carry_out(GrantCredits(ACCOUNT_ID, "permanent", 40))
    return journal


def drawn(draws: Draws) -> str:
    return " ".join(f"{part.grant_id[4:]}:{part.amount}" for part in draws)


def returned(returns: Returns) -> str:
    return " ".join(f"{part.grant_id[4:]}:{part.amount}:{part.fate}" for part in returns)


# One capture of a hold of 50: 2:10 3:20 4:20, with 4:20 left over ---------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "from_hold", "from_lots", "back"),
    [
        (1, "2:1", "", "2:9:returned 3:20:returned 4:20:returned"),
        (10, "2:10", "", "3:20:returned 4:20:returned"),
        (11, "2:10 3:1", "", "3:19:returned 4:20:returned"),
        (30, "2:10 3:20", "", "4:20:returned"),
        (49, "2:10 3:20 4:19", "", "4:1:returned"),
        (50, "2:10 3:20 4:20", "", ""),
        (None, "2:10 3:20 4:20", "", ""),
        (51, "2:10 3:20 4:20", "4:1", ""),
        (70, "2:10 3:20 4:20", "4:20", ""),
    ],
)
def test_a_capture_spends_a_hold_from_its_first_draw_on(
    amount: int | None, from_hold: str, from_lots: str, back: str
) -> None:
    journal = three_lots()
    journal.carry_out(PlaceHold(ACCOUNT_ID, 50))
    [event] = journal.carry_out(CaptureHold(ACCOUNT_ID, "hld_5", amount, on_excess="draw"))
    assert isinstance(event, HoldCaptured)
    assert (drawn(event.from_hold), drawn(event.from_lots), returned(event.returns)) == (
        from_hold,
        from_lots,
        back,
    )
    assert event.draws == event.from_hold + event.from_lots
    assert event.amount == (amount or 50)
    assert event.final
    assert event.balance == Balance(
        30 - sum(part.amount for part in event.draws if part.kind == "subscription"),
        40 - sum(part.amount for part in event.draws if part.kind == "permanent"),
        0,
        next((lot.expires_at for lot in journal.opened.lots), None),
    )


@pytest.mark.parametrize(
    ("amounts", "draws", "left"),
    [
        ((1, 1, 1), ("2:1", "2:1", "2:1"), "2:7 3:20 4:20"),
        ((10, 20, 19), ("2:10", "3:20", "4:19"), "4:1"),
        ((9, 2, 20), ("2:9", "2:1 3:1", "3:19 4:1"), "4:19"),
        ((25, 24), ("2:10 3:15", "3:5 4:19"), "4:1"),
    ],
)
def test_captures_that_are_not_final_go_on_where_the_last_one_stopped(
    amounts: tuple[int, ...], draws: tuple[str, ...], left: str
) -> None:
    journal = three_lots()
    journal.carry_out(PlaceHold(ACCOUNT_ID, 50))
    for amount, expected in zip(amounts, draws, strict=True):
        [event] = journal.carry_out(CaptureHold(ACCOUNT_ID, "hld_5", amount, final=False))
        assert isinstance(event, HoldCaptured)
        assert (drawn(event.draws), event.returns, event.final) == (expected, (), False)
    assert drawn(journal.opened.holds["hld_5"].draws) == left
    assert journal.opened.balance.held == 50 - sum(amounts)


def test_a_capture_that_uses_the_hold_up_is_final_whatever_it_says() -> None:
    journal = three_lots()
    journal.carry_out(PlaceHold(ACCOUNT_ID, 50))
    [event] = journal.carry_out(CaptureHold(ACCOUNT_ID, "hld_5", 55, final=False, on_excess="draw"))
    assert isinstance(event, HoldCaptured)
    assert event.final
    assert not journal.opened.holds


def test_a_capture_keeps_what_the_hold_was_for() -> None:
    journal = three_lots()
    journal.carry_out(PlaceHold(ACCOUNT_ID, 50, task_id="task-1", description="a picture"))
    [event] = journal.carry_out(CaptureHold(ACCOUNT_ID, "hld_5", usage={"model": "m", "input_tokens": 3}))
    assert isinstance(event, HoldCaptured)
    assert (event.task_id, event.description) == ("task-1", "a picture")
    assert event.usage == {"model": "m", "input_tokens": 3}


# Reversals of one deduction of 50: 2:10 3:20 4:20 ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amounts", "backs"),
    [
        ((50,), ("4:20:returned 3:20:returned 2:10:returned",)),
        ((20, 20, 10), ("4:20:returned", "3:20:returned", "2:10:returned")),
        ((1, 20, 28), ("4:1:returned", "4:19:returned 3:1:returned", "3:19:returned 2:9:returned")),
        (
            (19, 2, 28, 1),
            (
                "4:19:returned",
                "4:1:returned 3:1:returned",
                "3:19:returned 2:9:returned",
                "2:1:returned",
            ),
        ),
        ((45, None), ("4:20:returned 3:20:returned 2:5:returned", "2:5:returned")),
    ],
)
def test_reversals_go_back_from_the_last_draw_to_the_first(
    amounts: tuple[int | None, ...], backs: tuple[str, ...]
) -> None:
    journal = three_lots()
    journal.carry_out(DeductCredits(ACCOUNT_ID, 50))
    for amount, expected in zip(amounts, backs, strict=True):
        [event] = journal.carry_out(ReverseDeduction(ACCOUNT_ID, "ded_5", amount))
        assert isinstance(event, DeductionReversed)
        assert returned(event.returns) == expected
        assert event.amount == sum(part.amount for part in event.returns)


# What becomes of 2:10 3:20 4:20 when it comes back: by when, and which grants were closed ---------------------------


@pytest.mark.parametrize("way", ["release", "expire", "reverse"])
@pytest.mark.parametrize(
    ("at", "closed", "fates"),
    [
        (SHORT - TICK, "", ["returned", "returned", "returned"]),
        (SHORT, "", ["lapsed", "returned", "returned"]),
        (SHORT - TICK, "grt_2", ["cancelled", "returned", "returned"]),
        (SHORT, "grt_2", ["cancelled", "returned", "returned"]),
        (SHORT, "grt_3", ["lapsed", "cancelled", "returned"]),
        (SHORT, "grt_4", ["lapsed", "returned", "cancelled"]),
        (LONG - TICK, "", ["lapsed", "returned", "returned"]),
        (LONG, "", ["lapsed", "lapsed", "returned"]),
        (LONG, "grt_4", ["lapsed", "lapsed", "cancelled"]),
    ],
)
def test_what_comes_back_meets_its_fate_at_once(way: str, at: datetime, closed: str, fates: list[str]) -> None:
    journal = three_lots()
    journal.carry_out(DeductCredits(ACCOUNT_ID, 50) if way == "reverse" else PlaceHold(ACCOUNT_ID, 50, DAY - TICK))
    if closed:
        journal.carry_out(VoidGrant(ACCOUNT_ID, closed))
    if way != "reverse":
        extend_until(journal, at if way == "expire" else at + SECOND)
    before = journal.opened.balance.total
    journal.now = at
    journal.carry_out(WAYS_BACK[way])
    [event] = [each for each in journal.events if isinstance(each, WAYS)]
    returns = event.returns[::-1] if way == "reverse" else event.returns
    assert [(part.grant_id, part.amount, part.fate) for part in returns] == [
        ("grt_2", 10, fates[0]),
        ("grt_3", 20, fates[1]),
        ("grt_4", 20, fates[2]),
    ]
    came_back = sum(part.amount for part in returns if part.fate == "returned")
    after = journal.opened.balance
    assert after.held == 0
    assert after.total == (before + came_back if way == "reverse" else before - 50 + came_back)


WAYS = HoldReleased | HoldExpired | DeductionReversed
WAYS_BACK: dict[str, Command] = {
    "release": ReleaseHold(ACCOUNT_ID, "hld_5"),
    "expire": RecordExpiries(ACCOUNT_ID),
    "reverse": ReverseDeduction(ACCOUNT_ID, "ded_5"),
}


def extend_until(journal: Journal, end: datetime) -> None:
    """Keep the hold going until just then."""
    while (expires_at := journal.opened.holds["hld_5"].expires_at) < end:
        journal.now = expires_at - SECOND
        journal.carry_out(ExtendHold(ACCOUNT_ID, "hld_5", min(end - journal.now, LONGEST_HOLD), timedelta(days=90)))


# Refunds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paid", "bought", "refunds", "voided"),
    [
        (300, 100, [100, 100, 100], [33, 33, 34]),
        (3, 2, [1, 1, 1], [None, 1, 1]),
        (7, 1, [3, 3, 1], [None, None, 1]),
        (1000, 3, [333, 333, 334], [None, 1, 2]),
        (1, 1000, [1], [1000]),
        (2**53 - 1, 2**53 - 1, [1, 2**53 - 2], [1, 2**53 - 2]),
        (2**53 - 1, 10, [2**52, 2**52 - 1], [5, 5]),
    ],
)
def test_refunds_void_in_proportion_and_come_out_even(
    paid: int, bought: int, refunds: list[int], voided: list[int | None]
) -> None:
    journal = Journal()
    journal.carry_out(OpenAccount(ACCOUNT_ID))
    grant = GrantCredits(ACCOUNT_ID, "permanent", bought)
    journal.carry_out(RecordPayment(ACCOUNT_ID, "pi_1", "stripe", "paid", paid, "eur", grants=(grant,)))
    taken: list[int | None] = []
    for number, cents in enumerate(refunds):
        events = journal.carry_out(RefundPayment(ACCOUNT_ID, "pi_1", f"re_{number}", cents))
        voids = [event for event in events if isinstance(event, GrantVoided)]
        assert all(void.uncollected == 0 for void in voids)
        assert [void.closed for void in voids if void.closed] == [True] * (number == len(refunds) - 1)
        taken.append(voids[0].amount if voids else None)
    assert taken == voided
    assert journal.opened.balance.total == 0


@pytest.mark.parametrize(
    ("totals", "amounts"),
    [
        ([400, 1_000], [400, 600]),
        ([1_000, 400], [1_000, None]),
        ([400, 400, 700], [400, None, 300]),
        ([2_000], [1_000]),
    ],
)
def test_a_refund_up_to_a_total_takes_what_is_missing(totals: list[int], amounts: list[int | None]) -> None:
    """Providers tell how much was refunded in all: a total that comes late, or twice, refunds nothing."""
    journal = Journal()
    journal.carry_out(OpenAccount(ACCOUNT_ID))
    grant = GrantCredits(ACCOUNT_ID, "permanent", 500)
    journal.carry_out(RecordPayment(ACCOUNT_ID, "pi_1", "stripe", "paid", 1_000, "eur", grants=(grant,)))
    for number, (total, amount) in enumerate(zip(totals, amounts, strict=True)):
        command = RefundPayment(ACCOUNT_ID, "pi_1", f"total-{number}", total_minor=total)
        if amount is None:
            with pytest.raises(RefundAlreadyRecorded):
                journal.carry_out(command)
        else:
            refunded, *_ = journal.carry_out(command)
            assert isinstance(refunded, PaymentRefunded)
            assert refunded.amount_minor == amount
    assert journal.opened.balance.total == 500 - sum(amount or 0 for amount in amounts) // 2


def test_a_refund_is_of_an_amount_or_up_to_a_total() -> None:
    for amount, total in ((1, 1), (None, 0)):
        with pytest.raises(InvalidField):
            RefundPayment(ACCOUNT_ID, "pi_1", "re_1", amount, total_minor=total)


def test_a_refund_that_finds_the_credits_spent_takes_no_others() -> None:
    journal = three_lots()
    grant = GrantCredits(ACCOUNT_ID, "subscription", 100, expires_at=SHORT - SECOND)
    journal.carry_out(RecordPayment(ACCOUNT_ID, "pi_1", "stripe", "paid", 10, "eur", grants=(grant,)))
    journal.carry_out(DeductCredits(ACCOUNT_ID, 90))
    refunded, void = journal.carry_out(RefundPayment(ACCOUNT_ID, "pi_1", "re_1", 5))
    assert isinstance(void, GrantVoided)
    assert (void.amount, void.uncollected, void.closed) == (10, 40, False)
    assert (refunded.balance.total, void.balance.total) == (80, 70)
    assert [lot.remaining for lot in journal.opened.lots] == [10, 20, 40]


# Limits -------------------------------------------------------------------------------------------------------------


def test_a_thousand_draws_and_not_one_more() -> None:
    journal = Journal()
    journal.carry_out(OpenAccount(ACCOUNT_ID, 1))
    for _ in range(MAX_DRAWS):
        journal.carry_out(GrantCredits(ACCOUNT_ID, "permanent", 2))
    fits = 1 + 2 * (MAX_DRAWS - 1)
    for command in (DeductCredits(ACCOUNT_ID, fits + 1), PlaceHold(ACCOUNT_ID, fits + 1)):
        with pytest.raises(DrawsLimitExceeded, match=f"at most {fits} credits fit") as refused:
            journal.carry_out(command)
        assert refused.value.facts == {"limit": 1_000, "covered": fits}
    journal.carry_out(PlaceHold(ACCOUNT_ID, 1))
    [event] = journal.carry_out(DeductCredits(ACCOUNT_ID, 2 * MAX_DRAWS))
    assert isinstance(event, CreditsDeducted)
    assert len(event.draws) == MAX_DRAWS
    assert not journal.opened.lots


def with_lots(count: int, kind: Kind = "permanent") -> Account:
    """An account with that many lots of one credit each, one per second if they end."""
    opened = fold(decide(OpenAccount(ACCOUNT_ID), None, DAY_ZERO))
    assert opened is not None
    lots = Lots.of(
        Lot(f"grt_{number}", kind, 1, SHORT + number * SECOND if kind == "subscription" else None)
        for number in range(2, count + 2)
    )
    balance = Balance(0, count, 0, None)
    if kind == "subscription":
        balance = Balance(count, 0, 0, first_expiry(lots))
    return replace(opened, version=count + 1, lots=lots, balance=balance)


@pytest.mark.parametrize("kind", ["subscription", "permanent"])
def test_ten_thousand_lots_and_not_one_more(kind: Kind) -> None:
    grant = GrantCredits(ACCOUNT_ID, kind, 1)
    last = fold(decide(grant, with_lots(9_999, kind), DAY_ZERO), with_lots(9_999, kind))
    assert last is not None
    assert len(last.lots) == MAX_OPEN_LOTS == 10_000
    with pytest.raises(OpenLotsLimitExceeded) as refused:
        decide(grant, last, DAY_ZERO)
    assert refused.value.facts == {"limit": 10_000}


def test_the_balance_is_looked_at_before_the_number_of_lots() -> None:
    with pytest.raises(BalanceLimitExceeded):
        decide(GrantCredits(ACCOUNT_ID, "permanent", MAX_AMOUNT), with_lots(10_000), DAY_ZERO)


def test_what_is_available_is_looked_at_before_the_number_of_holds_and_draws() -> None:
    full = replace(
        with_lots(1_001),
        holds=Holds.of(Hold(f"hld_{n}", (), LONG, DAY_ZERO, None, None) for n in range(10_000)),
    )
    with pytest.raises(InsufficientCredits):
        decide(PlaceHold(ACCOUNT_ID, 1_002), full, DAY_ZERO)
    with pytest.raises(OpenHoldsLimitExceeded):
        decide(PlaceHold(ACCOUNT_ID, 1_001), full, DAY_ZERO)
    with pytest.raises(DrawsLimitExceeded):
        decide(PlaceHold(ACCOUNT_ID, 1_001), with_lots(1_001), DAY_ZERO)


# Much at once -------------------------------------------------------------------------------------------------------


def test_thousands_of_lots_that_are_due_lapse_one_by_one() -> None:
    account = with_lots(3_000, "subscription")
    events, settled = apply_due_expiries(account, LONG)
    assert [event.effective_at for event in events if isinstance(event, CreditsExpired)] == [
        lot.expires_at for lot in account.lots
    ]
    assert [event.balance.total for event in events] == [*range(2_999, -1, -1)]
    assert (settled.lots, settled.balance) == (NO_LOTS, Balance(0, 0, 0, None))
    assert settled.version == account.version + 3_000


def test_thousands_of_holds_that_are_due_expire_by_their_ends() -> None:
    journal = Journal()
    journal.carry_out(OpenAccount(ACCOUNT_ID, 3_000))
    for number in range(3_000):
        journal.carry_out(PlaceHold(ACCOUNT_ID, 1, (1 + number * 7 % 3_000) * SECOND))
    events, settled = apply_due_expiries(journal.opened, SHORT)
    ends = [event.effective_at for event in events if isinstance(event, HoldExpired)]
    assert ends == [DAY_ZERO + (1 + number) * SECOND for number in range(3_000)]
    assert (settled.holds, settled.balance.held, settled.balance.available) == (NO_HOLDS, 0, 3_000)
    assert settled.due_at is None


@pytest.mark.parametrize(("amount", "earliest"), [(9, SHORT), (10, LONG), (29, LONG), (30, None), (70, None)])
@pytest.mark.parametrize("spending", [DeductCredits, PlaceHold])
def test_a_balance_says_when_the_first_subscription_lot_ends(
    spending: Callable[[str, int], Command], amount: int, earliest: datetime | None
) -> None:
    journal = three_lots()
    assert journal.opened.balance.subscription_expire_at == SHORT
    [event] = journal.carry_out(spending(ACCOUNT_ID, amount))
    assert event.balance.subscription_expire_at == earliest


# Ties ---------------------------------------------------------------------------------------------------------------


def test_everything_that_ends_in_one_moment_is_over_in_it() -> None:
    journal = Journal()
    journal.carry_out(OpenAccount(ACCOUNT_ID, 5))
    for _ in range(2):
        journal.carry_out(GrantCredits(ACCOUNT_ID, "subscription", 10, expires_at=SHORT))
    for _ in range(2):
        journal.carry_out(PlaceHold(ACCOUNT_ID, 8, DAY))
    journal.now = SHORT
    *passed, deducted = journal.carry_out(DeductCredits(ACCOUNT_ID, 5))
    ended = [e for e in passed if isinstance(e, HoldExpired | CreditsExpired)]
    assert len(passed) == len(ended) == 3
    assert {event.effective_at for event in ended} == {SHORT}
    lapsed = [e.amount if isinstance(e, CreditsExpired) else with_fate(e.returns, "lapsed") for e in ended]
    assert sum(lapsed) == 20
    assert deducted.balance == Balance(0, 0, 0, None)


@pytest.mark.parametrize(
    ("offset", "told"),
    [(-TICK, "CreditsDeducted"), (0 * TICK, "InsufficientCredits"), (TICK, "InsufficientCredits")],
)
def test_a_lot_and_a_hold_end_at_their_microsecond(offset: timedelta, told: str) -> None:
    journal = three_lots()
    journal.carry_out(PlaceHold(ACCOUNT_ID, 60, 15 * MINUTE))
    journal.now = DAY_ZERO + 15 * MINUTE + offset
    over = isinstance(journal.attempt(ReleaseHold(ACCOUNT_ID, "hld_5")), HoldHasExpired)
    assert over == (offset >= 0 * TICK)
    journal.now = SHORT + offset
    answer = journal.attempt(DeductCredits(ACCOUNT_ID, 70))
    assert type(answer[-1] if isinstance(answer, tuple) else answer).__name__ == told


# Lots, by themselves ------------------------------------------------------------------------------------------------


LOTS = tuple(Lot(f"grt_{number}", "permanent", amount, None) for number, amount in ((2, 5), (3, 7), (4, 1)))


@pytest.mark.parametrize(
    ("amount", "draws", "left"),
    [
        (1, "2:1", "2:4 3:7 4:1"),
        (5, "2:5", "3:7 4:1"),
        (6, "2:5 3:1", "3:6 4:1"),
        (12, "2:5 3:7", "4:1"),
        (13, "2:5 3:7 4:1", ""),
    ],
)
def test_what_is_drawn_is_taken(amount: int, draws: str, left: str) -> None:
    parts = draw(Lots.of(LOTS), amount)
    assert drawn(parts) == draws
    assert " ".join(f"{lot.grant_id[4:]}:{lot.remaining}" for lot in take(Lots.of(LOTS), parts)) == left


def test_one_draw_from_a_lot_in_the_middle_leaves_its_neighbours() -> None:
    assert take(Lots.of(LOTS), (Draw("grt_3", "permanent", 7, None),)) == Lots.of((LOTS[0], LOTS[2]))
    assert take(Lots.of(LOTS), (Draw("grt_3", "permanent", 2, None),)) == Lots.of(
        (LOTS[0], LOTS[1]._replace(remaining=5), LOTS[2])
    )


def test_what_comes_back_joins_what_is_left_of_its_grant() -> None:
    assert put_all(Lots.of(LOTS), [LOTS[1]]) == Lots.of((LOTS[0], LOTS[1]._replace(remaining=14), LOTS[2]))


# Values -------------------------------------------------------------------------------------------------------------


def test_events_states_and_commands_cannot_be_changed() -> None:
    journal = three_lots()
    journal.carry_out(PlaceHold(ACCOUNT_ID, 1))
    values = [
        *journal.events,
        journal.opened,
        *journal.opened.holds,
        journal.opened.holds,
        journal.opened.lots,
        PlaceHold(ACCOUNT_ID, 1),
    ]
    for value in values:
        name = next(iter(value.__dataclass_fields__))
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, None)
