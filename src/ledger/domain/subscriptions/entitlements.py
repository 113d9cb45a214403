"""What a subscription entitles to: a pure function of all that is known about it, in whatever order it became known.

A payment pays for a period; a plan without a price has one without end. A period is divided into windows, from its
start, each as long as the plan's `every`. In each window the plan that the period's first payment paid for gives its
credits, and each payment for a change gives what its plan has more than the best one so far, for the time left:
floor((new - best) * left / whole). So up, down and up again gains nothing. What went back of a payment's money takes
its part of the credits along. What one payment gives in one window is a share.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from typing import NamedTuple

from ledger.domain.plans.terms import Interval, Terms
from ledger.domain.subscriptions.subscription import LONG_AGO, TRIAL, Paid, ShareId, Subscription, Word

LONGEST_PERIOD = timedelta(days=3_700)
"""A payment pays for ten years at most."""
_TOLERANCE = timedelta(days=1)
"""Periods of one provider meet within it; a provider's clock and ours may differ by a little."""
_UNEVEN_MONTHS = timedelta(days=3)
"""How much shorter than others a month may be."""
_TICK = timedelta(microseconds=1)
"""A length of time times credits may be more than a length of time can be: they are counted in these."""


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
    """The time that a payment pays for, or (`base` None) of a plan without a price; then `end` may be None.

    A change to a shorter interval begins a period of its own at `until`: windows from then on are not of this one.
    """

    start: datetime
    end: datetime | None
    terms: Terms
    quantity: int
    base: Paid | None
    changes: tuple[tuple[Paid, Terms], ...] = ()
    until: datetime | None = None

    @property
    def billed(self) -> Interval | None:
        """How long a payment of the plan lasts that it has by now."""
        return self.changes[-1][1].billed if self.changes else self.terms.billed

    def holds(self, start: datetime) -> bool:
        """Whether a window that starts then is one of it."""
        return self.start <= start and all(start < over for over in (self.end, self.until) if over is not None)

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
            if self.until is not None and start >= self.until:
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
            part = more * (left // _TICK) // ((window.end - window.start) // _TICK)
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
            found = _changed(found, current, paid, terms)
    return [_cut(period, one) for period in (*found, *_free_periods(one))]


def _span(paid: Paid, terms: Terms) -> tuple[datetime, datetime]:
    start, end = paid.period_start or paid.paid_at, paid.period_end
    if end is None or end <= start:
        end = (terms.billed or terms.every).after(start, 1)
    return start, min(end, start + LONGEST_PERIOD)


def _period_of(found: list[Period], paid: Paid, start: datetime, end: datetime) -> Period | None:
    """The period that a payment belongs to: that which it changes, or which was paid for before."""
    for period in found:
        assert period.end is not None
        if period.until is not None:
            continue
        if paid.reason == "change":
            if period.start <= paid.paid_at < period.end:
                return period
        elif abs(start - period.start) < min(end - start, period.end - period.start) / 2:
            return period
    return None


def _changed(found: list[Period], current: Period, paid: Paid, terms: Terms) -> list[Period]:
    """The periods after a payment for a change in one of them, which is for those too that were paid for in advance.

    It may also pay for longer. To a shorter interval it begins a period of its own: what was unused is in its price.
    """
    start, end = _span(paid, terms)
    assert current.end is not None
    if terms.billed == current.billed and (paid.period_end is None or paid.period_end <= start):
        end = current.end  # it does not say how long: for the time that is left
    if terms.billed != current.billed and end < current.end - _TOLERANCE:
        begins = start if start > current.start else paid.paid_at
        before = [replace(one, until=one.until or begins) for one in found]
        kept = [one for one in before if one.until is None or one.start < one.until]
        return [*kept, Period(begins, end, terms, paid.quantity, paid)]
    return _extended([_with_change(one, current, paid, terms, end) for one in found], end)


def _with_change(one: Period, current: Period, paid: Paid, terms: Terms, end: datetime) -> Period:
    """A period with a payment for a change, if that is for it."""
    is_for = one is current or (one.until is None and current.start < one.start < end - _TOLERANCE)
    return replace(one, changes=(*one.changes, (paid, terms))) if is_for else one


def _extended(found: list[Period], end: datetime) -> list[Period]:
    """The periods, of which the last one lasts until an end, if that is later."""
    last = max([one for one in found if one.until is None], key=lambda one: one.start)
    assert last.end is not None
    later = end if end > last.end + _TOLERANCE else last.end
    return [replace(one, end=later) if one is last else one for one in found]


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
    return replace(period, end=cut)


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
