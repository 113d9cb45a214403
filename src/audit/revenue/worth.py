"""The worth of paid credits: what was paid for them, exactly; and when it is earned, given back or still owed.

A pure fold of the log in the order of positions. Money that was paid is deferred: it is owed as credits. The worth of a
credit is fixed when it is granted, and follows it to other accounts:

- a payment is divided evenly among the credits that it bought;
- a payment for a subscription is divided over its period by time, and the share of each window among its allowance.

Deferred money becomes revenue when the credits are spent, and breakage when they lapse or are cancelled, or when the
time is over for which nothing was granted. Of a refund or a lost dispute, what is cancelled with it is given back; the
rest was earned before, and lessens the revenue. Credits that nobody paid for are worth nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from heapq import heappop, heappush
from typing import Literal, NamedTuple

from ledger.domain.events import (
    CreditsDeducted,
    CreditsExpired,
    CreditsGranted,
    CreditsReceived,
    DeductionReversed,
    DisputeRecorded,
    Event,
    GrantExpiryChanged,
    GrantVoided,
    HoldCaptured,
    HoldExpired,
    HoldReleased,
    PaymentRecorded,
    PaymentRefunded,
    TransferReversed,
)
from ledger.domain.holds import Returns
from ledger.domain.lots import Draws
from ledger.domain.plans.subscribed import AllowanceOf, SubscriptionPayment
from ledger.store import Logged

MICROSECOND = timedelta(microseconds=1)
What = Literal["paid", "back", "spent", "breakage", "returned"]
"""`paid` and `back` are money that came and went. Deferred money is what was paid, less what was spent, less breakage,
less what was `returned`, which is the part of `back` that was deferred until then."""


class Move(NamedTuple):
    """Money of one currency, in minor units, that moved at a moment."""

    at: datetime
    currency: str
    what: What
    money: Fraction


@dataclass(slots=True)
class _Paid:
    """A payment, and what of it no grant has yet."""

    amount: int
    currency: str
    awaited: tuple[str, ...]
    """The grants that it bought, which follow it in the log."""
    subscription: SubscriptionPayment | None
    left: Fraction
    credits: dict[str, int] = field(default_factory=dict)
    """Of the awaited grants those that came."""
    windows: set[datetime] = field(default_factory=set)
    back: int = 0
    """The money of it that went back."""
    owed: Fraction = Fraction(0)
    """Of that, what was not found in deferred money. Cancelled credits of the payment lessen it."""


class _Lot(NamedTuple):
    """What a credit of a grant is worth, and the payment that bought it."""

    worth: Fraction
    paid: _Paid


_PaymentKey = tuple[str, str, str]
"""An account, a provider and a payment id."""


@dataclass(slots=True)
class Worth:
    """What the log says so far. It keeps all payments, and all grants that were paid for."""

    _payments: dict[_PaymentKey, _Paid] = field(default_factory=dict)
    _first: dict[tuple[str, str], _Paid] = field(default_factory=dict)
    """Of each payment id of an account the first payment, which old refunds mean."""
    _subscriptions: dict[tuple[str, str, str], _Paid] = field(default_factory=dict)
    """The payments for subscriptions, by account, subscription and payment id."""
    _waiting: dict[tuple[str, str], _Paid] = field(default_factory=dict)
    """The payments of grants that are still to come, by account and grant."""
    _lots: dict[tuple[str, str], _Lot] = field(default_factory=dict)
    _ends: list[tuple[datetime, int, _Paid]] = field(default_factory=list)
    """When the periods of payments end, as a heap."""

    def add(self, logged: Logged) -> Iterator[Move]:
        """The moves of one more event, and of the periods that ended before it."""
        account, event = logged.account_id, logged.event
        yield from self.ended(event.recorded_at)
        match event:
            case PaymentRecorded(status="paid"):
                yield from self._pay(account, event)
            case PaymentRefunded():
                yield from self._give_back(event.recorded_at, self._refunded(account, event), event.amount_minor)
            case DisputeRecorded():
                if event.state == "lost":
                    paid = self._payments[account, event.provider, event.payment_id]
                    yield from self._give_back(event.recorded_at, paid, event.amount_minor)
                yield from self._come_back(account, event, event.returns)
            case CreditsGranted():
                self._grant(account, event)
            case CreditsReceived():
                lot = self._lots.get((event.from_account_id, event.from_grant_id))
                if lot is not None:
                    self._lots[account, event.grant_id] = lot
            case _:
                yield from self._used(account, event)

    def ended(self, now: datetime) -> Iterator[Move]:
        """The moves of the periods that ended by a moment: what no allowance took is breakage."""
        while self._ends and self._ends[0][0] <= now:
            at, _, paid = heappop(self._ends)
            if paid.left:
                yield Move(at, paid.currency, "breakage", paid.left)
                paid.left = Fraction(0)

    def due(self, now: datetime) -> Iterator[Move]:
        """The same moves, before an event says that it is so late: they change nothing here."""
        for at, _, paid in self._ends:
            if at <= now and paid.left:
                yield Move(at, paid.currency, "breakage", paid.left)

    def worth_of(self, account_id: str, grant_id: str) -> tuple[Fraction, str] | None:
        """What each credit of a grant is worth, and the currency; None of a grant that nobody paid for."""
        lot = self._lots.get((account_id, grant_id))
        return None if lot is None else (lot.worth, lot.paid.currency)

    def without_grant(self) -> dict[str, Fraction]:
        """The deferred money that no grant has, by currency: of allowances that are still to come."""
        sums: dict[str, Fraction] = {}
        for paid in self._payments.values():
            sums[paid.currency] = sums.get(paid.currency, Fraction(0)) + paid.left
        return sums

    def _pay(self, account: str, event: PaymentRecorded) -> Iterator[Move]:
        amount, at = Fraction(event.amount_minor), event.recorded_at
        paid = _Paid(event.amount_minor, event.currency, event.bought, event.subscription, amount)
        self._payments[account, event.provider, event.payment_id] = paid
        self._first.setdefault((account, event.payment_id), paid)
        self._waiting |= {(account, grant_id): paid for grant_id in event.bought}
        yield Move(at, paid.currency, "paid", amount)
        if event.subscription is not None:
            self._subscriptions[account, event.subscription.subscription_id, event.payment_id] = paid
            _, end = _period(event.subscription)
            heappush(self._ends, (max(end, at) if end else at, len(self._payments), paid))
        elif not event.bought:  # nothing is owed for it
            paid.left = Fraction(0)
            yield Move(at, paid.currency, "spent", amount)

    def _grant(self, account: str, event: CreditsGranted) -> None:
        paid = self._waiting.pop((account, event.grant_id), None)
        if paid is not None:
            paid.credits[event.grant_id] = event.amount
            if len(paid.credits) == len(paid.awaited):
                worth, paid.left = paid.left / sum(paid.credits.values()), Fraction(0)
                self._lots |= {(account, grant_id): _Lot(worth, paid) for grant_id in paid.credits}
        elif event.payment_id is not None and event.allowance is not None:
            paid = self._subscriptions.get((account, event.allowance.subscription_id, event.payment_id))
            if paid is not None:
                self._lots[account, event.grant_id] = _Lot(_share(paid, event.allowance) / event.amount, paid)

    def _refunded(self, account: str, event: PaymentRefunded) -> _Paid:
        if event.provider is None:
            return self._first[account, event.payment_id]
        return self._payments[account, event.provider, event.payment_id]

    def _give_back(self, at: datetime, paid: _Paid, minor: int) -> Iterator[Move]:
        """Money that goes back: first its share of what no grant has yet, then what is cancelled with it."""
        if not minor:
            return
        yield Move(at, paid.currency, "back", Fraction(minor))
        share = paid.left * minor / (paid.amount - paid.back)
        paid.back += minor
        paid.left -= share
        paid.owed += minor - share
        if share:
            yield Move(at, paid.currency, "returned", share)

    def _used(self, account: str, event: Event) -> Iterator[Move]:
        match event:
            case CreditsDeducted():
                yield from self._spend(account, event, event.draws)
            case HoldCaptured():
                yield from self._spend(account, event, event.draws)
                yield from self._come_back(account, event, event.returns)
            case HoldReleased() | HoldExpired() | TransferReversed():
                yield from self._come_back(account, event, event.returns)
            case DeductionReversed():
                for part in event.returns:
                    yield from self._spent(account, event.recorded_at, part.grant_id, -part.amount)
                yield from self._come_back(account, event, event.returns)
            case CreditsExpired():
                yield from self._lost(account, event.recorded_at, event.grant_id, event.amount)
            case GrantExpiryChanged():
                yield from self._lost(account, event.recorded_at, event.grant_id, -event.reinstated)
            case GrantVoided():
                yield from self._cancel(account, event.recorded_at, event.grant_id, event.amount)
            case _:
                pass

    def _spend(self, account: str, event: Event, draws: Draws) -> Iterator[Move]:
        for part in draws:
            yield from self._spent(account, event.recorded_at, part.grant_id, part.amount)

    def _come_back(self, account: str, event: Event, returns: Returns) -> Iterator[Move]:
        """What comes back to a lot that is over is lost at once."""
        for part in returns:
            if part.fate == "lapsed":
                yield from self._lost(account, event.recorded_at, part.grant_id, part.amount)
            elif part.fate == "cancelled":
                yield from self._cancel(account, event.recorded_at, part.grant_id, part.amount)

    def _spent(self, account: str, at: datetime, grant_id: str, credits: int) -> Iterator[Move]:
        yield from self._moved(account, at, grant_id, "spent", credits)

    def _lost(self, account: str, at: datetime, grant_id: str, credits: int) -> Iterator[Move]:
        yield from self._moved(account, at, grant_id, "breakage", credits)

    def _moved(self, account: str, at: datetime, grant_id: str, what: What, credits: int) -> Iterator[Move]:
        lot = self._lots.get((account, grant_id))
        if lot is not None and lot.worth and credits:
            yield Move(at, lot.paid.currency, what, lot.worth * credits)

    def _cancel(self, account: str, at: datetime, grant_id: str, credits: int) -> Iterator[Move]:
        """Cancelled credits are given back as far as money of their payment went back, and breakage beyond that."""
        lot = self._lots.get((account, grant_id))
        if lot is None or not lot.worth or not credits:
            return
        money, paid = lot.worth * credits, lot.paid
        returned = min(money, paid.owed)
        paid.owed -= returned
        if returned:
            yield Move(at, paid.currency, "returned", returned)
        if money > returned:
            yield Move(at, paid.currency, "breakage", money - returned)


def _period(subscription: SubscriptionPayment) -> tuple[datetime, datetime | None]:
    """The time that a payment pays for; without an end if neither the provider nor the terms say it.

    A change is paid for the time that is left of its period.
    """
    start = subscription.period_start or subscription.paid_at
    if subscription.reason == "change":
        start = max(start, subscription.paid_at)
    terms = subscription.terms
    if subscription.period_end is not None or terms is None or terms.billed is None:
        return start, subscription.period_end
    return start, terms.billed.after(start, 1)


def _share(paid: _Paid, allowance: AllowanceOf) -> Fraction:
    """Take the money of an allowance out of its payment: the share of its window in the paid time, once."""
    assert paid.subscription is not None, "it is of a subscription"
    if allowance.window_start in paid.windows:
        return Fraction(0)  # more credits for the same time, which were paid for already
    paid.windows.add(allowance.window_start)
    start, end = _period(paid.subscription)
    money = paid.left
    if end is not None and end > start:
        within = min(allowance.window_end, end) - max(allowance.window_start, start)
        part = Fraction(within // MICROSECOND, (end - start) // MICROSECOND)
        money = min(paid.left, paid.amount * max(part, Fraction(0)))
    paid.left -= money
    return money
