"""What a subscription entitles to: a pure function of all that is known about it, in whatever order it became known.

A payment pays for a period; a plan without a price has one without end. A period is divided into windows, from its
start, each as long as the plan's `every`. In each window the plan that the period's first payment paid for gives its
credits, and each payment for a change gives what its plan has more than the best one so far, for the time left:
floor((new - best) * left / whole). So up, down and up again gains nothing. What went back of a payment's money takes
its part of the credits along. What one payment gives in one window is a share.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import NamedTuple

from ledger.domain.plans.terms import Terms
from ledger.domain.subscriptions.subscription import LONG_AGO, TRIAL, Paid, ShareId, Subscription, Word

LONGEST_PERIOD = timedelta(days=3_700)
"""A payment pays for ten years at most."""
_TOLERANCE = timedelta(days=1)
"""Periods of one provider meet within it; a provider's clock and ours may differ by a little."""
_UNEVEN_MONTHS = timedelta(days=3)
"""How much shorter than others a month may be."""


class Window(NamedTuple):
    """A part of a period. What it gives lapses at `expires_at` when it is granted in time."""

    start: datetime
    end: datetime
    expires_at: datetime


class Due(NamedTuple):
    """A share with the credits that it comes to, and since when it is due."""

    id: ShareId
    credits: int
    due_at: datetime
    window: Window


@dataclass(frozen=True, slots=True)
class Period:
    """The time that a payment pays for, or (`base` None) of a plan without a price; then `end` may be None."""

    start: datetime
    end: datetime | None
    terms: Terms
    quantity: int
    base: Paid | None
    changes: tuple[tuple[Paid, Terms], ...] = ()

    @property
    def credits(self) -> int:
        """What the plan gives in each window."""
        return self.terms.credits * self.quantity

    def windows(self, after: datetime = LONG_AGO) -> Iterator[Window]:
        """Its windows that start later than `after`, in order; without end when the period has none."""
        for number in count(self._first_after(after)):
            start = self.terms.every.after(self.start, number)
            if self.end is not None and number and start + self._slack >= self.end:
                return
            end = self.terms.every.after(self.start, number + 1)
            if self.end is not None and (end > self.end + _TOLERANCE or end < self.end <= end + self._slack):
                end = self.end  # the rest of a period that is not a whole number of windows
            if start > after:
                yield Window(start, end, max(self._expiry(number + 1), end + self.terms.grace))

    @property
    def _slack(self) -> timedelta:
        """How little of a period is no window of its own. Who begins on the 31st of a month renews on the last day of
        each: a period from 28 February to 31 March is one month."""
        length, unit = self.terms.every
        return _UNEVEN_MONTHS + _TOLERANCE if unit == "months" else min(_TOLERANCE, timedelta(days=length) / 4)

    def _first_after(self, after: datetime) -> int:
        """The number of a window at or before the first that starts later than `after`."""
        if after <= self.start:
            return 0
        longest = timedelta(days=self.terms.every.length * (1 if self.terms.every.unit == "days" else 31))
        return max((after - self.start) // longest - 1, 0)

    def _expiry(self, number: int) -> datetime:
        unused = self.terms.unused
        return self.terms.every.after(self.start, number + (unused.periods if unused else 0)) + self.terms.grace

    def shares(self, window: Window) -> Iterator[Due]:
        """What each of its payments gives in one of its windows."""
        best = self.credits
        name = None if self.base is None else self.base.payment_id
        yield Due(ShareId(window.start, name), _kept(best, self.base, window.start), window.start, window)
        for paid, terms in self.changes:
            more = terms.credits * paid.quantity - best
            if paid.paid_at >= window.end or more <= 0:
                continue
            left = window.end - max(paid.paid_at, window.start)
            part = more * left // (window.end - window.start)
            due_at = max(paid.paid_at, window.start)
            yield Due(ShareId(window.start, paid.payment_id), _kept(part, paid, window.start), due_at, window)
            best += more


def _kept(credits: int, paid: Paid | None, start: datetime) -> int:
    """What is left of some credits after a part of their payment's money went back."""
    if paid is None or not paid.gone:
        return credits
    return credits - credits * paid.gone // paid.amount_minor


def periods(one: Subscription) -> list[Period]:
    """The periods of a subscription whose plan is known, in order: the paid ones, then those without a price."""
    found: list[Period] = []
    for paid in one.payments:
        terms = terms_of(paid, one)
        if terms is None or _is_of_trial(paid, one):
            continue
        start, end = _span(paid, terms)
        current = _period_of(found, paid, start, end)
        if current is None:
            found.append(Period(start, end, terms, paid.quantity, paid))
        elif paid.reason == "change":
            found[current] = _changed(found[current], paid, terms, end)
    return [_cut(period, one) for period in (*found, *_free_periods(one))]


def _span(paid: Paid, terms: Terms) -> tuple[datetime, datetime]:
    start, end = paid.period_start or paid.paid_at, paid.period_end
    if end is None or end <= start:
        end = (terms.billed or terms.every).after(start, 1)
    return start, min(end, start + LONGEST_PERIOD)


def _period_of(found: list[Period], paid: Paid, start: datetime, end: datetime) -> int | None:
    """The place of the period that a payment belongs to: that which it changes, or which was paid for before."""
    for index, period in enumerate(found):
        assert period.end is not None
        if paid.reason == "change":
            if period.start <= paid.paid_at < period.end:
                return index
        elif abs(start - period.start) < min(end - start, period.end - period.start) / 2:
            return index
    return None


def _changed(period: Period, paid: Paid, terms: Terms, end: datetime) -> Period:
    """A period after a payment for a change of its plan, which may also pay for longer."""
    assert period.end is not None
    later = end if end > period.end + _TOLERANCE else period.end
    return Period(period.start, later, period.terms, period.quantity, period.base, (*period.changes, (paid, terms)))


def _is_of_trial(paid: Paid, one: Subscription) -> bool:
    """Whether a payment of nothing is the invoice of a trial."""
    trial = _trial_word(one)
    if paid.amount_minor or trial is None or trial.trial_ends_at is None:
        return False
    return (paid.period_start or paid.paid_at) + _TOLERANCE < trial.trial_ends_at


def _cut(period: Period, one: Subscription) -> Period:
    """A period without what is after the end of its subscription, or after all its money went back."""
    ends = [period.end]
    ended = ended_at(one)
    if ended is not None and period.start < ended:
        ends.append(ended)
    cut = min([end for end in ends if end is not None], default=None)
    return Period(period.start, cut, period.terms, period.quantity, period.base, period.changes)


def ended_at(one: Subscription) -> datetime | None:
    """When a subscription ended; None when no word says so."""
    last = one.last
    return min(last.ends_at or last.as_of, last.as_of) if last is not None and last.status == "ended" else None


def terms_of(paid: Paid, one: Subscription) -> Terms | None:
    """The terms of the plan that a payment paid for: those that it names, or those of a word that names it, or of the
    word that was in force; None as long as no word is known."""
    if paid.terms is not None:
        return paid.terms
    named = [word for word in one.words if word.pays == paid.payment_id]
    if named:
        return named[0].terms
    before = [word for word in one.words if word.as_of <= paid.paid_at]
    in_force = before[-1] if before else next(iter(one.words), None)
    return in_force.terms if in_force is not None else None


def _free_periods(one: Subscription) -> Iterator[Period]:
    """The times in which words say that a plan without a price is active."""
    words = one.words
    for index, word in enumerate(words):
        if not _is_free(word) or (index and _is_free(words[index - 1]) and words[index - 1].terms == word.terms):
            continue
        after = [later for later in words[index + 1 :] if not _is_free(later) or later.terms != word.terms]
        last = words[words.index(after[0]) - 1] if after else words[-1]
        ends = [end for end in (after[0].as_of if after else None, last.ends_at) if end is not None]
        yield Period(word.period_start or word.as_of, min(ends, default=None), word.terms, word.quantity, None)


def _is_free(word: Word) -> bool:
    return word.status == "active" and word.terms.billed is None


def _trial_word(one: Subscription) -> Word | None:
    return next((word for word in one.words if word.status == "trialing" and word.trial_ends_at is not None), None)


def trial_of(one: Subscription) -> Due | None:
    """What the trial of a subscription gives; None when it has none."""
    word = _trial_word(one)
    if word is None or word.trial_ends_at is None or not word.terms.trial_credits:
        return None
    start, end = word.period_start or word.as_of, word.trial_ends_at
    if end <= start:
        return None
    return Due(TRIAL, word.terms.trial_credits * word.quantity, start, Window(start, end, end))


def shares_by(one: Subscription, at: datetime) -> list[Due]:
    """All shares that are due by `at` and are not too old to be known, in the order of their windows."""
    trial = trial_of(one)
    found = [trial] if trial is not None and trial.due_at <= at else []
    for period in periods(one):
        for window in period.windows(one.before_since):
            if window.start > at:
                break
            found += period.shares(window)
    return found


def next_window(one: Subscription) -> datetime | None:
    """When the next window starts of which time alone grants the allowance; None when there is none."""
    windows = [_first_paid(period, one.settled_to) for period in periods(one)]
    return min([window.start for window in windows if window is not None], default=None)


def credits_at(one: Subscription, start: datetime) -> int:
    """The credits that a subscription gives in its windows that start at a moment."""
    found = 0
    for period in periods(one):
        for window in period.windows(start - timedelta(microseconds=1)):
            if window.start > start:
                break
            found += sum([due.credits for due in period.shares(window)])
    return found


def _first_paid(period: Period, after: datetime) -> Window | None:
    """The first window of a period, later than `after`, in which it gives anything; None when there is none."""
    for window in period.windows(after):
        if any(due.credits for due in period.shares(window)):
            return window
        if period.end is None:
            return None  # it gives nothing in this window, and all are alike
    return None


def share_of(one: Subscription, name: ShareId, at: datetime) -> Due | None:
    """What a share comes to, by what is known and due by `at`; None when nothing is due of it."""
    return next((due for due in shares_by(one, at) if due.id == name), None)
