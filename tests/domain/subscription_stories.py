"""Stories of customers' lives with a subscription: what a provider reports, and what it comes to.

What it comes to is worked out here from the story itself, which knows who paid for what: month by month, with the plan
of each payment. No code of the ledger is used for it but the commands.
"""

from calendar import monthrange
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from random import Random

from ledger.domain import commands as c
from ledger.domain.plans.subscribed import SubscriptionPayment
from ledger.domain.plans.terms import Interval, Terms
from tests.domain.journal import ACCOUNT_ID, DAY_ZERO

SECOND = timedelta(seconds=1)
MONTH, YEAR = Interval(1, "months"), Interval(12, "months")
PRICES = {"lite": 500, "pro": 2_000, "max": 9_000}
CREDITS = {"lite": 100, "pro": 1_000, "max": 5_003}
SUBSCRIPTION = "stripe:sub_1"


def terms(plan: str, *, yearly: bool = False, trial_credits: int = 0) -> Terms:
    """The terms of a plan, which gives its credits every month."""
    rank = list(PRICES).index(plan)
    return Terms(plan, 1, CREDITS[plan], MONTH, YEAR if yearly else MONTH, rank=rank, trial_credits=trial_credits)


def month_after(start: datetime, months: int) -> datetime:
    """The same day some months later, or the last day of a month that is shorter."""
    year, month = start.year + (start.month - 1 + months) // 12, (start.month - 1 + months) % 12 + 1
    return start.replace(year=year, month=month, day=min(start.day, monthrange(year, month)[1]))


@dataclass
class Money:
    """A payment as the story knows it."""

    name: str
    plan: str
    amount: int
    back: int = 0


@dataclass
class Month:
    """A month that was paid for: the payment of it, and the changes in it with their moments."""

    start: datetime
    end: datetime
    paid: Money
    changes: list[tuple[datetime, Money]] = field(default_factory=list)

    def credits(self) -> dict[str, int]:
        """What each payment gives in this month."""
        best = CREDITS[self.paid.plan]
        found = {self.paid.name: _left(best, self.paid)}
        for at, money in self.changes:
            more = CREDITS[money.plan] - best
            if more > 0:
                time_left = Fraction((self.end - max(at, self.start)) // SECOND, (self.end - self.start) // SECOND)
                found[money.name] = _left(int(more * time_left), money)
                best += more
        return found


def _left(credits: int, money: Money) -> int:
    return credits - int(Fraction(credits * money.back, money.amount)) if money.amount else credits


@dataclass
class Story:
    """What the provider reports, in the order in which it happened, and the months that were paid for."""

    facts: list[c.Command] = field(default_factory=list)
    months: list[Month] = field(default_factory=list)
    trial: int = 0
    end: datetime = DAY_ZERO


class Teller:
    """Makes a story. Words do not always name payments, and payments do not always name their plan."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.story = Story()
        self.at = DAY_ZERO + timedelta(days=random.randrange(60), seconds=random.randrange(86_400))
        self.plan = random.choice(list(PRICES))
        self.yearly = random.random() < 0.3
        self.names_plan = random.random() < 0.5
        self.period = (self.at, self.at)
        self.payments = 0
        self.ends_at: datetime | None = None

    def tell(self) -> Story:
        """One life: maybe a trial, then periods with changes and renewals, then maybe an end."""
        if self.random.random() < 0.25:
            self._trial()
        self._pay("initial", self.at)
        for number in range(self.random.randrange(3)):
            self._changes()
            if self.random.random() < 0.15:
                self._cancel()
                break
            self.at = self.period[1]
            if self.random.random() < 0.3 and not number:
                self._downgrade()
            self._pay("renewal", self.at)
        self.story.end = max(self.at, self.period[0]) + timedelta(days=self.random.randrange(1, 40))
        return self.story

    def _word(self, status: str, at: datetime, **more: object) -> None:
        start, end = self.period
        known = {"period_start": start, "period_end": end} if end > start else {}
        plan = terms(self.plan, yearly=self.yearly, trial_credits=50)
        self.story.facts.append(
            c.RecordSubscription(ACCOUNT_ID, SUBSCRIPTION, "stripe", status, plan, at, **{**known, **more})  # type: ignore[arg-type]
        )

    def _trial(self) -> None:
        ends = self.at + timedelta(days=14)
        self._word("trialing", self.at, trial_ends_at=ends)
        self.story.trial = 50
        what = SubscriptionPayment(SUBSCRIPTION, "initial", self.at, self.at, ends)
        self.story.facts.append(c.RecordPayment(ACCOUNT_ID, "in_trial", "stripe", "paid", 0, "EUR", subscription=what))
        self.at = ends

    def _pay(self, reason: str, at: datetime) -> Money:
        self.payments += 1
        name = f"in_{self.payments}"
        money = Money(name, self.plan, PRICES[self.plan] * (10 if self.yearly else 1))
        if reason != "change":
            months = 12 if self.yearly else 1
            self.period = at, month_after(at, months)
            for number in range(months):
                self.story.months.append(Month(month_after(at, number), month_after(at, number + 1), money))
        plan = terms(self.plan, yearly=self.yearly) if self.names_plan or reason == "change" else None
        what = SubscriptionPayment(SUBSCRIPTION, reason, at, *self.period, terms=plan)  # type: ignore[arg-type]
        self._word("active", at)
        if self.random.random() < 0.2:
            self._record(money, "failed", what)
        self._record(money, "paid", what)
        self._go_back(money)
        return money

    def _record(self, money: Money, status: str, what: SubscriptionPayment) -> None:
        self.story.facts.append(
            c.RecordPayment(ACCOUNT_ID, money.name, "stripe", status, money.amount, "EUR", None, (), what)  # type: ignore[arg-type]
        )

    def _go_back(self, money: Money) -> None:
        """Refunds of a payment, or a dispute of all of it."""
        chance = self.random.random()
        if chance < 0.15:
            part = self.random.randrange(1, money.amount)
            parts = [part, money.amount - part] if chance < 0.07 else [part]
            for number, amount in enumerate(parts):
                self.story.facts.append(c.RefundPayment(ACCOUNT_ID, money.name, f"re_{number}", amount, "stripe"))
                money.back += amount
        elif chance < 0.25:
            ends = self.random.choice(["won", "lost"])
            for state in ("open", ends):
                self.story.facts.append(c.RecordDispute(ACCOUNT_ID, money.name, "dp_1", state, None, "stripe"))  # type: ignore[arg-type]
            money.back += money.amount if ends == "lost" else 0

    def _changes(self) -> None:
        """Up and down and up again within a period; each change is paid for."""
        start, end = self.period
        at = start
        for _ in range(self.random.choice([0, 0, 1, 2, 3])):
            at += timedelta(seconds=1) + (end - at) * self.random.random() * 0.5
            at = at.replace(microsecond=0)
            self.plan = self.random.choice(list(PRICES))
            money = self._pay("change", at)
            for month in self.story.months:
                if start <= month.start < end and at < month.end:
                    month.changes.append((at, money))
            self.at = at

    def _downgrade(self) -> None:
        self.plan = self.random.choice(list(PRICES))

    def _cancel(self) -> None:
        self.at += timedelta(hours=1)
        self._word("active", self.at, ends_at=self.period[1])
        self.at = self.period[1]
        self._word("ended", self.at, ends_at=self.period[1])
