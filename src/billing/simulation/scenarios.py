"""The scenarios: short lives of a customer, as the steps that happen in them."""

from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from billing.simulation.steps import (
    Disputed,
    Failed,
    Happened,
    Outcome,
    Paid,
    Reason,
    Refunded,
    Sale,
    Step,
    Subscription,
    Told,
)

_MOMENT = timedelta(seconds=2)
"""Between two steps: providers' clocks have whole seconds."""


@dataclass(frozen=True, slots=True)
class Prices:
    """What the customer buys: products by the provider's ids, and their prices in minor units."""

    plan: str
    better_plan: str
    package: str
    plan_minor: int = 19_00
    better_minor: int = 99_00
    package_minor: int = 6_00
    currency: str = "EUR"


SAMPLE_PRICES = {
    "dodo": Prices("pdt_pro_monthly", "pdt_max_monthly", "pdt_small"),
    "lemonsqueezy": Prices("410001", "420001", "430001"),
    "stripe": Prices("price_pro_monthly", "price_max_monthly", "price_small"),
}
"""What the sample catalogue sells, docs/catalog.toml, for each provider."""


class Life:
    """A life that goes on from one moment to the next; `steps` are what happened in it."""

    def __init__(self, prices: Prices, start: datetime) -> None:
        self.steps: list[Step] = []
        self._prices = prices
        self._now = start
        self._sales: list[Sale] = []
        self._subscription: Subscription | None = None
        self._failed: Sale | None = None
        self._refunded: dict[int, int] = {}

    def buy_package(self, quantity: int = 1) -> None:
        """Buy some packages of credits."""
        sale = self._sale("topup", self._prices.package, self._prices.package_minor * quantity, quantity)
        self.steps.append(Paid(sale))

    def subscribe(self) -> None:
        """Begin a subscription of the plan, and pay its first month."""
        prices, now = self._prices, self._moment()
        self._subscription = Subscription(
            prices.plan, prices.plan_minor, prices.currency, now, now, month_after(now, now.day)
        )
        self._tell("created")
        self._pay("initial", prices.plan_minor)

    def renew(self) -> None:
        """Pay the next month, when it begins."""
        self._begin_next_month()
        self._tell("renewed")
        self._pay("renewal", self._open.amount_minor)

    def fail_to_renew(self) -> None:
        """Begin the next month with a payment that fails."""
        self._begin_next_month()
        self._change(past_due=True)
        self._failed = self._sale("renewal", self._open.product, self._open.amount_minor)
        self.steps.append(Failed(self._failed, self._open))
        self._tell("past_due")

    def recover(self) -> None:
        """Pay what failed, a day later."""
        assert self._failed is not None, "a payment failed"
        self._now += timedelta(days=1)
        self._change(past_due=False)
        sale = replace(self._failed, attempt=self._failed.attempt + 1, at=self._moment())
        self._sales[-1], self._failed = sale, None
        self.steps.append(Paid(sale, self._open))
        self._tell("recovered")

    def upgrade(self) -> None:
        """Change to the better plan at once, and pay the difference for what is left of the month."""
        prices, subscription = self._prices, self._open
        left = (subscription.period_end - self._now) / (subscription.period_end - subscription.period_start)
        difference = int((prices.better_minor - subscription.amount_minor) * max(0.0, min(1.0, left)))
        self._change(product=prices.better_plan, amount_minor=prices.better_minor, previous=subscription.product)
        self._tell("changed")
        self._pay("change", difference)

    def cancel(self) -> None:
        """Cancel at the end of the month; the subscription runs until then."""
        self._change(ends_at=self._open.period_end)
        self._tell("cancelled")

    def resume(self) -> None:
        """Take the cancellation back."""
        self._change(ends_at=None)
        self._tell("resumed")

    def end(self) -> None:
        """End the subscription at the end of its month."""
        self._now = max(self._now, self._open.period_end)
        self._change(ends_at=self._open.period_end, ended=True)
        self._tell("ended")

    def refund(self, amount_minor: int | None = None) -> None:
        """Refund some of the last payment, or what is left of it."""
        sale = self._sales[-1]
        before = self._refunded.get(sale.number, 0)
        amount = sale.amount_minor - before if amount_minor is None else amount_minor
        self._refunded[sale.number] = before + amount
        self.steps.append(Refunded(sale, self._paid_for(sale), amount, before + amount, self._moment()))

    def dispute(self, outcome: Outcome) -> None:
        """Open a dispute of the last payment, or close it."""
        sale = self._sales[-1]
        self.steps.append(Disputed(sale, self._paid_for(sale), outcome, self._moment()))

    def pass_days(self, days: int) -> None:
        """Let some days go by."""
        self._now += timedelta(days=days)

    @property
    def now(self) -> datetime:
        """The moment that the life has reached."""
        return self._now

    @property
    def last_amount(self) -> int:
        """The amount of the last payment."""
        return self._sales[-1].amount_minor

    @property
    def _open(self) -> Subscription:
        assert self._subscription is not None, "there is a subscription"
        return self._subscription

    def _moment(self) -> datetime:
        self._now += _MOMENT
        return self._now

    def _change(self, **changes: Any) -> None:
        self._subscription = replace(self._open, **changes)

    def _begin_next_month(self) -> None:
        end = self._open.period_end
        self._now = max(self._now, end)
        self._change(period_start=end, period_end=month_after(end, self._open.started_at.day), previous=None)

    def _paid_for(self, sale: Sale) -> Subscription | None:
        return None if sale.reason == "topup" else self._subscription

    def _pay(self, reason: Reason, amount_minor: int) -> None:
        self.steps.append(Paid(self._sale(reason, self._open.product, amount_minor), self._open))

    def _sale(self, reason: Reason, product: str, amount_minor: int, quantity: int = 1) -> Sale:
        number = len(self._sales) + 1
        sale = Sale(number, reason, product, quantity, amount_minor, self._prices.currency, self._moment())
        self._sales.append(sale)
        return sale

    def _tell(self, what: Happened) -> None:
        self.steps.append(Told(what, self._open, self._moment()))


def month_after(at: datetime, day: int) -> datetime:
    """The same day a month later, or the last of that month when it has no such day."""
    year, month = (at.year, at.month + 1) if at.month < 12 else (at.year + 1, 1)
    return at.replace(year=year, month=month, day=min(day, monthrange(year, month)[1]))


def _renew(life: Life) -> None:
    life.subscribe()
    life.renew()


def _fail_and_recover(life: Life) -> None:
    life.subscribe()
    life.fail_to_renew()
    life.recover()


def _upgrade(life: Life) -> None:
    life.subscribe()
    life.pass_days(10)
    life.upgrade()


def _cancel(life: Life) -> None:
    life.subscribe()
    life.cancel()


def _refund(life: Life) -> None:
    life.buy_package()
    life.refund(life.last_amount // 2)
    life.refund()


def _dispute(life: Life) -> None:
    life.buy_package()
    life.dispute("open")
    life.dispute("lost")


def _everything(life: Life) -> None:
    life.subscribe()
    life.buy_package(2)
    life.refund(life.last_amount // 2)
    life.renew()
    life.pass_days(10)
    life.upgrade()
    life.buy_package()
    life.dispute("open")
    life.dispute("won")
    life.cancel()


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a scenario shows, how long before now it begins, and how the life goes on."""

    shows: str
    begins: timedelta
    live: Callable[[Life], None]
    shuffled: bool = False


_MONTH = timedelta(days=31, minutes=1)
SCENARIOS: dict[str, Scenario] = {
    "subscribe": Scenario("a subscription begins, and its first month is paid", timedelta(minutes=1), Life.subscribe),
    "renew": Scenario("a subscription is paid for a second month", _MONTH, _renew),
    "fail-recover": Scenario("a renewal fails, and is paid a day later", _MONTH + timedelta(days=2), _fail_and_recover),
    "upgrade": Scenario(
        "a subscription changes to a better plan after ten days", timedelta(days=10, minutes=1), _upgrade
    ),
    "cancel": Scenario("a subscription is cancelled, and runs until its month ends", timedelta(minutes=1), _cancel),
    "refund": Scenario("a package is bought, and refunded in two parts", timedelta(minutes=1), _refund),
    "dispute": Scenario("a package is bought, disputed, and the dispute is lost", timedelta(minutes=1), _dispute),
    "topup": Scenario("a package is bought", timedelta(minutes=1), Life.buy_package),
    "shuffle": Scenario(
        "all of this in one life: each delivery comes twice, and all of them in a random order",
        _MONTH + timedelta(days=11),
        _everything,
        shuffled=True,
    ),
}


def steps_of(scenario: str, prices: Prices, now: datetime) -> list[Step]:
    """The steps of a scenario that ends at about `now`. Raises KeyError for an unknown one."""
    chosen = SCENARIOS[scenario]
    life = Life(prices, (now - chosen.begins).replace(microsecond=0))
    chosen.live(life)
    return life.steps
