"""The queries that read the events themselves: balance, event feeds and receipts."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field

from api.contract.answers.account import AccountAnswer, account_answer
from api.contract.answers.answering import answer
from api.contract.answers.balance import BalanceAnswer, balance_answer
from api.contract.answers.events import Feed, StoredEvent
from api.contract.answers.receipt import ReceiptAnswer
from api.contract.bodies import MAX_KEY, ONE_LINE, Time
from api.contract.operations import ALL_OPERATIONS
from api.contract.problems import Problem, invalid
from api.http.json_answer import AnswerRoute, JsonAnswer
from api.http.queries.query import (
    MAX_PAGE,
    NOT_MODIFIED,
    AccountId,
    Parameters,
    names_tag,
    problems,
    problems_of,
    tag_of,
)
from api.http.queries.reads import reads_of
from ledger.commit.submission import Recorded
from ledger.domain.amounts import MAX_AMOUNT
from ledger.domain.errors import AccountNotFound, shown
from ledger.readable_texts import profile_texts, readable_data
from ledger.service import Ledger
from ledger.store import TOPICS, StoredRow

PAGE = 100


router = APIRouter(route_class=AnswerRoute)

OperationName = Annotated[str, Path(json_schema_extra={"enum": list(ALL_OPERATIONS)})]
Key = Annotated[str, Path(min_length=1, max_length=MAX_KEY, pattern=ONE_LINE)]
_TYPE = rf"\s*({'|'.join(TOPICS)})\s*"
Types = Annotated[str, Field(json_schema_extra={"pattern": f"^{_TYPE}(,{_TYPE})*$"})]


class _At(Parameters):
    at: Time | None = Field(
        None, description="a time with its offset, in the past unless `known_at` is given; default: now"
    )
    known_at: Time | None = Field(
        None, description="count only events recorded by this past time; without `at`, it is `at` too; default: now"
    )


class _StreamPage(Parameters):
    after_version: int = Field(0, ge=0, le=MAX_AMOUNT)
    limit: int = Field(PAGE, ge=1, le=MAX_PAGE)


class _LogPage(Parameters):
    after: int = Field(0, ge=0, le=MAX_AMOUNT)
    limit: int = Field(PAGE, ge=1, le=MAX_PAGE)
    types: Types | None = Field(None, description="event types, separated by commas; default: all")


@router.get(
    "/v1/accounts/{account_id}",
    responses=NOT_MODIFIED | problems(401, 403, 404, 422, 429, 500, 503),
    tags=["queries"],
    summary="An account: its standing, labels, texts and balance, never stale",
)
async def account(request: Request, account_id: AccountId) -> JsonAnswer[AccountAnswer]:
    """Computed from the events. Its version is in `ETag`, for the `If-Match` of an update."""
    ledger = reads_of(request).ledger
    found = await ledger.account_at(account_id)
    if found is None:
        raise AccountNotFound(account_id)
    headers = tag_of(found.newest.version)
    if names_tag(request, headers) and not found.has_lapses:
        return JsonAnswer.not_modified(headers)
    texts = await profile_texts(ledger.log, found.account, found.newest.version)
    return JsonAnswer(account_answer(found, texts), headers=headers)


@router.get(
    "/v1/accounts/{account_id}/balance",
    responses=NOT_MODIFIED | problems(401, 403, 404, 422, 429, 500, 503),
    tags=["queries"],
    summary="The balance now, never stale, or at a past time, as it was known at another time",
)
async def balance(request: Request, account_id: AccountId, query: Annotated[_At, Query()]) -> JsonAnswer[BalanceAnswer]:
    """Computed from the events. Expired credits never count, recorded or not.

    With `known_at` before `at`, the balance that was expected: at `at`, if nothing but expiry happens after `known_at`.
    """
    ledger = reads_of(request).ledger
    now = ledger.clock()
    for name, time in (("at", None if query.known_at else query.at), ("known_at", query.known_at)):
        if time is not None and time > now:
            raise invalid(name, "must not be in the future")
    found = await ledger.account_at(account_id, query.at, query.known_at)
    if found is None and (query.at or query.known_at):
        detail = f"There is no account {shown(account_id)!r}, or there was none yet at that time."
        raise Problem("account_not_found", detail, account_id=account_id)
    if found is None:
        raise AccountNotFound(account_id)
    headers = tag_of(found.newest.version)
    if names_tag(request, headers) and not found.has_lapses:
        return JsonAnswer.not_modified(headers)
    return JsonAnswer(balance_answer(found), headers=headers)


@router.get(
    "/v1/accounts/{account_id}/events",
    responses=problems(401, 403, 404, 422, 429, 500, 503),
    tags=["audit"],
    summary="The events of one account as stored",
)
async def stream(request: Request, account_id: AccountId, query: Annotated[_StreamPage, Query()]) -> JsonAnswer[Feed]:
    """In version order."""
    ledger = reads_of(request).ledger
    rows = await ledger.stream(account_id, query.after_version, query.limit)
    if not rows and (query.after_version == 0 or await ledger.account_at(account_id) is None):
        raise AccountNotFound(account_id)
    next_after = rows[-1].version if rows else query.after_version
    return JsonAnswer({"events": await _events(ledger, rows), "next_after": next_after})


@router.get(
    "/v1/events",
    responses=problems(401, 403, 422, 429, 500, 503),
    tags=["audit"],
    summary="All events by position",
)
async def log(request: Request, query: Annotated[_LogPage, Query()]) -> JsonAnswer[Feed]:
    """Events are committed in the order of positions: a client that follows them misses none."""
    ledger = reads_of(request).ledger
    types = _types(query.types)
    rows = await ledger.events(query.after, query.limit, types)
    next_after = rows[-1].position if rows else query.after
    return JsonAnswer({"events": await _events(ledger, rows), "next_after": next_after})


def _types(text: str | None) -> list[str] | None:
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in TOPICS:
            raise invalid("types", f"must be event types, separated by commas: {', '.join(TOPICS)}")
    return names


async def _events(ledger: Ledger, rows: list[StoredRow]) -> list[StoredEvent]:
    states = await readable_data(ledger.log, rows)
    return [
        {"position": row.position, "account_id": row.account_id, "version": row.version, "type": row.topic, **state}
        for row, state in zip(rows, states, strict=True)
    ]


@router.get(
    "/v1/accounts/{account_id}/receipts/{operation}/{key:path}",
    responses=problems(401, 403, 422, 429, 500, 503) | problems_of("account_not_found", "receipt_not_found"),
    tags=["queries"],
    summary="The receipt of an idempotency key",
)
async def receipt(
    request: Request, account_id: AccountId, operation: OperationName, key: Key
) -> JsonAnswer[ReceiptAnswer]:
    """The original answer of the command that used the key."""
    ledger = reads_of(request).ledger
    if operation not in ALL_OPERATIONS:
        raise invalid("operation", f"must be one of {', '.join(ALL_OPERATIONS)}")
    found = await ledger.executed(account_id, operation, account_id if operation == "open" else key)
    if found is None:
        raise Problem(
            "receipt_not_found",
            f"No command {operation} on account {shown(account_id)!r} has used the key {shown(key)!r}, "
            "so nothing was recorded with it.",
        )
    used = found.metadata.idempotency_key
    assert used is not None, "a receipt is found by its key"
    recorded = Recorded(found.account_id, found.version, found.position, found.events, replayed=True)
    return JsonAnswer(
        {
            "account_id": found.account_id,
            "operation": operation,
            "idempotency_key": used,
            "version": found.version,
            "position": found.position,
            "recorded_at": found.events[-1].recorded_at,
            "answer": answer(recorded),
        }
    )
