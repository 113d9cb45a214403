"""Ranges of days in an address: a named choice such as `30d`, or two dates, in the time zone of the page."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from starlette.requests import Request

from api.contract.problems import from_pydantic
from api.dashboard.rendering import formatter_of
from api.http.queries.periods import Period
from api.http.queries.query import Day

Choices = Mapping[str, tuple[str, int | None]]
"""Each choice by name: its label, and how many days it has until today (None: the days of this month)."""
_DAY: TypeAdapter[date] = TypeAdapter(Day)


class Range(NamedTuple):
    """A period, and the name of the choice that it comes from (None for two dates)."""

    period: Period
    chosen: str | None


def range_of(request: Request, choices: Choices, default: str) -> Range:
    """Read `range`, or `from` and `to`, from the address. Raises Problem for dates that are not a range."""
    formatter, given = formatter_of(request), request.query_params
    if given.get("from") or given.get("to"):
        today = formatter.today()
        wrong: list[ErrorDetails] = []
        first, last = (_date(name, given.get(name), wrong) for name in ("from", "to"))
        if wrong:
            raise from_pydantic(wrong)
        last = last or today
        first = first or last
        return Range(Period(first, last, formatter.zone), None)
    chosen = given.get("range", default)
    chosen = chosen if chosen in choices else default
    return Range(Period(_first(choices[chosen][1], formatter.today()), formatter.today(), formatter.zone), chosen)


def _first(days: int | None, today: date) -> date:
    return today.replace(day=1) if days is None else today - timedelta(days=days - 1)


def _date(field: str, text: str | None, wrong: list[ErrorDetails]) -> date | None:
    """A date of the address; None if it has none. What is wrong with it is added to `wrong`."""
    if not text:
        return None
    try:
        return _DAY.validate_python(text)
    except ValidationError as error:
        wrong += [{**detail, "loc": (field,)} for detail in error.errors(include_url=False)]
        return None
