"""Subscriptions: what an account has does not depend on the order of the reports, nor on whether a sweeper runs."""

from collections import Counter
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from ledger.domain import commands as c
from ledger.domain.errors import InvalidField, NotFound, Refusal
from ledger.domain.events import CreditsGranted, Event, GrantVoided
from ledger.domain.plans.subscribed import SubscriptionPayment
from ledger.domain.plans.terms import Interval, RollOver, Terms
from ledger.domain.subscriptions.entitlements import LONGEST_PERIOD, periods
from ledger.domain.subscriptions.subscription import TRIAL
from ledger.explain.subscriptions.answer import active_of, subscriptions_now
from tests.domain.explained import explained
from tests.domain.journal import ACCOUNT_ID, DAY_ZERO, Journal
from tests.domain.subscription_stories import MONTH, SUBSCRIPTION, YEAR, Story, Teller, terms
from tests.long_form import times

STORIES = times(300, 10_000)
SHUFFLES = times(1, 4)
LIVES = times(60, 5_000)


def story_of(seed: int) -> Story:
    return Teller(Random(seed)).tell()


def opened(at: datetime = DAY_ZERO) -> Journal:
    journal = Journal()
    journal.now = at
    journal.carry_out(c.OpenAccount(ACCOUNT_ID, 0))
    return journal


def moment_of(fact: c.Command) -> datetime | None:
    """When a fact happened, by the provider's clock; None for money that goes back, which follows what is before."""
    match fact:
        case c.RecordSubscription():
            return fact.as_of
        case c.RecordPayment() if fact.subscription is not None:
            return fact.subscription.paid_at
        case _:
            return None


def test_reports_in_time_give_what_each_month_was_paid_for() -> None:
    for seed in range(STORIES):
        story = story_of(seed)
        journal = opened()
        for fact in story.facts:
            pass_time(journal, max(journal.now, moment_of(fact) or journal.now))
            journal.carry_out(fact)
        pass_time(journal, story.end)
        expected = Counter(
            {
                (month.start, name): credits
                for month in story.months
                if month.start <= story.end
                for name, credits in month.credits().items()
                if all(at <= story.end for at, money in month.changes if money.name == name)
            }
        )
        assert nets(journal) == +expected, f"story {seed}"
        assert trial_of(journal) == story.trial, f"story {seed}"


def pass_time(journal: Journal, to: datetime) -> None:
    """Let a sweeper run every five days until a moment."""
    while journal.now + timedelta(days=5) < to:
        journal.now += timedelta(days=5)
        journal.carry_out(c.RecordExpiries(ACCOUNT_ID))
    journal.now = to
    journal.carry_out(c.RecordExpiries(ACCOUNT_ID))


def nets(journal: Journal) -> Counter[tuple[datetime, str | None]]:
    """The credits of each share, without those that come to nothing and without the trial."""
    one = journal.opened.subscriptions.get(SUBSCRIPTION)
    assert one is not None
    found = {(share.id.window_start, share.id.payment_id): share.net for share in one.shares if share.id != TRIAL}
    return +Counter(found)


def trial_of(journal: Journal) -> int:
    one = journal.opened.subscriptions.get(SUBSCRIPTION)
    return one.share(TRIAL).net if one is not None else 0


def test_the_order_and_the_number_of_the_reports_do_not_matter() -> None:
    for seed in range(STORIES):
        story = story_of(seed)
        in_order = told(story.facts, story.end, explaining=seed % 10 == 0)
        random = Random(seed)
        for _ in range(SHUFFLES):
            facts = [*story.facts, *random.sample(story.facts, random.randrange(len(story.facts)))]
            random.shuffle(facts)
            assert told(facts, story.end, explaining=seed % 10 == 0) == in_order, f"story {seed}"


def told(facts: list[c.Command], at: datetime, *, explaining: bool) -> dict[str, Any]:
    """What an account has after some reports, those again that had to wait for others."""
    journal = opened(at)
    waiting = list(facts)
    while waiting:
        missing = [fact for fact in waiting if isinstance(journal.attempt(fact), NotFound) or too_early(journal, fact)]
        if len(missing) == len(waiting):
            break
        waiting = missing
    one = journal.opened.subscriptions.get(SUBSCRIPTION)
    assert one is not None
    if explaining:
        check_explained(journal.events)
    lots = Counter[object]()
    for lot in journal.opened.lots:
        lots[lot.expires_at] += lot.remaining
    return {
        "nets": nets(journal),
        "trial": trial_of(journal),
        "lots": +lots,
        "balance": journal.opened.balance,
        "words": one.words,
        "payments": one.payments,
        "now": subscriptions_now(journal.opened, at),
    }


def too_early(journal: Journal, fact: c.Command) -> bool:
    """Whether a report was refused because the payment that it is about has not succeeded yet."""
    last = journal.asked[-1].told
    return (
        isinstance(last, Refusal)
        and last.code in {"payment_not_paid", "amount_exceeds_payment"}
        and not done(journal, fact)
    )


def done(journal: Journal, fact: c.Command) -> bool:
    """Whether the same was recorded before."""
    return any(asked.command == fact and not isinstance(asked.told, Refusal) for asked in journal.asked)


def check_explained(events: list[Event]) -> None:
    """No event has a violation of the rules."""
    for _, event, told in explained(events):
        assert not told.violations, (event, told.violations)


# Time alone ------------------------------------------------------------------------------------------------------


def test_a_sweeper_changes_nothing_but_when_allowances_are_recorded() -> None:
    for seed in range(LIVES):
        random = Random(seed)
        swept, untouched = opened(), opened()
        first = random_subscription(random)
        for journal in (swept, untouched):
            for fact in first:
                journal.carry_out(fact)
        now = DAY_ZERO
        for number in range(random.randrange(1, 8)):
            until = now + timedelta(days=random.choice([1, 5, 40, 400]), hours=random.randrange(24))
            while now < until:
                now += timedelta(days=random.randrange(1, 20))
                swept.now = now
                swept.carry_out(c.RecordExpiries(ACCOUNT_ID))
            untouched.now = now
            assert untouched.settled(now).balance == swept.opened.balance, f"life {seed}"
            amount = random.randrange(1, 1_500)
            for journal in (swept, untouched):
                journal.attempt(c.DeductCredits(ACCOUNT_ID, amount, f"task-{number}"))
            assert untouched.settled(now).balance == swept.settled(now).balance, f"life {seed}"
        if seed % 10 == 0:
            check_explained(swept.events)
            check_explained(untouched.events)


def random_subscription(random: Random) -> list[c.Command]:
    """A plan without a price, or a year that is paid for, of windows of some length; what is unused may roll over."""
    every = random.choice([MONTH, Interval(7, "days"), Interval(1, "days"), Interval(3, "months")])
    unused = RollOver(random.choice([0, 500, 1_700]), random.choice([1, 3])) if random.random() < 0.4 else None
    free = random.random() < 0.5
    plan = Terms("plan", 1, 1_000, every, None if free else YEAR, unused, random.choice([0, 3_600, 86_400]))
    start = DAY_ZERO - timedelta(days=random.randrange(20))
    facts: list[c.Command] = [c.RecordSubscription(ACCOUNT_ID, SUBSCRIPTION, "manual", "active", plan, start)]
    if not free:
        what = SubscriptionPayment(SUBSCRIPTION, "initial", start)
        facts.append(c.RecordPayment(ACCOUNT_ID, "pay-1", "manual", "paid", 9_000, "EUR", subscription=what))
    return facts


def test_a_free_plan_refills_for_five_years_without_any_command() -> None:
    journal = opened()
    plan = Terms("free", 1, 100, MONTH)
    journal.carry_out(c.RecordSubscription(ACCOUNT_ID, "ledger:1", "ledger", "active", plan, DAY_ZERO))
    for months in range(61):
        at = MONTH.after(DAY_ZERO, months) + timedelta(days=2)
        assert journal.settled(at).balance.subscription == 100
        assert journal.settled(at).balance.subscription_expire_at == MONTH.after(DAY_ZERO, months + 1) + timedelta(
            days=1
        )
    journal.now = DAY_ZERO.replace(year=2031, month=2)
    events = journal.carry_out(c.DeductCredits(ACCOUNT_ID, 40, "late"))
    assert (
        len(events) == 4
    )  # the old one lapses, the newest comes, and is used: what lapsed meanwhile was never granted
    check_explained(journal.events)


@pytest.mark.parametrize(
    ("start", "second", "third"),
    [
        ("2026-01-31", "2026-02-28", "2026-03-31"),
        ("2028-01-31", "2028-02-29", "2028-03-31"),
        ("2027-12-15", "2028-01-15", "2028-02-15"),
    ],
)
def test_a_month_without_the_day_begins_on_its_last_day(start: str, second: str, third: str) -> None:
    first = datetime.fromisoformat(f"{start}T10:00:00+00:00")
    assert MONTH.after(first, 1) == datetime.fromisoformat(f"{second}T10:00:00+00:00")
    assert MONTH.after(first, 2) == datetime.fromisoformat(f"{third}T10:00:00+00:00")


def test_a_year_that_is_paid_gives_its_credits_month_by_month() -> None:
    """polarsource/polar#7103: a yearly plan gave all of its credits on the first day."""
    journal = opened()
    subscribe(journal, terms("pro", yearly=True))
    assert journal.opened.balance.subscription == 1_000
    for months in range(1, 12):
        journal.now = MONTH.after(DAY_ZERO, months) + timedelta(days=2)
        journal.carry_out(c.RecordExpiries(ACCOUNT_ID))
        assert journal.opened.balance.subscription == 1_000
    journal.now = YEAR.after(DAY_ZERO, 1) + timedelta(days=2)
    journal.carry_out(c.RecordExpiries(ACCOUNT_ID))
    assert journal.opened.balance.subscription == 0
    granted = [event for event in journal.events if isinstance(event, CreditsGranted)]
    assert len(granted) == 12
    assert {event.payment_id for event in granted} == {"pay-1"}


def test_who_begins_on_the_31st_gets_twelve_allowances_a_year() -> None:
    """Periods of one month go from the last day of a month to that of the next: 28 February to 31 March is no month and
    three days more, and its credits last until it is over."""
    plan, first = terms("pro"), DAY_ZERO.replace(month=1, day=31)
    journal = opened(first)
    journal.carry_out(c.RecordSubscription(ACCOUNT_ID, SUBSCRIPTION, "stripe", "active", plan, first))
    for month in range(12):
        start, end = MONTH.after(first, month), MONTH.after(first, month + 1)
        journal.now = start
        what = SubscriptionPayment(SUBSCRIPTION, "renewal" if month else "initial", start, start, end, terms=plan)
        journal.carry_out(c.RecordPayment(ACCOUNT_ID, f"in_{month}", "stripe", "paid", 1, "EUR", subscription=what))
        journal.now = end - timedelta(minutes=1)
        journal.carry_out(c.RecordExpiries(ACCOUNT_ID))
        assert journal.opened.balance.subscription == 1_000, end
    assert len([event for event in journal.events if isinstance(event, CreditsGranted)]) == 12


def subscribe(journal: Journal, plan: Terms, at: datetime = DAY_ZERO) -> None:
    """An active subscription and its first payment."""
    journal.carry_out(c.RecordSubscription(ACCOUNT_ID, SUBSCRIPTION, "stripe", "active", plan, at))
    pay(journal, "pay-1", "initial", plan, at)


def pay(journal: Journal, name: str, reason: Any, plan: Terms | None, at: datetime, amount: int = 2_000) -> None:
    what = SubscriptionPayment(SUBSCRIPTION, reason, at, terms=plan)
    journal.carry_out(c.RecordPayment(ACCOUNT_ID, name, "stripe", "paid", amount, "EUR", subscription=what))


# What people report -----------------------------------------------------------------------------------------------


def test_downgrade_upgrade_downgrade_gives_no_allowance_twice() -> None:
    """theopenco/llmgateway#2479, #2842: each change gave a full allowance."""
    journal = opened()
    subscribe(journal, terms("max"))
    for number, plan in enumerate(["lite", "max", "lite", "max"]):
        journal.now += timedelta(hours=1)
        pay(journal, f"change-{number}", "change", terms(plan), journal.now)
    assert journal.opened.balance.subscription == 5_003


def test_an_upgrade_gives_the_difference_for_the_time_that_is_left() -> None:
    journal = opened()
    subscribe(journal, terms("lite"))
    journal.now += timedelta(days=15, hours=12)  # half of January
    pay(journal, "change-1", "change", terms("pro"), journal.now)
    assert journal.opened.balance.subscription == 100 + (1_000 - 100) // 2
    check_explained(journal.events)


def test_a_second_invoice_of_the_same_period_gives_nothing_more() -> None:
    journal = opened()
    subscribe(journal, terms("pro"))
    pay(journal, "pay-2", "initial", terms("pro"), DAY_ZERO)
    assert journal.opened.balance.subscription == 1_000


def test_an_invoice_of_nothing_in_a_trial_gives_nothing_and_a_coupon_gives_all() -> None:
    """restrictcontentpro#595, #325: the invoice of a trial renewed and granted."""
    journal = opened()
    ends = DAY_ZERO + timedelta(days=14)
    plan = terms("pro", trial_credits=50)
    word = c.RecordSubscription(ACCOUNT_ID, SUBSCRIPTION, "stripe", "trialing", plan, DAY_ZERO, trial_ends_at=ends)
    journal.carry_out(word)
    pay(journal, "in_0", "initial", plan, DAY_ZERO, amount=0)
    assert journal.opened.balance.subscription == 50
    journal.now = ends
    pay(journal, "in_1", "renewal", plan, ends, amount=0)
    assert journal.opened.balance.subscription == 1_000


def test_a_payment_that_is_late_lasts_at_least_a_week() -> None:
    journal = opened()
    journal.now = DAY_ZERO + timedelta(days=90)
    subscribe(journal, terms("pro"))
    assert journal.opened.balance.subscription == 1_000
    assert journal.opened.balance.subscription_expire_at == journal.now + timedelta(days=7)


def test_a_payment_after_the_end_is_granted() -> None:
    """hackerai-tech/hackerai#956: who paid after the end got nothing."""
    journal = opened()
    subscribe(journal, terms("pro"))
    journal.now += timedelta(days=40)
    ended = c.RecordSubscription(
        ACCOUNT_ID,
        SUBSCRIPTION,
        "stripe",
        "ended",
        terms("pro"),
        MONTH.after(DAY_ZERO, 1),
        ends_at=MONTH.after(DAY_ZERO, 1),
    )
    journal.carry_out(ended)
    pay(journal, "pay-2", "renewal", terms("pro"), journal.now)
    assert journal.opened.balance.subscription == 1_000
    assert active_of(subscriptions_now(journal.opened, journal.now)) is None


def test_a_word_that_comes_late_corrects_the_plan_both_ways() -> None:
    journal = opened()
    at = DAY_ZERO + timedelta(seconds=10)
    journal.now = at
    pay(journal, "pay-1", "initial", None, at)
    assert journal.opened.balance.subscription == 0  # nobody knows the plan
    later = c.RecordSubscription(ACCOUNT_ID, SUBSCRIPTION, "stripe", "active", terms("max"), at + timedelta(days=1))
    journal.carry_out(later)
    assert journal.opened.balance.subscription == 5_003
    journal.carry_out(c.DeductCredits(ACCOUNT_ID, 4_900, "task-1"))
    earlier = c.RecordSubscription(ACCOUNT_ID, SUBSCRIPTION, "stripe", "active", terms("lite"), at)
    voids = [event for event in journal.carry_out(earlier) if isinstance(event, GrantVoided)]
    assert [(void.amount, void.uncollected, void.cause) for void in voids] == [(103, 4_800, "allowance")]
    journal.carry_out(
        c.RecordSubscription(ACCOUNT_ID, SUBSCRIPTION, "stripe", "active", terms("pro"), at, pays="pay-1")
    )
    assert (
        journal.opened.balance.subscription == 0
    )  # 900 more are due, and 4,800 were spent that nobody was entitled to
    check_explained(journal.events)


def test_a_full_refund_ends_what_was_paid_for() -> None:
    journal = opened()
    subscribe(journal, terms("pro", yearly=True))
    journal.now += timedelta(days=40)
    journal.carry_out(c.RefundPayment(ACCOUNT_ID, "pay-1", "re_1", None, "stripe"))
    assert journal.opened.balance.subscription == 0
    journal.now += timedelta(days=300)
    assert not journal.carry_out(c.RecordExpiries(ACCOUNT_ID))
    check_explained(journal.events)


def test_an_open_dispute_holds_the_allowances_of_its_payment_also_later_ones() -> None:
    """elizaOS/eliza#10997, #11155: taken when it was opened, too little of it, and not given back when it was won."""
    journal = opened()
    subscribe(journal, terms("pro", yearly=True))
    journal.carry_out(c.GrantCredits(ACCOUNT_ID, "permanent", 30))
    journal.carry_out(c.DeductCredits(ACCOUNT_ID, 400, "task-1"))
    journal.carry_out(c.RecordDispute(ACCOUNT_ID, "pay-1", "dp_1", "open", None, "stripe"))
    assert journal.opened.balance.available == 30
    journal.now += timedelta(days=40)
    journal.carry_out(c.RecordExpiries(ACCOUNT_ID))
    assert journal.opened.balance.available == 30
    journal.carry_out(c.RecordDispute(ACCOUNT_ID, "pay-1", "dp_1", "won", None, "stripe"))
    assert journal.opened.balance.available == 1_030
    check_explained(journal.events)


def test_what_rolls_over_has_a_cap() -> None:
    journal = opened()
    plan = Terms("pro", 1, 1_000, MONTH, None, RollOver(1_500, 2))
    journal.carry_out(c.RecordSubscription(ACCOUNT_ID, SUBSCRIPTION, "manual", "active", plan, DAY_ZERO))
    found = []
    for months in range(1, 6):
        journal.now = MONTH.after(DAY_ZERO, months)
        journal.carry_out(c.RecordExpiries(ACCOUNT_ID))
        found.append(journal.opened.balance.subscription)
    assert found == [2_000, 2_500, 2_500, 2_500, 2_500]
    check_explained(journal.events)


def test_a_closed_account_gets_none_and_none_is_made_up_for() -> None:
    journal = opened()
    journal.carry_out(
        c.RecordSubscription(ACCOUNT_ID, SUBSCRIPTION, "manual", "active", Terms("free", 1, 9, MONTH), DAY_ZERO)
    )
    journal.carry_out(c.CloseAccount(ACCOUNT_ID))
    journal.now = MONTH.after(DAY_ZERO, 3) + timedelta(days=3)
    assert due_at(journal) is not None
    journal.carry_out(c.RecordExpiries(ACCOUNT_ID))
    assert (due_at(journal), journal.opened.balance.total) == (None, 0)
    journal.carry_out(c.ReopenAccount(ACCOUNT_ID))
    assert journal.opened.balance.total == 0
    assert due_at(journal) == MONTH.after(DAY_ZERO, 4)


def due_at(journal: Journal) -> datetime | None:
    return journal.opened.due_at


@pytest.mark.parametrize("name", ["as_of", "ends_at", "trial_ends_at", "period_start", "period_end"])
def test_moments_that_no_calendar_can_count_from_are_refused(name: str) -> None:
    for year in (1999, 2501, 9999):
        moments = {"as_of": DAY_ZERO, name: DAY_ZERO.replace(year=year)}
        with pytest.raises(InvalidField) as refused:
            c.RecordSubscription(ACCOUNT_ID, SUBSCRIPTION, "stripe", "active", terms("pro"), **moments)  # type: ignore[arg-type]
        assert refused.value.facts["errors"][0]["field"] == name


def test_the_longest_terms_from_the_last_year_on_are_counted() -> None:
    """Windows of ten years, rolled over as often as can be, end within the calendar."""
    journal = opened()
    decade = Interval(120, "months")
    plan = Terms("slow", 1, 10**11, decade, decade, RollOver(1, 120), 366 * 86_400)
    start = DAY_ZERO.replace(year=2500)
    journal.carry_out(c.RecordSubscription(ACCOUNT_ID, SUBSCRIPTION, "stripe", "active", plan, start, quantity=10_000))
    pay(journal, "pay-1", "initial", plan, start)
    assert due_at(journal) == start
    journal.now = start + timedelta(days=5_000)
    journal.carry_out(c.RecordExpiries(ACCOUNT_ID))
    assert journal.opened.balance.subscription == 10**11


def test_a_refunded_century_of_days_is_looked_through_quickly() -> None:
    journal = opened()
    day = Interval(1, "days")
    what = SubscriptionPayment(
        SUBSCRIPTION, "initial", DAY_ZERO, DAY_ZERO, DAY_ZERO.replace(year=2126), terms=Terms("daily", 1, 5, day, day)
    )
    journal.carry_out(c.RecordPayment(ACCOUNT_ID, "pay-1", "stripe", "paid", 900, "EUR", subscription=what))
    journal.carry_out(c.RefundPayment(ACCOUNT_ID, "pay-1", "re_1", None, "stripe"))
    assert due_at(journal) is None
    [period] = periods(journal.opened.subscriptions.all[0])
    assert period.end == DAY_ZERO + LONGEST_PERIOD
