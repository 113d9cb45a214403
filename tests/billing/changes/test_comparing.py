"""Which plan is better, and what an upgrade gives: the ledger grants exactly what was foreseen."""

from datetime import datetime, timedelta
from random import Random

import pytest

from billing.changes.comparing import Target, TimeLeft, check_downgrade, check_upgrade, credits_now, time_left
from billing.changes.refusals import AlreadyOnPlan, NoSubscription, NotADowngrade, NotAnUpgrade
from billing.changes.running import Running, in_group, named, running_of
from billing.plans import Interval as Sold
from billing.plans import PlanPrice
from ledger.domain import commands as c
from ledger.domain.account import Account
from ledger.domain.events import CreditsGranted
from ledger.domain.plans.subscribed import SubscriptionPayment, SubscriptionStatus
from ledger.domain.plans.terms import Interval, Terms
from tests.domain.journal import ACCOUNT_ID, DAY_ZERO, Journal
from tests.domain.subscription_stories import CREDITS, MONTH, PRICES, SUBSCRIPTION, YEAR, Teller, terms
from tests.domain.test_subscriptions import moment_of, opened, pass_time
from tests.long_form import times

STORIES = times(50, 3_000)
MONTHLY = Sold(months=1, days=None)
AT = DAY_ZERO + timedelta(days=10)
_PLAIN = Terms("lite", 1, 100, MONTH, MONTH, rank=1)


def target(new: Terms, quantity: int = 1, amount: int = 1_000) -> Target:
    price = PlanPrice(price="p", amount_minor=amount, currency="EUR", products={}, interval=MONTHLY)
    return Target(new.plan, new.plan.title(), price, f"price_{new.plan}", new, quantity)


def word(new: Terms, status: SubscriptionStatus = "active", name: str = SUBSCRIPTION, **more: object) -> c.Command:
    period = {"period_start": DAY_ZERO, "period_end": DAY_ZERO + timedelta(days=31)}
    return c.RecordSubscription(ACCOUNT_ID, name, "stripe", status, new, DAY_ZERO, **{**period, **more})  # type: ignore[arg-type]


def account_of(journal: Journal) -> Account:
    assert journal.account is not None
    return journal.account


def running(*words: c.Command) -> list[Running]:
    journal = opened()
    for one in words:
        journal.carry_out(one)
    return running_of(account_of(journal), AT)


@pytest.mark.parametrize(
    ("new", "quantity", "is_upgrade"),
    [
        (_PLAIN._replace(plan="pro", rank=2), 1, True),
        (_PLAIN._replace(plan="pro", rank=2, credits=1), 1, True),
        (_PLAIN._replace(plan="more", credits=101), 1, True),
        (_PLAIN, 2, True),
        (_PLAIN._replace(billed=YEAR), 1, True),
        (_PLAIN._replace(version=2), 1, False),
        (_PLAIN._replace(plan="other"), 1, False),
        (_PLAIN._replace(billed=Interval(7, "days")), 1, False),
        (_PLAIN._replace(plan="less", credits=99), 1, False),
        (_PLAIN._replace(plan="poor", rank=0, credits=10**6), 5, False),
    ],
)
def test_what_is_an_upgrade_is_no_downgrade(new: Terms, quantity: int, *, is_upgrade: bool) -> None:
    [one] = running(word(_PLAIN))
    wanted = target(new, quantity)
    if is_upgrade:
        check_upgrade(one, wanted)
        with pytest.raises(NotADowngrade):
            check_downgrade(one, wanted)
    else:
        check_downgrade(one, wanted)
        with pytest.raises(NotAnUpgrade):
            check_upgrade(one, wanted)


def test_the_same_terms_are_no_change() -> None:
    [one] = running(word(_PLAIN, quantity=3))
    for check in (check_upgrade, check_downgrade):
        with pytest.raises(AlreadyOnPlan):
            check(one, target(_PLAIN, 3))


def test_which_subscription_a_wish_is_about() -> None:
    found = running(
        word(_PLAIN, "ended", "stripe:sub_ended"),
        word(_PLAIN, "paused", "stripe:sub_paused"),
        word(_PLAIN, "past_due", "stripe:sub_due"),
        word(_PLAIN._replace(plan="storage", rank=0), "trialing", "stripe:sub_storage"),
    )
    assert [one.id for one in found] == ["stripe:sub_due", "stripe:sub_storage"]
    groups = {"storage": "space"}
    assert in_group(found, ACCOUNT_ID, "space", groups).own_id == "sub_storage"
    assert in_group(found, ACCOUNT_ID, "plans", groups).own_id == "sub_due"
    assert named(found, ACCOUNT_ID, "stripe:sub_storage").plan == "storage"
    for name in ("stripe:sub_ended", "stripe:sub_paused", "stripe:sub_of_another"):
        with pytest.raises(NoSubscription):
            named(found, ACCOUNT_ID, name)
    with pytest.raises(NoSubscription):
        in_group(found, ACCOUNT_ID, "else", groups)


def test_the_time_that_is_left() -> None:
    journal = opened()
    journal.carry_out(word(_PLAIN))
    [one] = running_of(account_of(journal), AT)
    assert time_left(one, AT) == TimeLeft(21 * 86_400, 31 * 86_400)
    assert time_left(one, DAY_ZERO + timedelta(days=31)) is None
    assert time_left(one, DAY_ZERO - timedelta(seconds=1)) is None


def test_an_upgrade_in_a_trial_gives_nothing_before_its_end() -> None:
    journal = opened()
    trial = _PLAIN._replace(trial_credits=50)
    journal.carry_out(word(trial, "trialing", trial_ends_at=DAY_ZERO + timedelta(days=14)))
    journal.now = AT
    [one] = running_of(account_of(journal), AT)
    assert credits_now(account_of(journal), one, target(terms("max")), AT) == 0


def test_the_ledger_grants_what_was_foreseen() -> None:
    """Whatever was bought, changed, refunded and disputed before, and whichever comes first, the word or the money."""
    compared = given = 0
    for seed in range(STORIES):
        random = Random(seed)
        journal = told_in_part(seed, random)
        found = running_of(account_of(journal), journal.now)
        for plan in CREDITS if found else ():
            wanted = target(terms(plan, yearly=random.random() < 0.2), random.choice([1, 1, 2]), PRICES[plan])
            foreseen = credits_now(account_of(journal), found[0], wanted, journal.now)
            assert foreseen == granted_when_paid(journal, found[0], wanted, word_first=random.random() < 0.5), seed
            compared, given = compared + 1, given + bool(foreseen)
    assert compared > STORIES
    assert compared / 4 < given < compared


def told_in_part(seed: int, random: Random) -> Journal:
    """A story until some moment of it, as it happened, with credits spent on the way."""
    story = Teller(random).tell()
    journal = opened()
    for fact in story.facts[: random.randrange(1, len(story.facts) + 1)]:
        pass_time(journal, max(journal.now, moment_of(fact) or journal.now))
        journal.carry_out(fact)
        spend(journal, random)
    pass_time(journal, journal.now + timedelta(seconds=random.randrange(20 * 86_400)))
    return journal


def spend(journal: Journal, random: Random) -> None:
    available = account_of(journal).balance.available
    if available and random.random() < 0.5:
        journal.carry_out(c.DeductCredits(ACCOUNT_ID, random.randrange(1, available + 1)))


def granted_when_paid(before: Journal, one: Running, wanted: Target, *, word_first: bool) -> int:
    """What the payment of a change bought by the time that it and the word of its plan were recorded."""
    at, journal = before.now, Journal()
    journal.now, journal.account, journal.events = at, before.account, [*before.events]
    what = SubscriptionPayment(one.id, "change", at, at, paid_until(one, wanted, at), wanted.quantity, wanted.terms)
    amount = 0 if one.now["status"] == "trialing" else wanted.price.amount_minor
    paid = c.RecordPayment(ACCOUNT_ID, "in_change", "stripe", "paid", amount, "EUR", None, (), what)
    told = c.RecordSubscription(
        ACCOUNT_ID,
        one.id,
        "stripe",
        one.now["status"],
        wanted.terms,
        at,
        wanted.quantity,
        one.now["current_period_start"],
        one.now["current_period_end"],
        trial_ends_at=one.now["trial_ends_at"],
    )
    for command in (told, paid) if word_first else (paid, told):
        journal.carry_out(command)
    recorded = journal.events[len(before.events) :]
    return sum(e.amount for e in recorded if isinstance(e, CreditsGranted) and e.payment_id == "in_change")


def paid_until(one: Running, wanted: Target, at: datetime) -> datetime:
    end = one.now["current_period_end"]
    assert one.terms is not None
    if end is not None and end > at and one.terms.billed == wanted.terms.billed:
        return end
    return (wanted.terms.billed or MONTH).after(at, 1)
