"""The subscriptions of an account, and how events change them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from ledger.domain.events import CreditsGranted, GrantVoided, PaymentRecorded, SubscriptionRecorded
from ledger.domain.plans.subscribed import STATUS_RANKS, SubscriptionPayment
from ledger.domain.plans.terms import Terms
from ledger.domain.subscriptions.entitlements import next_window, terms_of
from ledger.domain.subscriptions.subscription import TRIAL, Paid, Share, ShareId, Subscription, Word, by_clock

MAX_SUBSCRIPTIONS = 100
"""The largest number of subscriptions of an account that have not ended."""
_KEPT_ENDED = 10


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """The subscriptions of an account, in the order in which they became known. Those that ended long ago are left out.

    `next_at` is when time alone grants the next allowance; None when it grants none.
    """

    all: tuple[Subscription, ...] = ()
    next_at: datetime | None = None

    @classmethod
    def of(cls, subscriptions: Iterable[Subscription]) -> "Subscriptions":
        """Some subscriptions."""
        kept = tuple(subscriptions)
        return cls(kept, min([at for one in kept if (at := next_window(one)) is not None], default=None))

    def __iter__(self) -> Iterator[Subscription]:
        return iter(self.all)

    def __bool__(self) -> bool:
        return bool(self.all)

    @property
    def open(self) -> int:
        """The number of those that have not ended."""
        return sum([not one.ended for one in self.all])

    def get(self, subscription_id: str) -> Subscription | None:
        """The subscription with this id; None when there is none."""
        return next((one for one in self.all if one.subscription_id == subscription_id), None)

    def of_payment(self, provider: str, payment_id: str) -> Subscription | None:
        """The subscription for which a payment was; None when there is none."""
        return next((one for one in self.all if one.provider == provider and one.payment(payment_id) is not None), None)

    def terms_paid(self, provider: str, payment_id: str) -> Terms | None:
        """The terms of the plan that a payment paid for; None if it is of no subscription, or of a long time ago."""
        one = self.of_payment(provider, payment_id)
        paid = one.payment(payment_id) if one is not None else None
        return terms_of(paid, one) if one is not None and paid is not None else None

    def granted_by(self, provider: str, payment_id: str) -> tuple[str, ...]:
        """The ids of the allowances that a payment bought."""
        one = self.of_payment(provider, payment_id)
        return one.granted_by(payment_id) if one is not None else ()

    def after_word(self, event: SubscriptionRecorded) -> "Subscriptions":
        """The subscriptions after a report of the state of one."""
        one = self.get(event.subscription_id) or Subscription(event.subscription_id, event.provider)
        return self._with(replace(one.with_word(_word_of(event)), settled_to=event.recorded_at))

    def after_payment(self, event: PaymentRecorded) -> "Subscriptions":
        """The subscriptions after a payment, which may be paid and for one of them."""
        what = event.subscription
        if what is None or event.status != "paid":
            return self
        one = self.get(what.subscription_id) or Subscription(what.subscription_id, event.provider)
        return self._with(replace(one.with_payment(_paid_of(event, what)), settled_to=event.recorded_at))

    def after_money_back(
        self, provider: str, payment_id: str, at: datetime, *, refunded: int = 0, lost: int = 0
    ) -> "Subscriptions":
        """The subscriptions after a refund or a lost dispute of a payment."""
        one = self.of_payment(provider, payment_id)
        if one is None:
            return self
        return self._with(replace(one.with_money_back(payment_id, refunded, lost), settled_to=at))

    def after_grant(self, event: CreditsGranted) -> "Subscriptions":
        """The subscriptions after a grant, which may be an allowance of one of them."""
        of = event.allowance
        one = self.get(of.subscription_id) if of is not None else None
        if of is None or one is None:
            return self
        name = TRIAL if of.trial else ShareId(of.window_start, event.payment_id)
        before = one.share(name)
        granted = one.with_share(Share(name, before.net + event.amount, (*before.grants, event.grant_id)))
        settled = one.settled_to if of.trial else max(one.settled_to, of.window_start)
        return self._with(replace(granted, settled_to=settled))

    def after_void(self, event: GrantVoided) -> "Subscriptions":
        """The subscriptions after a void, which may take back a part of an allowance."""
        if event.cause != "allowance":
            return self
        for one in self.all:
            for share in one.shares:
                if event.grant_id in share.grants:
                    left = share._replace(net=share.net - event.amount, missing=event.uncollected)
                    return self._with(one.with_share(left))
        return self

    def after_closed_until(self, at: datetime) -> "Subscriptions":
        """The subscriptions after the account was closed until `at`: no allowance of that time is made up for."""
        return Subscriptions.of(replace(one, settled_to=max(one.settled_to, at)) for one in self.all)

    def _with(self, changed: Subscription) -> "Subscriptions":
        if self.get(changed.subscription_id) is None:
            return Subscriptions.of(_without_long_ended([*self.all, changed]))
        return Subscriptions.of(changed if one.subscription_id == changed.subscription_id else one for one in self.all)


NO_SUBSCRIPTIONS = Subscriptions()


def terms_by_words(payment: PaymentRecorded, words: Iterable[SubscriptionRecorded]) -> Terms | None:
    """The terms of the plan that a payment paid for, by all words about its subscription, of which the state forgets
    old ones. None for a payment of no subscription, and as long as no word is known."""
    what = payment.subscription
    if what is None:
        return None
    said = tuple(sorted(map(_word_of, words), key=by_clock))
    return terms_of(_paid_of(payment, what), Subscription(what.subscription_id, payment.provider, said))


def _word_of(event: SubscriptionRecorded) -> Word:
    return Word(
        event.as_of,
        STATUS_RANKS[event.status],
        event.status,
        event.terms,
        event.quantity,
        event.period_start,
        event.period_end,
        event.ends_at,
        event.next_plan,
        event.trial_ends_at,
        event.pays,
    )


def _paid_of(event: PaymentRecorded, what: SubscriptionPayment) -> Paid:
    _, reason, paid_at, start, end, quantity, terms = what
    return Paid(paid_at, event.payment_id, reason, event.amount_minor, quantity, start, end, terms)


def _without_long_ended(subscriptions: list[Subscription]) -> list[Subscription]:
    """The subscriptions without the oldest of those that have ended, except for the newest of these."""
    ended = [one.subscription_id for one in subscriptions if one.ended][:-_KEPT_ENDED]
    return [one for one in subscriptions if one.subscription_id not in ended]
