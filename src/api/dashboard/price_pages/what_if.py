"""What the usage of some days would have cost under another price book, for operators. The page writes nothing."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError, model_validator
from starlette.requests import Request
from starlette.responses import Response

from api.contract.problems import Problem, from_pydantic
from api.dashboard.multipart import UploadForm, read_upload
from api.dashboard.rendering import formatter_of, page
from api.http.queries.query import Day, Parameters, Zone
from api.http.queries.reads import Reads, reads_of
from audit.what_if.costs import Costs, Groups, Name, WhatIf
from audit.what_if.reading import Wanted, what_if
from audit.what_if.report import reason
from billing.document_files import LARGEST
from billing.errors import BillingRefused, WrongPriceBook
from billing.prices import table
from billing.prices.files import book_in
from ledger.domain.periods import DAY, day_start
from ledger.domain.pricing.book import PriceBook

MAX_DAYS = 92
SECONDS = 20.0
"""How long the page adds up. The command line takes longer periods."""
LISTED = 50
"""The groups of a kind that the page shows."""
_TITLES = (("By plan", "plans"), ("By provider", "providers"), ("By model", "models"), ("By account", "accounts"))
_TOO_LONG = "This takes too long for a page. Choose fewer days, or run `credit-ledger prices what-if`."


class _Asked(Parameters):
    """What the form says."""

    from_: Day = Field(alias="from")
    to: Day
    tz: Zone = "UTC"
    version: int | None = Field(None, ge=1, le=2**31 - 1)

    @model_validator(mode="after")
    def _is_a_period(self) -> "_Asked":
        if not timedelta(0) <= self.to - self.from_ < MAX_DAYS * DAY:
            raise ValueError(f"The last day must be at most {MAX_DAYS - 1} days after the first one")
        return self


class Part(NamedTuple):
    """A table of the page: the groups whose cost would change most, how many more there are, and others together."""

    title: str
    rows: Sequence[tuple[Sequence[Name], Costs]]
    more: int
    others: Costs | None


class _Silent:
    """Progress that nobody sees."""

    def begin(self, what: str, total: int, unit: str) -> None:
        """Begin a step."""

    def reach(self, done: int) -> None:
        """Report how far it is."""


async def show_what_if(request: Request) -> Response:
    """Show the form: this month, and the book in force."""
    formatter = formatter_of(request)
    today = formatter.today()
    given = {"from": today.replace(day=1).isoformat(), "to": today.isoformat(), "tz": formatter.zone.key}
    return await _page(request, {**given, "version": request.query_params.get("version", "")})


async def compute_what_if(request: Request) -> Response:
    """Add up the days of the form under its book, and show what they come to."""
    form = await read_upload(request, LARGEST)
    given = {name: text for name, text in form.fields.items() if name != "csrf"}
    try:
        asked = _Asked.model_validate({name: text for name, text in given.items() if text})
        book = await _book(reads_of(request), asked.version, form)
        found = await _found(reads_of(request), asked, book)
    except ValidationError as error:
        return await _page(request, given, problem=_sentence(error))
    except (WrongPriceBook, BillingRefused) as error:
        return await _page(request, given, problem=str(error))
    except TimeoutError:
        return await _page(request, given, problem=_TOO_LONG)
    return await _page(request, given, found=found, book=book, days=(asked.from_, asked.to))


def _sentence(error: ValidationError) -> str:
    """What is wrong with the form, by its fields; "body" is the form as a whole."""
    problem: Problem = from_pydantic(error.errors(include_url=False))
    return " ".join(f"{one['field']}: {one['message']}.".removeprefix("body: ") for one in problem.facts["errors"])


async def _book(reads: Reads, version: int | None, form: UploadForm) -> PriceBook:
    """The book of the file, if one was chosen, else a published version. Raises WrongPriceBook and BillingRefused."""
    content = b"".join([piece async for piece in form.pieces])
    if form.file_name:
        return await asyncio.to_thread(lambda: book_in(form.file_name, content).book(0))
    if version is None:
        raise WrongPriceBook("Choose a file, or a version of the price book.")
    async with reads.ledger.log.connection() as connection:
        return (await table.find(connection, version)).document.book(version)


async def _found(reads: Reads, asked: _Asked, book: PriceBook) -> WhatIf:
    """What it comes to. Raises TimeoutError."""
    tz = ZoneInfo(asked.tz)
    wanted = Wanted(book, day_start(asked.from_, tz), day_start(asked.to + DAY, tz))
    async with asyncio.timeout(SECONDS):
        return await what_if(reads.ledger.log, wanted, _Silent())


async def _page(
    request: Request,
    given: Mapping[str, str],
    *,
    problem: str | None = None,
    found: WhatIf | None = None,
    book: PriceBook | None = None,
    days: tuple[date, date] | None = None,
) -> Response:
    async with reads_of(request).ledger.log.connection() as connection:
        versions = await table.versions(connection)
    current = table.in_force(versions, reads_of(request).clock())
    values: dict[str, Any] = {} if found is None else _values(found)
    return await page(
        request,
        "prices_what_if.html",
        status=200 if problem is None else 422,
        given={"from": "", "to": "", "tz": "", "version": "", **given},
        versions=versions,
        in_force=None if current is None else current.version,
        problem=problem,
        found=found,
        book=book,
        days=days,
        most_days=MAX_DAYS,
        **{"parts_of_it": (), "refusals": (), "more_refusals": 0, **values},
    )


def _values(found: WhatIf) -> dict[str, Any]:
    refused = found.refusals.sorted()
    return {
        "parts_of_it": [_part(title, getattr(found, name)) for title, name in _TITLES],
        "refusals": [(one, costs, reason(one)) for one, costs in refused[:LISTED]],
        "more_refusals": max(len(refused) - LISTED, 0),
    }


def _part(title: str, groups: Groups[Any]) -> Part:
    every = groups.sorted()
    rows = [(key if isinstance(key, tuple) else (key,), costs) for key, costs in every[:LISTED]]
    return Part(title, rows, max(len(every) - LISTED, 0), groups.others)
