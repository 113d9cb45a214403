"""Periods of local days, as questions name them: the first day, the last one, and the zone that cuts them."""

from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pydantic import Field

from api.contract.problems import invalid
from api.http.queries import Day, Visible, Zone, check_order
from projections.models.days import DAY, dates, day_start, day_starts

MAX_DAYS = 1_100
"""Local days in one answer: three years."""


class Period(NamedTuple):
    """Local days, the last one included."""

    first: date
    last: date
    tz: ZoneInfo

    def starts(self) -> list[datetime]:
        """Where each day begins, and where the last one ends. Raises Problem: reversed, or over-long."""
        self._check()
        return day_starts(self.first, self.last, self.tz)

    def span(self) -> tuple[datetime, datetime]:
        """Where it begins, and where it ends. Raises Problem: reversed, or over-long."""
        self._check()
        return day_start(self.first, self.tz), day_start(self.last + DAY, self.tz)

    def _check(self) -> None:
        check_order(self.first, self.last)
        if (self.last - self.first).days >= MAX_DAYS:
            raise invalid("to", f"the period must have at most {MAX_DAYS} days; ask in several parts")

    def dates(self) -> list[date]:
        """The days."""
        return dates(self.first, self.last)


class Days(Visible):
    """The parameters of a question about a period."""

    from_: Day = Field(alias="from", description="the first local day")
    to: Day = Field(description="the last local day")
    tz: Zone = "UTC"

    @property
    def period(self) -> Period:
        """The days that are asked about."""
        return Period(self.from_, self.to, ZoneInfo(self.tz))
