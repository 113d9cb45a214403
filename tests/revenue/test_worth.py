"""The worth of paid credits, over random lives: no money is lost, and what is owed is what the lots are worth."""

import re
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from audit.export.journals.beancount import Beancount
from audit.export.journals.postings import commodity_of
from audit.export.revenue import as_beancount
from audit.revenue.months import Month, months
from audit.revenue.worth import Move, Worth
from ledger.domain import commands as c
from ledger.domain.amounts import NO_CREDITS
from ledger.domain.events import CreditsGranted, DisputeRecorded, Event, PaymentRecorded, PaymentRefunded
from ledger.domain.plans.subscribed import AllowanceOf, SubscriptionPayment
from ledger.domain.plans.terms import Interval, Terms
from ledger.store import Logged
from tests.domain.journal import ACCOUNT_ID, DAY_ZERO, Journal
from tests.domain.moving import move
from tests.domain.subscription_stories import Teller
from tests.domain.test_subscriptions import moment_of
from tests.export.accounting import read_by_tool
from tests.long_form import times
from tests.projections.folding import Told, folded
from tests.projections.histories import logs

OUTSTANDING = ("coming", "remaining", "held")


def told(log: list[Told]) -> tuple[Worth, list[Move]]:
    worth = Worth()
    moves: list[Move] = []
    for one in log:
        moves += worth.add(Logged(*one))
    return worth, moves


def sums(moves: list[Move]) -> dict[str, defaultdict[str, Fraction]]:
    """The money of each currency by what it did."""
    found: dict[str, defaultdict[str, Fraction]] = {}
    for _, currency, what, money in moves:
        found.setdefault(currency, defaultdict(Fraction))[what] += money
    return found


def cash(log: list[Told]) -> dict[str, int]:
    """Payments less refunds and lost disputes, said by the events alone."""
    currencies: dict[tuple[str, str, str], str] = {}
    found: defaultdict[str, int] = defaultdict(int)
    for one in log:
        match one.event:
            case PaymentRecorded(status="paid"):
                currencies[one.account_id, one.event.payment_id, one.event.provider] = one.event.currency
                found[one.event.currency] += one.event.amount_minor
            case PaymentRefunded() | DisputeRecorded(state="lost"):
                event = one.event
                assert event.provider is not None
                found[currencies[one.account_id, event.payment_id, event.provider]] -= event.amount_minor
            case _:
                pass
    return found


def deferred_of(worth: Worth, log: list[Told]) -> dict[str, Fraction]:
    """What is owed, by the credits that the naive model of the projections still has."""
    owed = dict(worth.without_grant())
    for (account_id, number), grant in folded(log)["balances.grants"].items():
        found = worth.worth_of(account_id, f"grt_{number}")
        if found is not None:
            each, currency = found
            owed[currency] = owed.get(currency, Fraction(0)) + each * sum(grant[place] for place in OUTSTANDING)
    return owed


@settings(deadline=None, max_examples=times(30, 60))
@given(log=logs())
def test_revenue_and_what_is_owed_are_the_payments_less_refunds(log: list[Told]) -> None:
    """Nothing is lost: of the money that came and did not go back, each part is earned or still owed. What is owed is
    the worth of the credits that the naive model still has."""
    worth, moves = told(log)
    owed = deferred_of(worth, log)
    for currency, kept in cash(log).items():
        of = sums(moves).get(currency, defaultdict(Fraction))
        assert of["paid"] - of["back"] == kept
        deferred = of["paid"] - of["spent"] - of["breakage"] - of["returned"]
        assert deferred == owed.get(currency, 0) >= 0
        revenue = of["spent"] + of["breakage"] - of["back"] + of["returned"]
        assert revenue + deferred == kept
        assert 0 <= of["returned"] <= of["back"]


def lived(seed: int) -> list[Told]:
    """A life with a subscription, in which credits are spent and come back, until long after its end."""
    chance, journal = Random(seed), Journal()
    story = Teller(chance).tell()
    journal.carry_out(c.OpenAccount(ACCOUNT_ID, 0))
    for fact in story.facts:
        journal.now = max(journal.now, moment_of(fact) or journal.now)
        journal.attempt(fact)
        journal.now += timedelta(hours=chance.randrange(200))
        if chance.random() < 0.7 and journal.opened.balance.total:
            spent = journal.attempt(c.DeductCredits(ACCOUNT_ID, chance.randrange(1, journal.opened.balance.total + 1)))
            if isinstance(spent, tuple) and chance.random() < 0.4:
                deduction = f"ded_{len(journal.events)}"
                journal.attempt(c.ReverseDeduction(ACCOUNT_ID, deduction, None))
    for _ in range(30):
        journal.now += timedelta(days=30)
        journal.attempt(c.UpdateAccount(ACCOUNT_ID, labels={"at": str(journal.now.date())}))
    return [Told(version, ACCOUNT_ID, version, event) for version, event in enumerate(journal.events, 1)]


def test_lives_with_subscriptions_lose_no_money_and_end_with_none_owed() -> None:
    whats: set[str] = set()
    for seed in range(times(150, 5_000)):
        log = lived(seed)
        worth, moves = told(log)
        owed = deferred_of(worth, log)
        of = sums(moves).get("EUR", defaultdict(Fraction))
        assert of["paid"] - of["spent"] - of["breakage"] - of["returned"] == owed.get("EUR", 0), seed
        assert owed.get("EUR", 0) == 0, seed
        assert of["spent"] + of["breakage"] - of["back"] + of["returned"] == cash(log).get("EUR", 0), seed
        whats |= {one.what for one in moves}
    assert whats == {"paid", "back", "spent", "breakage", "returned"}


def by_month(log: list[Told]) -> dict[str, Month]:
    return {month.month: month for month in months(told(log)[1])}


def test_a_yearly_plan_is_earned_by_its_days_and_a_refund_by_what_is_left() -> None:
    """120.00 EUR for a year of 100 credits each month; all of January is spent, half of February lapses."""
    journal = Journal()
    journal.carry_out(c.OpenAccount(ACCOUNT_ID, 50))
    terms = Terms("year", 1, 100, Interval(1, "months"), Interval(12, "months"))
    end = DAY_ZERO.replace(year=DAY_ZERO.year + 1)
    word = c.RecordSubscription(ACCOUNT_ID, "s", "stripe", "active", terms, DAY_ZERO)
    journal.carry_out(replace(word, period_start=DAY_ZERO, period_end=end))
    what = SubscriptionPayment("s", "initial", DAY_ZERO, DAY_ZERO, end, terms=terms)
    journal.carry_out(c.RecordPayment(ACCOUNT_ID, "p", "stripe", "paid", 12_000, "EUR", subscription=what))
    journal.carry_out(c.DeductCredits(ACCOUNT_ID, 100))
    journal.now = DAY_ZERO + timedelta(days=40)
    journal.carry_out(c.DeductCredits(ACCOUNT_ID, 50))
    journal.now = DAY_ZERO + timedelta(days=70)
    journal.carry_out(c.RefundPayment(ACCOUNT_ID, "p", "r", None, "stripe"))
    found = by_month([Told(version, ACCOUNT_ID, version, event) for version, event in enumerate(journal.events, 1)])
    january, february, march = (found[f"2026-0{n}"] for n in (1, 2, 3))
    assert (january.paid, january.spent) == (12_000, 12_000 * 31 // 365)
    assert february.spent == round(Fraction(12_000 * 28, 365) / 2)
    assert (march.breakage, march.back) == (round(Fraction(12_000 * 28, 365) / 2), 12_000)
    assert march.deferred == 0
    assert sum(month.revenue for month in found.values()) == 0


def test_more_credits_for_the_same_window_were_paid_for_already() -> None:
    """A correction adds credits to the first month of a paid year: they take nothing of the months that come."""
    end = DAY_ZERO + timedelta(days=360)
    what = SubscriptionPayment("s", "initial", DAY_ZERO, DAY_ZERO, end)
    paid = PaymentRecorded(DAY_ZERO, NO_CREDITS, "p", "stripe", "paid", 3_600, "EUR", subscription=what)
    window = AllowanceOf("s", DAY_ZERO, DAY_ZERO + timedelta(days=30))
    first = CreditsGranted(
        DAY_ZERO, NO_CREDITS, "grt_2", "subscription", 100, "subscription", payment_id="p", allowance=window
    )
    events: list[Event] = [paid, first, replace(first, grant_id="grt_3")]
    log = [Told(n, "ada", n, event) for n, event in enumerate(events, 1)]
    worth, _ = told(log)
    assert worth.worth_of("ada", "grt_2") == (Fraction(3), "EUR")
    assert worth.worth_of("ada", "grt_3") == (Fraction(0), "EUR")
    assert worth.without_grant() == {"EUR": Fraction(3_300)}


def test_credits_that_are_sent_take_their_worth_with_them() -> None:
    sender, receiver = Journal(), Journal()
    sender.carry_out(c.OpenAccount("ada", 0))
    receiver.carry_out(c.OpenAccount("bob", 7))
    bought = (c.GrantCredits("ada", "permanent", 3, "topup"),)
    sender.carry_out(c.RecordPayment("ada", "p", "stripe", "paid", 1_000, "JPY", None, bought))
    move(c.SendCredits("ada", "bob", 2), sender, receiver)
    receiver.carry_out(c.DeductCredits("bob", 8))
    streams = [("ada", sender), ("bob", receiver)]
    events = [(name, version, event) for name, one in streams for version, event in enumerate(one.events, 1)]
    log = [Told(position, *event) for position, event in enumerate(events, 1)]
    worth, moves = told(log)
    assert worth.worth_of("bob", "grt_3") == (Fraction(1_000, 3), "JPY")
    assert worth.worth_of("bob", "grt_2") is None
    assert sums(moves)["JPY"]["spent"] == Fraction(1_000, 3)  # seven were free, and burn first
    assert deferred_of(worth, log) == {"JPY": Fraction(2_000, 3)}


@settings(deadline=None, max_examples=times(10, 20))
@given(log=logs())
def test_beancount_agrees(log: list[Told]) -> None:
    """It finds no error, and comes to the money of the payments; a changed amount is found."""
    found = months(told(log)[1])
    text = "".join(as_beancount(found))
    read = read_by_tool(text, Beancount)
    assert not read.problems
    for currency, kept in cash(log).items():
        assert read.balances.get((f"Assets:Payments:{commodity_of(currency)}", commodity_of(currency)), 0) == kept
    if found:
        amount = re.search(r"(?<=  )-?\d+(?= \S+$)", text, re.MULTILINE)
        assert amount is not None
        changed = text[: amount.start()] + str(int(amount[0]) + 1) + text[amount.end() :]
        assert read_by_tool(changed, Beancount).problems


@settings(deadline=None, max_examples=times(100, 200))
@given(
    st.lists(
        st.builds(
            Move,
            st.integers(0, 900).map(lambda days: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=days)),
            st.sampled_from(["EUR", "JPY"]),
            st.sampled_from(["paid", "back", "spent", "breakage", "returned"]),
            st.fractions(0, 10_000, max_denominator=7_000),
        ),
        max_size=30,
    )
)
def test_months_add_up_in_whole_minor_units(moves: list[Move]) -> None:
    before: dict[str, Month] = {}
    for month in months(moves):
        last = before.get(month.currency)
        carried = last.deferred if last else 0
        assert month.deferred == carried + month.paid - month.spent - month.breakage - month.returned
        assert month.revenue == month.spent + month.breakage - (month.back - month.returned)
        before[month.currency] = month
    exact = sums(moves)
    for currency, month in before.items():
        of = exact[currency]
        assert abs(month.deferred - (of["paid"] - of["spent"] - of["breakage"] - of["returned"])) <= Fraction(1, 2)
