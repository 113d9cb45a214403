"""The questions that the truth itself answers: balance, streams, receipts, health."""

import re
from typing import Annotated, Any, Literal

import orjson
import psycopg
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import PlainTextResponse
from psycopg_pool import PoolTimeout
from pydantic import BaseModel, ConfigDict, Field

from api import metrics
from api.answers import answer, balance_answer
from api.bodies import ONE_LINE, SEGMENT, Time
from api.door import missing_scope
from api.openapi import problem_response
from api.operations import OPERATIONS
from api.problems import Problem, invalid
from api.requests import MAX_KEY
from api.schemas import BalanceAnswer, Feed, Health, ReceiptAnswer
from api.wiring import Wiring
from ledger.amounts import MAX_AMOUNT
from ledger.commands import MAX_ID
from ledger.errors import AccountNotFound
from ledger.service import Ledger
from ledger.store.codec import TOPICS
from ledger.store.log import StoredRow
from ledger.submissions import Recorded

PAGE = 100
MAX_PAGE = 1_000


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route, for the OpenAPI document."""
    return {status: problem_response(status) for status in statuses}


router = APIRouter()

AccountId = Annotated[str, Path(min_length=1, max_length=MAX_ID, pattern=SEGMENT)]
OperationName = Annotated[str, Path(json_schema_extra={"enum": list(OPERATIONS)})]
Key = Annotated[str, Path(min_length=1, max_length=MAX_KEY, pattern=ONE_LINE)]
_TYPE = rf"\s*({'|'.join(TOPICS)})\s*"
Types = Annotated[str, Field(json_schema_extra={"pattern": f"^{_TYPE}(,{_TYPE})*$"})]


class _Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _At(_Parameters):
    at: Time | None = Field(None, description="a past instant with its offset; default: now")


class _StreamPage(_Parameters):
    after_version: int = Field(0, ge=0, le=MAX_AMOUNT)
    limit: int = Field(PAGE, ge=1, le=MAX_PAGE)


class _LogPage(_Parameters):
    after: int = Field(0, ge=0, le=MAX_AMOUNT)
    limit: int = Field(PAGE, ge=1, le=MAX_PAGE)
    types: Types | None = Field(None, description="event types, separated by commas; default: all")


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(value, option=orjson.OPT_UTC_Z), status, headers, "application/json")


def _wiring(request: Request) -> Wiring:
    wiring: Wiring = request.app.state.wiring
    return wiring


async def _authorized(request: Request, *scopes: str) -> Ledger:
    """The ledger, for a key that has one of some scopes."""
    wiring = _wiring(request)
    header = request.headers.get("authorization")
    key = await wiring.keys.authenticate(header.encode("latin-1") if header else None)
    if not any(map(key.allows, scopes)):
        raise missing_scope(scopes[0])
    return wiring.ledger


@router.get(
    "/v1/accounts/{account_id}/balance",
    response_model=BalanceAnswer,
    responses=problems(401, 403, 404, 422, 429, 500, 503),
    tags=["queries"],
    summary="The balance now, never stale, or at a past instant",
)
async def balance(request: Request, account_id: AccountId, query: Annotated[_At, Query()]) -> Response:
    """From the truth: what has expired is gone, whether it was recorded or not. Scope `ledger:read`."""
    ledger = await _authorized(request, "ledger:read")
    if query.at is not None and query.at > ledger.clock():
        raise invalid("at", "must not be in the future")
    found = await ledger.account_at(account_id, query.at)
    if found is None:
        raise AccountNotFound(account_id)
    return json_response(balance_answer(found), headers={"etag": f'"{found.head.version}"'})


@router.get(
    "/v1/accounts/{account_id}/events",
    response_model=Feed,
    responses=problems(401, 403, 404, 422, 429, 500, 503),
    tags=["audit"],
    summary="One account's events as stored",
)
async def stream(request: Request, account_id: AccountId, query: Annotated[_StreamPage, Query()]) -> Response:
    """In version order. Scope `audit:read`."""
    ledger = await _authorized(request, "audit:read")
    rows = await ledger.stream(account_id, query.after_version, query.limit)
    if not rows and (query.after_version == 0 or await ledger.account_at(account_id) is None):
        raise AccountNotFound(account_id)
    next_after = rows[-1].version if rows else query.after_version
    return json_response({"events": [_event(row) for row in rows], "next_after": next_after})


@router.get(
    "/v1/events",
    response_model=Feed,
    responses=problems(401, 403, 422, 429, 500, 503),
    tags=["audit"],
    summary="All events by position",
)
async def log(request: Request, query: Annotated[_LogPage, Query()]) -> Response:
    """Commit order is position order: whoever follows positions misses nothing. Scope `audit:read`."""
    ledger = await _authorized(request, "audit:read")
    types = _types(query.types)
    rows = await ledger.events(query.after, query.limit, types)
    next_after = rows[-1].position if rows else query.after
    return json_response({"events": [_event(row) for row in rows], "next_after": next_after})


def _types(text: str | None) -> list[str] | None:
    if text is None:
        return None
    names = re.split(r"\s*,\s*", text.strip())
    for name in names:
        if name not in TOPICS:
            raise invalid("types", f"must be event types, separated by commas: {', '.join(TOPICS)}")
    return names


def _event(row: StoredRow) -> dict[str, Any]:
    stored = orjson.loads(row.state)
    return {
        "position": row.position,
        "account_id": row.account_id,
        "version": row.version,
        "type": row.topic,
        "recorded_at": stored["recorded_at"],
        "data": stored["data"],
        "metadata": stored["metadata"],
        "schema": stored["schema"],
    }


@router.get(
    "/v1/accounts/{account_id}/receipts/{operation}/{key:path}",
    response_model=ReceiptAnswer,
    responses=problems(401, 403, 404, 422, 429, 500, 503),
    tags=["queries"],
    summary="What became of an idempotency key",
)
async def receipt(request: Request, account_id: AccountId, operation: OperationName, key: Key) -> Response:
    """The original answer of the command that used the key. Scope `ledger:read` or `ledger:write`."""
    ledger = await _authorized(request, "ledger:read", "ledger:write")
    if operation not in OPERATIONS:
        raise invalid("operation", f"must be one of {', '.join(OPERATIONS)}")
    found = await ledger.executed(account_id, operation, account_id if operation == "open" else key)
    if found is None:
        raise Problem(
            "receipt_not_found",
            f"No {operation} on account {account_id!r} has used the key {key!r}: nothing was done under it.",
        )
    recorded = Recorded(found.account_id, found.version, found.position, found.events, replayed=True)
    return json_response(
        {
            "account_id": found.account_id,
            "operation": operation,
            "idempotency_key": found.metadata.idempotency_key,
            "version": found.version,
            "position": found.position,
            "recorded_at": found.events[-1].recorded_at,
            "answer": answer(recorded),
        }
    )


@router.get("/healthz", response_model=Health, tags=["health"], summary="Alive")
async def healthz() -> Response:
    """The process answers; nothing is said about the database."""
    return json_response({"status": "ok"})


@router.get("/readyz", response_model=Health, responses={503: {"model": Health}}, tags=["health"], summary="Ready")
async def readyz(request: Request) -> Response:
    """The database answers and commands can be committed."""
    wiring = _wiring(request)
    checks = {"committer": wiring.ledger.committer.intake.available, "database": await _database_answers(wiring)}
    ready = all(checks.values())
    status: Literal["ok", "unavailable"] = "ok" if ready else "unavailable"
    return json_response({"status": status, "checks": checks}, 200 if ready else 503)


async def _database_answers(wiring: Wiring) -> bool:
    try:
        async with wiring.ledger.log.reader() as reader:
            metrics.POSITION.set(await reader.last_position())
    except (psycopg.Error, PoolTimeout, OSError):
        return False
    return True


@router.get("/metrics", tags=["health"], summary="Prometheus metrics", response_class=PlainTextResponse)
async def prometheus(request: Request) -> Response:
    """Text for Prometheus; with several workers, the sum over them."""
    wiring = _wiring(request)
    metrics.WAITING.set(wiring.ledger.committer.intake.waiting)
    metrics.CACHED.set(len(wiring.ledger.cache))
    await _database_answers(wiring)
    body = metrics.exposition(processes=wiring.processes)
    return Response(body, media_type="text/plain; version=0.0.4; charset=utf-8")
