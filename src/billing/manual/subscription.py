"""A subscription at our own provider: what it becomes when it is paid, or when time passes. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count

from billing.checkouts.checkout import Bought, Checkout, bought_as
from billing.manual.payloads import Event, Status, subscription_event
from billing.plans import Interval as PlanInterval
from ledger.domain.plans.terms import Interval

REQUEST_BEFORE = timedelta(days=7)
"""How long before the end of a period the payment for the next one is asked for."""
DUNNING = timedelta(days=14)
"""How long after the grace of its plan an unpaid subscription is waited for, before it ends."""
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A row of the table. Without a `period_end` it costs nothing; the period of one in trial is the trial.

    `step_at` is when time is next to change it. `live`: its period was paid with real money, if it costs any.
    """

    subscription_id: str
    account_id: str
    checkout_id: str
    plan: str
    version: int
    price: str | None
    quantity: int
    status: Status
    anchor: datetime
    period_start: datetime
    period_end: datetime | None
    ends_at: datetime | None
    next_product: str | None
    next_quantity: int | None
    told_at: datetime
    step_at: datetime | None
    live: bool = True

    @property
    def bought(self) -> Bought:
        """What it is a subscription to."""
        return Bought("plan", self.plan, self.version, self.price, self.quantity)

    @property
    def following(self) -> Bought | None:
        """What it renews as, when that is something else."""
        return None if self.next_product is None else bought_as(self.next_product, self.next_quantity or 1)

    def word(self, *, live: bool) -> Event:
        """What is told about it."""
        return subscription_event(
            self.subscription_id,
            self.status,
            self.told_at,
            {
                "account_id": self.account_id,
                "checkout_id": self.checkout_id,
                "period_start": self.period_start,
                "period_end": self.period_end,
                "ends_at": self.ends_at,
                "trial_ends_at": self.period_end if self.status == "trialing" else None,
            },
            self.bought,
            self.following,
            live=live,
        )


def length_of(interval: PlanInterval) -> Interval:
    """An interval of the catalogue as the ledger counts it."""
    return Interval(interval.days, "days") if interval.days is not None else Interval(interval.months or 0, "months")


def begun(checkout: Checkout, length: Interval | None, now: datetime) -> Subscription:
    """One that begins now. Without a length it costs nothing."""
    end = length.after(now, 1) if length is not None else None
    return Subscription(
        subscription_id=f"sub_{checkout.checkout_id.removeprefix('chk_')}",
        account_id=checkout.account_id,
        checkout_id=checkout.checkout_id,
        plan=checkout.entry_id,
        version=checkout.version,
        price=checkout.price,
        quantity=checkout.quantity,
        status="active",
        anchor=now,
        period_start=now,
        period_end=end,
        ends_at=None,
        next_product=None,
        next_quantity=None,
        told_at=now,
        step_at=end - REQUEST_BEFORE if end is not None else None,
    )


def tried(checkout: Checkout, days: int, now: datetime) -> Subscription:
    """One that begins with a trial of some days. Its periods are counted from the end of the trial."""
    end = now + timedelta(days=days)
    step_at = max(end - REQUEST_BEFORE, now)
    return replace(begun(checkout, None, now), status="trialing", anchor=end, period_end=end, step_at=step_at)


def keeps_period(one: Subscription, old: Interval | None, new: Interval | None) -> bool:
    """Whether a change now is for the rest of the period, as it always is in a trial; else a new one begins."""
    return one.period_end is not None and (one.status == "trialing" or old == new)


def next_period(one: Subscription, bought: Bought, length: Interval) -> tuple[datetime, datetime]:
    """The period after the one that is paid. Months are counted from where they began: 31 January, 28 February, 31
    March."""
    assert one.period_end is not None
    anchor = one.anchor if bought == one.bought else one.period_end
    return one.period_end, next(end for end in _ends(anchor, length) if end > one.period_end)


def _ends(anchor: datetime, length: Interval) -> Iterator[datetime]:
    return (length.after(anchor, number) for number in count(1))


def renewed(one: Subscription, checkout: Checkout, now: datetime) -> Subscription:
    """It after the payment for its next period, however late that came."""
    start, end = checkout.period_start, checkout.period_end
    assert start is not None
    assert end is not None
    anchor = one.anchor if checkout.bought == one.bought else start
    paid = _as(one, checkout.bought, now)
    return replace(paid, anchor=anchor, period_start=start, period_end=end, step_at=_step(end, one.ends_at))


def changed(one: Subscription, bought: Bought, length: Interval | None, *, keeps: bool, now: datetime) -> Subscription:
    """It as something else from now on. `keeps`: for the rest of its period; else a new period begins.

    A trial goes on as it is, with nothing to pay until its end.
    """
    new = _as(one, bought, now)
    if one.status == "trialing":
        new = replace(new, status="trialing")
    if keeps:
        return replace(new, step_at=_step(one.period_end, one.ends_at))
    end = length.after(now, 1) if length is not None else None
    return replace(new, anchor=now, period_start=now, period_end=end, step_at=_step(end, one.ends_at))


def _as(one: Subscription, bought: Bought, now: datetime) -> Subscription:
    return replace(
        told(one, now),
        plan=bought.entry_id,
        version=bought.version,
        price=bought.price,
        quantity=bought.quantity,
        status="active",
        next_product=None,
    )


def _step(end: datetime | None, ends_at: datetime | None) -> datetime | None:
    if ends_at is not None:
        return ends_at
    return end - REQUEST_BEFORE if end is not None else None


def told(one: Subscription, now: datetime) -> Subscription:
    """It with a new word, which is later than the last one whatever the clock says."""
    return replace(one, told_at=max(now, one.told_at + _TICK))


def past_due(one: Subscription, grace: timedelta, now: datetime) -> Subscription:
    """It after the end of its period, unpaid."""
    assert one.period_end is not None
    return replace(told(one, now), status="past_due", step_at=one.period_end + grace + DUNNING)


def ended(one: Subscription, now: datetime) -> Subscription:
    """It after its end."""
    return replace(told(one, now), status="ended", step_at=None)


def cancelled(one: Subscription, now: datetime) -> Subscription:
    """It when it is to end with its period; one that costs nothing ends at once."""
    if one.period_end is None or one.status == "past_due":
        return ended(one, now)
    return replace(told(one, now), ends_at=one.period_end, step_at=one.period_end, next_product=None)


def resumed(one: Subscription, now: datetime) -> Subscription:
    """It when it is neither to end nor to change."""
    back = replace(told(one, now), ends_at=None, next_product=None)
    return replace(back, step_at=_step(one.period_end, None) if _is_paid(one) else now)


def scheduled(one: Subscription, bought: Bought, now: datetime) -> Subscription:
    """It when it is to renew as something else."""
    return replace(
        told(one, now),
        ends_at=None,
        next_product=bought.product,
        next_quantity=bought.quantity,
        step_at=_step(one.period_end, None) if _is_paid(one) else now,
    )


def _is_paid(one: Subscription) -> bool:
    """Whether nothing is due yet."""
    return one.status in ("trialing", "active")


def prorated(one: Subscription, old_minor: int, new_minor: int, *, keeps: bool, now: datetime) -> int:
    """What a change now costs: for the time that is left, or a whole new period less what is unused of the old one.

    In a trial it is nothing.
    """
    if one.status == "trialing":
        return 0
    if one.period_end is None:
        return new_minor
    whole, left = (one.period_end - one.period_start) // _TICK, max(one.period_end - now, timedelta()) // _TICK
    if keeps:
        return max((new_minor - old_minor) * left // whole, 0)
    return max(new_minor - old_minor * left // whole, 0)
