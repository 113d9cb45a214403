"""Periods of local days: the first day, the last day, and their time zone."""

from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pydantic import Field

from api.contract.problems import invalid
from api.http.queries.query import Day, Visible, Zone, check_order
from ledger.domain.periods import DAY, day_start
from projections.models.days import By, dates, day_starts

MAX_DAYS = 1_100
"""The largest number of local days in one answer: three years."""


class Period(NamedTuple):
    """Local days; the last one is included."""

    first: date
    last: date
    tz: ZoneInfo

    def starts(self) -> list[datetime]:
        """The start of each day, and the end of the last one. Raises Problem if the period is reversed or too long."""
        self._check()
        return day_starts(self.first, self.last, self.tz)

    def span(self) -> tuple[datetime, datetime]:
        """The start and the end of the period. Raises Problem if the period is reversed or too long."""
        self._check()
        return day_start(self.first, self.tz), day_start(self.last + DAY, self.tz)

    def _check(self) -> None:
        check_order(self.first, self.last)
        if (self.last - self.first).days >= MAX_DAYS:
            raise invalid("to", f"the period must have at most {MAX_DAYS} days: send several queries")

    def dates(self) -> list[date]:
        """The days."""
        return dates(self.first, self.last)


class Days(Visible):
    """The parameters of a query for a period."""

    from_: Day = Field(alias="from", description="the first local day")
    to: Day = Field(description="the last local day")
    tz: Zone = "UTC"

    @property
    def period(self) -> Period:
        """The period that the parameters ask for."""
        return Period(self.from_, self.to, ZoneInfo(self.tz))


class DaysBy(Days):
    """The parameters of a query for a period by one of two times."""

    by: By = Field("recorded", description="the time that counts: of recording, or at which usage occurred")
