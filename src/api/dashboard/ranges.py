"""Ranges of days in an address: one of some choices by name, or any two dates, in the reader's zone."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import NamedTuple

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request

from api.contract.problems import from_pydantic
from api.dashboard.rendering import reader_of
from api.http.periods import Period
from api.http.queries import Day

Choices = Mapping[str, tuple[str, int | None]]
"""By name: what it is called, and how many days until today it has (None: those of this month)."""
_DAY: TypeAdapter[date] = TypeAdapter(Day)


class Range(NamedTuple):
    """A period, and the choice that it is (None: two dates)."""

    period: Period
    chosen: str | None


def range_of(request: Request, choices: Choices, usual: str) -> Range:
    """What the address asks for: `range`, or `from` and `to`. Raises Problem for what is no range."""
    reader, given = reader_of(request), request.query_params
    if given.get("from") or given.get("to"):
        today = reader.today()
        last = _date("to", given.get("to")) or today
        first = _date("from", given.get("from")) or last
        return Range(Period(first, last, reader.zone), None)
    chosen = given.get("range", usual)
    chosen = chosen if chosen in choices else usual
    return Range(Period(_first(choices[chosen][1], reader.today()), reader.today(), reader.zone), chosen)


def _first(days: int | None, today: date) -> date:
    return today.replace(day=1) if days is None else today - timedelta(days=days - 1)


def _date(field: str, text: str | None) -> date | None:
    if not text:
        return None
    try:
        return _DAY.validate_python(text)
    except ValidationError as error:
        details = [{**detail, "loc": (field,)} for detail in error.errors(include_url=False)]
        raise from_pydantic(details) from None  # type: ignore[arg-type]
