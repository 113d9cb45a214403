"""What every query has: the account, pages and the position that must be visible."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, NamedTuple

from fastapi import Path, Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from api.contract.answers.answer import AsOf
from api.contract.bodies import ACCOUNT_ID, ONE_LINE
from api.contract.openapi import by_status, problem_response
from api.contract.problems import Problem
from api.http.cached_document import has_tag
from api.http.queries.reads import reads_of
from ledger.domain.amounts import MAX_AMOUNT
from ledger.domain.commands import MAX_ID
from ledger.domain.errors import AccountNotFound
from ledger.domain.periods import UnknownZone, zone
from ledger.service import Ledger
from people.keys.ring import KeyRing
from projections.models.days import FIRST_DATE, LAST_DATE
from projections.models.views import Answered, Shared, Snapshot

MAX_PAGE = 1_000
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

AccountId = Annotated[str, Path(min_length=1, max_length=MAX_ID, pattern=ONE_LINE, description=ACCOUNT_ID)]


class Parameters(BaseModel):
    """The parameters of a query. Unknown parameters are refused by name."""

    model_config = ConfigDict(extra="forbid")


class Page(NamedTuple):
    """A page of a list: its length, the cursor of the previous page, and the position that must be visible."""

    limit: int = 50
    cursor: str | None = None
    min_position: int = 0


FIRST_PAGE = Page()


class Visible(Parameters):
    """The parameters of all queries of projections."""

    min_position: int = Field(
        0, ge=0, le=MAX_AMOUNT, description="wait until this position is visible: the `position` of your own command"
    )


def _zone_name(name: str) -> str:
    try:
        zone(name)
    except UnknownZone as error:
        raise ValueError("must be a time zone of the IANA database, such as Europe/Berlin") from error
    return name


def _day(value: object) -> object:
    if not isinstance(value, str) or not _DAY.fullmatch(value):  # pydantic alone would accept seconds and times of day
        raise ValueError("must be a date, such as 2026-01-31")
    return value


def _in_reach(value: date) -> date:
    if not FIRST_DATE <= value <= LAST_DATE:
        raise ValueError(f"must be a date from {FIRST_DATE} to {LAST_DATE}")
    return value


Zone = Annotated[str, AfterValidator(_zone_name), Field(description="IANA time zone", examples=["Europe/Berlin"])]
Day = Annotated[date, BeforeValidator(_day), AfterValidator(_in_reach), Field(examples=["2026-01-31"])]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route, for the OpenAPI document: the usual ones of each status."""
    return {status: problem_response(status) for status in statuses}


def problems_of(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route whose codes are not the usual ones of their statuses."""
    return {status: problem_response(status, *named) for status, named in by_status(codes).items()}


LINKS_NEED = ("public_url_required", "overloaded", "unavailable", "storage_full", "query_timeout")
"""Why a route that answers a link cannot be served now."""
PROBLEMS_OF_ALL = problems(401, 403, 409, 422, 429, 500, 503)
"""The error answers of a query of projections over all accounts."""
PROBLEMS = PROBLEMS_OF_ALL | problems(404)
"""The error answers of a query of projections for one account."""


NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    304: {"description": "`If-None-Match` names the version of the account, and time has changed nothing since"}
}


def tag_of(version: int) -> dict[str, str]:
    """The header with the version of an account, which `If-Match` and `If-None-Match` take."""
    return {"etag": f'"{version}"'}


def names_tag(request: Request, headers: dict[str, str]) -> bool:
    """Whether the caller has the answer with the tag in some headers."""
    return has_tag(request.headers.get("if-none-match", ""), headers["etag"])


def keys_of(request: Request) -> KeyRing:
    """The API keys of this process."""
    keys: KeyRing = request.app.state.keys
    return keys


Moment = Snapshot | Answered | Shared


def as_of(moment: Moment) -> AsOf:
    """The fields that name the position of an answer."""
    return {"as_of_position": moment.position, "as_of": moment.as_of}


async def known_account(ledger: Ledger, account_id: str) -> None:
    """Raise AccountNotFound unless the ledger has the account, even if the projections do not have it yet."""
    if await ledger.current.newest_event(account_id) is None:
        raise AccountNotFound(account_id)


def now_of(request: Request) -> datetime:
    """The time of the ledger."""
    return reads_of(request).clock().astimezone(UTC)


def check_order(first: Any, last: Any, *, field: str = "to") -> None:
    """Refuse a period that ends before it begins."""
    if first is not None and last is not None and last < first:
        raise Problem(
            "validation_failed",
            f"Not valid: {field}.",
            errors=[{"field": field, "message": "must not be before `from`"}],
        )
