"""What a change of a subscription comes to: what was asked of the provider, and what follows as far as it is known."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from billing.changes.comparing import Target, TimeLeft
from billing.changes.running import Running
from billing.plans import PlanPrice
from ledger.domain.plans.subscribed import SubscriptionStatus

Effect = Literal["now", "checkout", "period_end"]
"""When a change takes effect: at once, when a page is paid on, or at the end of the period."""


@dataclass(frozen=True, slots=True)
class NewPlan:
    """The plan that a change leads to, with the full price of an interval of it."""

    plan: str
    name: str
    price: str
    quantity: int
    amount_minor: int
    currency: str
    interval: str
    """After the word `every`: month, year, 14 days."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of the provider of a subscription, or would be. Times are in UTC.

    `at` is when it takes effect; None: as soon as the provider says so. `amount_minor` is what is paid now; None: the
    provider computes it. `held`: it is asked of the provider shortly before `at`. `recorded`: the ledger knows it.
    """

    subscription_id: str
    provider: str
    effect: Effect
    status: SubscriptionStatus
    at: datetime | None = None
    new: NewPlan | None = None
    credits_now: int = 0
    amount_minor: int | None = None
    time_left: TimeLeft | None = None
    url: str | None = None
    expires_at: datetime | None = None
    held: bool = False
    recorded: bool = False


def new_plan(target: Target) -> NewPlan:
    """The plan of a target."""
    price: PlanPrice = target.price
    return NewPlan(
        target.plan,
        target.name,
        price.price,
        target.quantity,
        price.amount_minor * target.quantity,
        price.currency,
        str(price.interval),
    )


def ends_at(running: Running, now: datetime) -> datetime:
    """When the period of a subscription ends, or its trial; now if nobody knows."""
    return running.now["current_period_end"] or running.now["trial_ends_at"] or now
