"""What a change of a subscription makes of its periods: each moment is in one period alone, and gives what was paid."""

from datetime import timedelta
from typing import Any

from ledger.domain import commands as c
from ledger.domain.commands.subscriptions import MAX_WINDOW_CREDITS
from ledger.domain.plans.subscribed import SubscriptionPayment
from ledger.domain.plans.terms import Terms
from tests.domain.journal import ACCOUNT_ID, DAY_ZERO, Journal
from tests.domain.subscription_stories import MONTH, SUBSCRIPTION, month_after, terms
from tests.domain.test_subscriptions import check_explained, nets, opened

DAY = timedelta(days=1)


def pay(journal: Journal, reason: Any, plan: Terms, start: Any, end: Any) -> str:
    """A payment, now, for a time, and the word that goes with it. Returns the payment."""
    name = f"pay-{len(journal.events)}"
    at = journal.now
    what = SubscriptionPayment(SUBSCRIPTION, reason, at, start, end, terms=plan)
    journal.carry_out(c.RecordPayment(ACCOUNT_ID, name, "stripe", "paid", 2_000, "EUR", subscription=what))
    period = {"period_start": start, "period_end": end}
    journal.carry_out(c.RecordSubscription(ACCOUNT_ID, SUBSCRIPTION, "stripe", "active", plan, at, **period))
    return name


def test_the_largest_plans_are_changed_exactly() -> None:
    """The credits times the time that is left are more than a length of time can be."""
    journal = opened()
    most = Terms("max", 1, MAX_WINDOW_CREDITS, MONTH, MONTH, rank=3)
    pay(journal, "initial", terms("lite"), DAY_ZERO, month_after(DAY_ZERO, 1))
    journal.now += timedelta(days=15, hours=12)  # half of January
    pay(journal, "change", most, journal.now, month_after(DAY_ZERO, 1))
    assert journal.opened.balance.subscription == 100 + (MAX_WINDOW_CREDITS - 100) // 2


def test_a_year_that_was_changed_to_months_gives_nothing_after_them() -> None:
    """What was unused of the year is in the price of the change, so its later months are not paid any more."""
    journal = opened()
    first = pay(journal, "initial", terms("lite", yearly=True), DAY_ZERO, month_after(DAY_ZERO, 12))
    journal.now = begins = DAY_ZERO + 5 * DAY
    second = pay(journal, "change", terms("pro"), begins, month_after(begins, 1))
    assert nets(journal) == {(DAY_ZERO, first): 100, (begins, second): 1_000}
    journal.now = month_after(begins, 1)
    third = pay(journal, "renewal", terms("pro"), journal.now, month_after(begins, 2))
    assert nets(journal) == {(DAY_ZERO, first): 100, (begins, second): 1_000, (journal.now, third): 1_000}
    journal.now = month_after(DAY_ZERO, 3)
    journal.carry_out(c.RecordExpiries(ACCOUNT_ID))
    assert journal.opened.balance.subscription == 0
    check_explained(journal.events)


def test_a_change_after_an_early_renewal_is_for_both_periods() -> None:
    journal = opened()
    ends = [month_after(DAY_ZERO, number) for number in range(3)]
    first = pay(journal, "initial", terms("lite"), DAY_ZERO, ends[1])
    journal.now = ends[1] - 7 * DAY
    second = pay(journal, "renewal", terms("lite"), ends[1], ends[2])
    journal.now = ends[1] - 3 * DAY
    third = pay(journal, "change", terms("pro"), journal.now, ends[2])
    journal.now = ends[1]
    journal.carry_out(c.RecordExpiries(ACCOUNT_ID))
    now = {(DAY_ZERO, first): 100, (DAY_ZERO, third): 900 * 3 // 31, (ends[1], second): 100, (ends[1], third): 900}
    assert nets(journal) == now
    check_explained(journal.events)


def test_a_change_that_does_not_say_how_long_is_for_the_time_that_is_left() -> None:
    """Lemon Squeezy names no period: the renewal after it gives a month, and nothing is given for that month twice."""
    journal = opened()
    end = month_after(DAY_ZERO, 1)
    first = pay(journal, "initial", terms("lite"), DAY_ZERO, end)
    journal.now = DAY_ZERO + 15 * DAY
    second = pay(journal, "change", terms("pro"), None, None)
    journal.now = end
    third = pay(journal, "renewal", terms("pro"), None, None)
    journal.now = month_after(DAY_ZERO, 2) - DAY
    journal.carry_out(c.RecordExpiries(ACCOUNT_ID))
    assert nets(journal) == {(DAY_ZERO, first): 100, (DAY_ZERO, second): 900 * 16 // 31, (end, third): 1_000}
