"""Random lives at our own provider: what was paid is what is had, whatever somebody wishes, and whenever they pay.

What was paid for is worked out here from the payments alone, as spans of time at a price: no code of the source is used
for it.
"""

from calendar import monthrange
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fractions import Fraction
from random import Random

from billing.changes.changing import Asker
from billing.changes.targets import PlanWish
from billing.checkouts.checkout import Checkout
from billing.checkouts.table import find
from billing.errors import BillingRefused
from ledger.domain.errors import Refusal
from tests.billing.manual.till import Till
from tests.long_form import times

SEEDS, STEPS = times(6, 300), 40
PRICES = {("lite", "monthly"): 1_000, ("pro", "monthly"): 3_000, ("pro", "yearly"): 30_000}
GRACE, DUNNING = timedelta(days=1), timedelta(days=14)
SOMEBODY = Asker("key:test")
RUNS = ("active", "past_due")
_SECOND = timedelta(seconds=1)


@dataclass
class Span:
    """Time that is paid for. It is a part of a period, of some length, which costs a price."""

    start: datetime
    end: datetime
    length: timedelta
    price: int


@dataclass
class Life:
    """One customer: the spans that their present subscription was paid for, what all of it cost, and what is over."""

    till: Till
    random: Random
    account: str
    spans: list[Span] = field(default_factory=list)
    yearly: bool = False
    paid: int = 0
    had: Fraction = Fraction()
    rounding: Fraction = Fraction()
    done: set[str] = field(default_factory=set)

    @property
    def now(self) -> datetime:
        return self.till.desk.clock.now

    @property
    def covered_to(self) -> datetime | None:
        return self.spans[-1].end if self.spans else None

    async def live(self) -> None:
        await self.till.desk.open(self.account)
        ways = [self.buy, *[self.pay] * 4, self.pay_any, *[self.change] * 4, self.cancel, self.reactivate]
        for _ in range(STEPS):
            await self.till.wait(days=self.random.choice([0, 0, 0, 1, 3, 8, 20, 25]))
            self.till.desk.clock.forward(seconds=5)  # so that no wish waits for the provider's clock
            try:
                await self.random.choice(ways)()
            except (BillingRefused, Refusal) as refused:
                self.done.add(type(refused).__name__)
            await self.till.desk.apply()
            await self.check()

    async def buy(self) -> None:
        plan, price = self.random.choice(list(PRICES))
        await self.till.buy(self.account, "plan", plan, price)

    async def pay(self) -> None:
        """What is asked for, the newest first."""
        waiting = [one for one in await self.checkouts() if one.state == "open"]
        if waiting:
            await self.take(waiting[-1])

    async def pay_any(self) -> None:
        """Something that was ever asked for: maybe too late, or a second time."""
        every = await self.checkouts()
        if every:
            await self.take(self.random.choice(every))

    async def take(self, checkout: Checkout) -> None:
        goes_on = any(one["status"] in RUNS for one in await self.till.now(self.account))
        done = await self.till.receive(checkout.checkout_id)
        self.done.add(f"{checkout.purpose} {checkout.state} {done}")
        if done == "paid":
            self.count(checkout, goes_on=goes_on and checkout.purpose != "purchase")

    def count(self, checkout: Checkout, *, goes_on: bool) -> None:
        """What a payment paid for: a part of the subscription that goes on, or the beginning of another."""
        self.paid += checkout.amount_minor
        price, yearly = PRICES[checkout.entry_id, checkout.price or ""], checkout.price == "yearly"
        if checkout.purpose == "renewal" and goes_on:
            assert checkout.period_start is not None
            assert checkout.period_end is not None
            assert checkout.period_start == self.covered_to, "no moment is left out, and none is paid twice"
            self.add(checkout.period_start, checkout.period_end, price, yearly=yearly)
        elif checkout.purpose == "change" and goes_on and yearly == self.yearly:
            self.put_on(price)
        else:
            if checkout.purpose == "change" and goes_on:  # the price of a change holds for a week
                self.rounding += max(Fraction(one.price * 7, one.length.days) for one in self.spans)
            self.cut()
            self.add(self.now, month_after(self.now, 12 if yearly else 1), price, yearly=yearly)

    def add(self, start: datetime, end: datetime, price: int, *, yearly: bool) -> None:
        length = end - start
        assert timedelta(days=365 if yearly else 28) <= length <= timedelta(days=366 if yearly else 31)
        self.spans.append(Span(start, end, length, price))
        self.yearly = yearly

    def put_on(self, price: int) -> None:
        """The rest of what is paid is at another price now."""
        before = [replace(one, end=min(one.end, self.now)) for one in self.spans if one.start < self.now]
        after = [replace(one, start=max(one.start, self.now), price=price) for one in self.spans if one.end > self.now]
        self.spans = [*before, *after]
        self.rounding += 1 + Fraction(price, 30)  # months that are paid in advance are not equally long

    def cut(self) -> None:
        """What was paid for ends now, and another subscription or period begins."""
        self.had += sum((self.value(one, self.now) for one in self.spans), Fraction())
        self.spans = []

    def value(self, span: Span, to: datetime) -> Fraction:
        """What the time of a span is worth, until a moment."""
        return (
            span.price * Fraction(max(min(span.end, to) - span.start, timedelta()) / _SECOND) / (span.length // _SECOND)
        )

    async def change(self) -> None:
        plan, price = self.random.choice(list(PRICES))
        way = self.random.choice([self.till.changing.upgrade, self.till.changing.downgrade])
        await way(self.account, PlanWish(plan, price), SOMEBODY)

    async def cancel(self) -> None:
        when = self.random.choice(["period_end", "period_end", "period_end", "now"])
        late = self.covered_to is not None and self.now >= self.covered_to
        await self.till.changing.cancel(self.account, when, None, SOMEBODY)  # type: ignore[arg-type]
        if when == "now" or late:
            self.cut()

    async def reactivate(self) -> None:
        await self.till.changing.reactivate(self.account, None, SOMEBODY)

    async def checkouts(self) -> list[Checkout]:
        """All that was ever asked for, the oldest first."""
        mine = "SELECT checkout_id FROM billing.checkouts WHERE account_id = %s ORDER BY created_at"
        async with self.till.desk.ledger.log.connection() as connection:
            rows = await (await connection.execute(mine, [self.account])).fetchall()
            found = [await find(connection, row[0], self.now) for row in rows]
        return [one for one in found if one is not None]

    async def check(self) -> None:
        active = [one for one in await self.till.now(self.account) if one["status"] in RUNS]
        asked = [one for one in await self.checkouts() if one.state == "open" and one.purpose != "purchase"]
        assert len(active) <= 1, "two subscriptions of a group"
        assert len({one.purpose for one in asked}) == len(asked), "two requests of a kind"
        value = self.had + sum((self.value(one, one.end) for one in self.spans), Fraction())
        assert value <= self.paid + self.rounding, "more was had than was paid"
        if not active or active[0]["cancel_at"] is not None:
            assert asked == [], "asked to pay for what ends"
        if active:
            assert self.covered_to is not None
            ends = min([one.end for one in self.spans if one.end > self.now], default=self.covered_to)
            assert active[0]["current_period_end"] == ends
            assert self.now < self.covered_to + GRACE + DUNNING, "a period that nobody paid"
            assert (active[0]["status"] == "active") == (self.now < self.covered_to)
        if self.covered_to is None or self.now >= self.covered_to + GRACE:
            left = await self.till.desk.available(self.account)
            assert not active or left == 0, "credits that nobody paid for"


def month_after(start: datetime, months: int) -> datetime:
    """The same day some months later, or the last day of a month that is shorter."""
    year, month = start.year + (start.month - 1 + months) // 12, (start.month - 1 + months) % 12 + 1
    return start.replace(year=year, month=month, day=min(start.day, monthrange(year, month)[1]))


async def test_what_is_paid_is_what_is_had(till: Till) -> None:
    done: set[str] = set()
    for seed in range(SEEDS):
        life = Life(till, Random(seed), f"life-{seed}")
        try:
            await life.live()
        except AssertionError as failed:
            raise AssertionError(f"life {seed}: {failed}") from failed
        done |= life.done
    assert {"purchase open paid", "renewal open paid", "change open paid", "change cancelled cannot"} <= done, done
    assert {"AlreadySubscribed", "AlreadyCancelled", "NoSubscription"} <= done, done
