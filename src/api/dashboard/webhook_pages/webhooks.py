"""The webhooks that wait, for operators: why, in a sentence, and what they can do about each."""

from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.dashboard.current_user import operator_of, root_of
from api.dashboard.forms import read_form
from api.dashboard.rendering import page
from api.http.billing.webhooks import inbox_of
from api.http.queries.query import now_of
from api.http.queries.reads import reads_of
from billing.inbox.inbox import NEWEST, Inbox
from billing.inbox.webhook import State
from ledger.domain.commands import check_account_id
from ledger.domain.errors import InvalidField, shown
from ledger.domain.texts import check_text

LIMIT = 50
_CHOICES: dict[str, State | None] = {"waiting": "waiting", "dismissed": "dismissed", "all": None}
_TONES = {"applied": "good", "waiting": "warn", "dismissed": "", "ignored": "", "new": ""}
_ALREADY = "This webhook has been applied meanwhile."


class _Problem(NamedTuple):
    """Why a form was refused, and the webhook that it was about."""

    webhook_id: str
    sentence: str


async def webhooks(request: Request) -> Response:
    """Show the webhooks that wait, the newest first; or those that were dismissed, or all."""
    return await _list(request, None)


async def decide_webhook(request: Request) -> Response:
    """Carry out what the operator decided about one webhook."""
    form = await read_form(request)
    webhook_id = form.get("webhook_id", "")
    sentence = await _decided(request, inbox_of(request), webhook_id, form)
    if sentence is not None:
        return await _list(request, _Problem(webhook_id, sentence))
    return RedirectResponse(f"{root_of(request)}/webhooks", 303)


async def _decided(request: Request, inbox: Inbox, webhook_id: str, form: dict[str, str]) -> str | None:
    """Carry out a decision. Returns why it was refused. Raises HTTPException 400 for none that we offer."""
    actor, now = operator_of(request).key.actor, now_of(request)
    match form.get("decision"):
        case "match":
            account_id = form.get("account_id", "")
            problem = await _wrong_account(request, account_id)
            if problem is not None:
                return problem
            done = await inbox.match(webhook_id, account_id, actor, now)
        case "retry":
            done = await inbox.retry(webhook_id, actor, now)
        case "dismiss":
            reason = form.get("reason") or None
            try:
                check_text("reason", reason)
            except InvalidField as refusal:
                return refusal.message
            done = await inbox.dismiss(webhook_id, reason, actor, now)
        case _:
            raise HTTPException(400, "The form cannot be read.")
    return None if done else _ALREADY


async def _wrong_account(request: Request, account_id: str) -> str | None:
    try:
        check_account_id(account_id)
    except InvalidField as refusal:
        return refusal.message
    known = await reads_of(request).ledger.current.newest_event(account_id)
    return None if known is not None else f"There is no account {shown(account_id)}."


async def _list(request: Request, problem: _Problem | None) -> Response:
    inbox = inbox_of(request)
    listed = request.query_params.get("state", "waiting")
    listed = listed if listed in _CHOICES else "waiting"
    before = request.query_params.get("before", "")
    number = int(before) if before.isascii() and before.isdecimal() and len(before) < 19 else NEWEST
    found = await inbox.page(_CHOICES[listed], before=number, limit=LIMIT + 1)
    return await page(
        request,
        "webhooks.html",
        status=200 if problem is None else 422,
        problem=problem,
        listed=listed,
        choices=list(_CHOICES),
        webhooks=found[:LIMIT],
        older=found[LIMIT - 1].number if len(found) > LIMIT else None,
        waiting=await inbox.waiting(),
        tones=_TONES,
    )
