"""Which of two plans is better, and what a change to a plan gives at once. Pure."""

from dataclasses import dataclass
from datetime import datetime

from billing.changes.refusals import AlreadyOnPlan, NotADowngrade, NotAnUpgrade
from billing.changes.running import Running
from billing.plans import PlanPrice
from ledger.domain.account import Account
from ledger.domain.commands import RecordPayment
from ledger.domain.decisions.decider import decide
from ledger.domain.events import CreditsGranted
from ledger.domain.plans.subscribed import SubscriptionPayment
from ledger.domain.plans.terms import Interval, Terms

_DAYS_OF_MONTH = 30
_FORESEEN = "foreseen"
"""The payment of a change that nobody has paid yet."""
Worth = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Target:
    """A plan to change to: its name, the price that is paid, and what the provider sells it as."""

    plan: str
    name: str
    price: PlanPrice
    product: str
    terms: Terms
    quantity: int

    @property
    def sold_as(self) -> tuple[str, int]:
        """The product, and how many of it."""
        return self.product, self.quantity


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """How much of the current period is left, in whole seconds."""

    seconds: int
    of_seconds: int


def check_upgrade(running: Running, target: Target) -> None:
    """Raise AlreadyOnPlan, or NotAnUpgrade, unless a target is better than what runs."""
    _check_other(running, target)
    if not is_better(running, target):
        raise NotAnUpgrade(target.plan, running.plan)


def check_downgrade(running: Running, target: Target) -> None:
    """Raise AlreadyOnPlan, or NotADowngrade, if a target is better than what runs."""
    _check_other(running, target)
    if is_better(running, target):
        raise NotADowngrade(target.plan, running.plan)


def is_better(running: Running, target: Target) -> bool:
    """Whether a change to a target is an upgrade."""
    return _worth(target.terms, target.quantity) > _worth(running.terms, running.now["quantity"])


def is_same(running: Running, target: Target) -> bool:
    """Whether a subscription has the terms of a target already, that many times."""
    return running.terms == target.terms and running.now["quantity"] == target.quantity


def _check_other(running: Running, target: Target) -> None:
    if is_same(running, target):
        raise AlreadyOnPlan(target.plan)


def _worth(terms: Terms | None, quantity: int) -> Worth:
    """What plans are compared by: the rank, the credits of a window, and for how long is paid at once."""
    if terms is None:
        return -1, 0, 0
    return terms.rank, terms.credits * quantity, _days(terms.billed)


def _days(interval: Interval | None) -> int:
    if interval is None:
        return 0
    return interval.length * (_DAYS_OF_MONTH if interval.unit == "months" else 1)


def credits_now(account: Account, running: Running, target: Target, at: datetime) -> int:
    """The credits that an upgrade gives as soon as it is paid, if that is at `at`. Raises Refusal.

    The decision of the ledger about such a payment says it: nothing of its rule is repeated here.
    """
    amount = 0 if running.now["status"] == "trialing" else target.price.amount_minor * target.quantity
    what = SubscriptionPayment(
        running.id, "change", at, at, _paid_until(running, target, at), target.quantity, target.terms
    )
    command = RecordPayment(
        account.account_id, _FORESEEN, running.provider, "paid", amount, target.price.currency, subscription=what
    )
    events = decide(command, account, at)
    return sum(event.amount for event in events if isinstance(event, CreditsGranted) and event.payment_id == _FORESEEN)


def _paid_until(running: Running, target: Target, at: datetime) -> datetime:
    """A change to a price of the same interval is paid until the end of the period; any other begins a period."""
    end, billed = running.now["current_period_end"], target.terms.billed
    same = running.terms is not None and running.terms.billed == billed
    if same and end is not None and end > at:
        return end
    return (billed or target.terms.every).after(at, 1)


def time_left(running: Running, at: datetime) -> TimeLeft | None:
    """How much of the current period is left; None when it has no end, or is over."""
    start, end = running.now["current_period_start"], running.now["current_period_end"]
    if start is None or end is None or not start <= at < end:
        return None
    return TimeLeft(int((end - at).total_seconds()), int((end - start).total_seconds()))
