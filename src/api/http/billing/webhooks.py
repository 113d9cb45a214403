"""The routes with which operators see what became of webhooks, and decide about those that wait."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field

from api.contract.answers.billing.webhooks import (
    DecidedAnswer,
    WebhookAnswer,
    WebhooksAnswer,
    waiting_fields,
    webhook_answer,
    webhook_fields,
)
from api.contract.billing_bodies import DismissBody, MatchBody
from api.contract.bodies import SEGMENT
from api.contract.cursors import MAX_CURSOR, List
from api.contract.problems import Problem
from api.contract.validation import validated
from api.http.commands.command_endpoint import endpoint_of
from api.http.json_answer import AnswerRoute, JsonAnswer
from api.http.queries.query import MAX_PAGE, Parameters, known_account, now_of, problems, problems_of
from api.http.queries.reads import reads_of
from api.http.requests.callers import caller_of
from api.http.requests.request import MAX_BODY, headers_of, read_body, read_json
from billing.inbox.inbox import NEWEST, Inbox
from billing.inbox.webhook import State
from ledger.domain.commands import MAX_ID
from ledger.domain.errors import shown

router = APIRouter(route_class=AnswerRoute, tags=["billing"])

WebhookId = Annotated[str, Path(min_length=1, max_length=MAX_ID, pattern=SEGMENT)]
_READING = problems(401, 403, 422, 429, 500, 503)
_DECIDING = problems(400, 401, 403, 413, 415, 422, 429, 500, 503) | problems_of(
    "webhook_not_found", "webhook_already_applied"
)
_MATCHING = _DECIDING | problems_of("webhook_not_found", "account_not_found")


class _Page(Parameters):
    state: State | None = Field(None, description="default: all")
    provider: str | None = Field(None, max_length=MAX_ID, description="default: all")
    limit: int = Field(50, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(None, max_length=MAX_CURSOR, description="the `next_cursor` of the previous page")


class _Nothing(Parameters):
    pass


def inbox_of(request: Request) -> Inbox:
    """The inbox of this process."""
    inbox: Inbox = request.app.state.inbox
    return inbox


@router.get("/v1/webhooks", responses=_READING, summary="Webhooks, the newest first, and how many wait")
async def webhooks(request: Request, query: Annotated[_Page, Query()]) -> JsonAnswer[WebhooksAnswer]:
    """`state` `waiting` lists what waits, and for what: a payment, an account, a product, or an operator."""
    cursors, inbox = reads_of(request).cursors, inbox_of(request)
    of: List = ("webhooks", query.state, query.provider)
    after = cursors.read(query.cursor, of, (int,))
    found = await inbox.page(query.state, query.provider, before=after[0] if after else NEWEST, limit=query.limit + 1)
    shown = found[: query.limit]
    return JsonAnswer(
        {
            "webhooks": [webhook_fields(webhook) for webhook in shown],
            "waiting": [waiting_fields(count) for count in await inbox.waiting()],
            "next_cursor": cursors.make(of, shown[-1].number) if len(found) > len(shown) else None,
        }
    )


@router.get(
    "/v1/webhooks/{name}",
    responses=_READING | problems_of("webhook_not_found"),
    summary="One webhook, with what the provider sent",
)
async def webhook(request: Request, name: WebhookId, query: Annotated[_Nothing, Query()]) -> JsonAnswer[WebhookAnswer]:
    """The payload has names and addresses of buyers. It is dropped after CREDIT_LEDGER_WEBHOOK_DAYS."""
    inbox = inbox_of(request)
    found = await inbox.find(name)
    if found is None:
        raise _not_found(name)
    return JsonAnswer(webhook_answer(found, await inbox.body(name)))


def _body(name: str) -> dict[str, object]:
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.post("/v1/webhooks/{webhook_id}/retry", responses=_DECIDING, summary="Try a webhook again at once")
async def retry(
    request: Request, webhook_id: WebhookId, query: Annotated[_Nothing, Query()]
) -> JsonAnswer[DecidedAnswer]:
    """It may be one that was dismissed or ignored. The answer comes before it is tried."""
    await read_body(request.scope, headers_of(request.scope), request.receive, MAX_BODY)
    return await _decided(request, webhook_id, inbox_of(request).retry(webhook_id, *_by(request)))


@router.post(
    "/v1/webhooks/{webhook_id}/match",
    responses=_MATCHING,
    summary="Say whose the payments of a webhook are",
    openapi_extra=_body("MatchBody"),
)
async def match(
    request: Request, webhook_id: WebhookId, query: Annotated[_Nothing, Query()]
) -> JsonAnswer[DecidedAnswer]:
    """An operator's word outranks what the provider says. The webhook, and what waits for the same, is tried again."""
    body = validated(MatchBody, await _fields(request))
    await known_account(reads_of(request).ledger, body.account_id)
    return await _decided(request, webhook_id, inbox_of(request).match(webhook_id, body.account_id, *_by(request)))


@router.post(
    "/v1/webhooks/{webhook_id}/dismiss",
    responses=_DECIDING,
    summary="Give a webhook up",
    openapi_extra=_body("DismissBody"),
)
async def dismiss(
    request: Request, webhook_id: WebhookId, query: Annotated[_Nothing, Query()]
) -> JsonAnswer[DecidedAnswer]:
    """It is not tried again until somebody says so."""
    body = validated(DismissBody, await _fields(request))
    return await _decided(request, webhook_id, inbox_of(request).dismiss(webhook_id, body.reason, *_by(request)))


async def _fields(request: Request) -> dict[str, object]:
    return read_json(await read_body(request.scope, headers_of(request.scope), request.receive, MAX_BODY))


def _by(request: Request) -> tuple[str, datetime]:
    return caller_of(request.scope).actor, now_of(request)


async def _decided(request: Request, webhook_id: str, deciding: Awaitable[bool]) -> JsonAnswer[DecidedAnswer]:
    """The webhook after a decision. Raises Problem when there is none, or none that can be decided."""
    done = await deciding
    found = await inbox_of(request).find(webhook_id)
    if found is None:
        raise _not_found(webhook_id)
    if not done:
        raise Problem("webhook_already_applied", "The webhook has been applied.", webhook_id=shown(webhook_id))
    answer: DecidedAnswer = {**webhook_fields(found)}
    return JsonAnswer(answer, headers={"x-request-id": endpoint_of(request).next_request_id()})


def _not_found(webhook_id: str) -> Problem:
    return Problem("webhook_not_found", "There is no such webhook.", webhook_id=shown(webhook_id))
