"""The terms of a plan, as events carry them.

Terms are copied into the events, so a replay needs no catalogue, and a change of the catalogue changes no past.
"""

from calendar import monthrange
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

IntervalUnit = Literal["days", "months"]


class Interval(NamedTuple):
    """Some days or some calendar months, in UTC."""

    length: int
    unit: IntervalUnit

    def after(self, start: datetime, times: int) -> datetime:
        """The moment that is `times` intervals after `start`. A month without that day ends on its last day."""
        if self.unit == "days":
            return start + timedelta(days=self.length * times)
        years, month = divmod(start.month - 1 + self.length * times, 12)
        year = start.year + years
        return start.replace(year=year, month=month + 1, day=min(start.day, monthrange(year, month + 1)[1]))


class RollOver(NamedTuple):
    """What becomes of credits that are unused at the end of their period: they last `periods` more, up to `cap`."""

    cap: int
    periods: int


class Terms(NamedTuple):
    """What a version of a plan gives: `credits` every `every`, paid each `billed` (None: the plan has no price).

    `grace_seconds` after the end of a period its credits lapse. A higher `rank` is a better plan.
    """

    plan: str
    version: int
    credits: int
    every: Interval
    billed: Interval | None = None
    unused: RollOver | None = None
    """None: what is unused lapses."""
    grace_seconds: int = 86_400
    rank: int = 0
    trial_credits: int = 0

    @property
    def grace(self) -> timedelta:
        """How long after its period an allowance lasts."""
        return timedelta(seconds=self.grace_seconds)
