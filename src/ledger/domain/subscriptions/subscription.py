"""One subscription: what is known about it, and which allowances it was granted.

What is known is words (a provider's reports of a state) and payments. They may come in any order and number, so the
state keeps them by the provider's clock and not as they came. What they entitle to is computed from all of them, in
entitlements.py. The state keeps the newest of each and forgets what is older: see `without_old`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from ledger.domain.plans.subscribed import PaymentReason, SubscriptionStatus
from ledger.domain.plans.terms import Terms

_MANY_WORDS = 40
_KEPT_WORDS, _KEPT_PAYMENTS, _KEPT_SHARES = 60, 40, 60
LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)


class Word(NamedTuple):
    """A report of the state of a subscription. Words are in the order of the provider's clock, then of their rank."""

    as_of: datetime
    rank: int
    status: SubscriptionStatus
    terms: Terms
    quantity: int = 1
    period_start: datetime | None = None
    period_end: datetime | None = None
    ends_at: datetime | None = None
    next_plan: str | None = None
    trial_ends_at: datetime | None = None
    pays: str | None = None


class Paid(NamedTuple):
    """A paid payment of a subscription. `refunded` and `lost` are what refunds and disputes took of its money."""

    paid_at: datetime
    payment_id: str
    reason: PaymentReason
    amount_minor: int
    quantity: int = 1
    period_start: datetime | None = None
    period_end: datetime | None = None
    terms: Terms | None = None
    refunded: int = 0
    lost: int = 0

    @property
    def gone(self) -> int:
        """The money that went back."""
        return min(self.refunded + self.lost, self.amount_minor)


class ShareId(NamedTuple):
    """What one payment (None: no payment) gives in one window; the trial's window has no start of its own."""

    window_start: datetime
    payment_id: str | None


TRIAL = ShareId(LONG_AGO, None)
"""The share of a trial: there is one for each subscription."""


class Share(NamedTuple):
    """What was granted of a share: `net` credits, less what was taken back, by some grants, the newest last.

    `missing` credits were asked back last and were not there.
    """

    id: ShareId
    net: int
    grants: tuple[str, ...]
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Subscription:
    """What is known about a subscription. Windows up to `settled_to` had their allowance, or were decided to have none;
    those that start before `since` are not looked at any more."""

    subscription_id: str
    provider: str
    words: tuple[Word, ...] = ()
    payments: tuple[Paid, ...] = ()
    shares: tuple[Share, ...] = ()
    settled_to: datetime = LONG_AGO
    since: datetime = LONG_AGO

    @property
    def last(self) -> Word | None:
        """The word that holds: that it has ended, which is final, or the newest one. None: only payments are known."""
        ended = next((word for word in self.words if word.status == "ended"), None)
        return ended if ended is not None or not self.words else self.words[-1]

    @property
    def ended(self) -> bool:
        """Whether a word says that it has ended."""
        return self.last is not None and self.last.status == "ended"

    @property
    def before_since(self) -> datetime:
        """The last moment before `since`."""
        return self.since - timedelta(microseconds=1) if self.since > LONG_AGO else LONG_AGO

    def payment(self, payment_id: str) -> Paid | None:
        """A payment of it; None when it is not known (any more)."""
        return next((paid for paid in self.payments if paid.payment_id == payment_id), None)

    def share(self, name: ShareId) -> Share:
        """What was granted of a share."""
        return next((share for share in self.shares if share.id == name), Share(name, 0, ()))

    def granted_by(self, payment_id: str) -> tuple[str, ...]:
        """The ids of the grants that a payment bought, in the order of their windows."""
        return tuple([name for share in self.shares if share.id.payment_id == payment_id for name in share.grants])

    def with_word(self, word: Word) -> "Subscription":
        """It with one more word."""
        return _without_old(replace(self, words=_compacted(sorted({*self.words, word}, key=by_clock))))

    def with_payment(self, paid: Paid) -> "Subscription":
        """It with one more payment."""
        return _without_old(replace(self, payments=tuple(sorted((*self.payments, paid), key=_paid_order))))

    def with_money_back(self, payment_id: str, refunded: int, lost: int) -> "Subscription":
        """It after more of the money of one of its payments was refunded, or lost in a dispute."""
        payments = [
            paid._replace(refunded=paid.refunded + refunded, lost=paid.lost + lost)
            if paid.payment_id == payment_id
            else paid
            for paid in self.payments
        ]
        return replace(self, payments=tuple(payments))

    def with_share(self, share: Share) -> "Subscription":
        """It with a share in place of what was granted of it before."""
        others = [other for other in self.shares if other.id != share.id]
        return _without_old(replace(self, shares=tuple(sorted((*others, share), key=_share_order))))


def by_clock(word: Word) -> tuple[datetime, int, str]:
    """The order of words: by the provider's clock, then by their rank."""
    return word.as_of, word.rank, repr(word)


def _paid_order(paid: Paid) -> tuple[datetime, str]:
    return paid.paid_at, paid.payment_id


def _share_order(share: Share) -> tuple[datetime, str]:
    return share.id.window_start, share.id.payment_id or ""


def _without_old(one: Subscription) -> Subscription:
    """Forget the oldest of what is more than the state keeps. Windows before what it still knows are settled."""
    shares = [share for share in one.shares if share.id != TRIAL]
    cuts = [one.since, *_first_kept([share.id.window_start for share in shares], _KEPT_SHARES)]
    cuts += _first_kept([paid.paid_at for paid in one.payments], _KEPT_PAYMENTS)
    cuts += _first_kept([word.as_of for word in one.words], _KEPT_WORDS)
    since = max(cuts)
    if since == one.since:
        return one
    return replace(
        one,
        words=one.words[-_KEPT_WORDS:],
        payments=one.payments[-_KEPT_PAYMENTS:],
        shares=tuple([share for share in one.shares if share.id == TRIAL or share.id.window_start >= since]),
        since=since,
    )


def _compacted(words: list[Word]) -> tuple[Word, ...]:
    """The words without those that say the same as the one before and the one after them, if there are many."""
    excess = len(words) - _MANY_WORDS
    kept: list[Word] = []
    for index, word in enumerate(words):
        if excess > 0 and 0 < index < len(words) - 1 and _said(kept[-1]) == _said(word) == _said(words[index + 1]):
            excess -= 1
        else:
            kept.append(word)
    return tuple(kept)


def _said(word: Word) -> tuple[object, ...]:
    """What a word says that an allowance may depend on."""
    return word.status, word.terms, word.quantity, word.ends_at, word.trial_ends_at, word.pays


def _first_kept(moments: list[datetime], most: int) -> Iterator[datetime]:
    if len(moments) > most:
        yield moments[-most]
