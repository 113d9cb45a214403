"""The routes of changes of a subscription: each asks the payment provider, and the ledger follows what that says."""

from dataclasses import replace
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query, Request
from pydantic import Field

from api.contract.answers.billing.changes import (
    CancelAnswer,
    DowngradeAnswer,
    PortalAnswer,
    ReactivateAnswer,
    UpgradeAnswer,
    cancel_answer,
    downgrade_answer,
    reactivate_answer,
    upgrade_answer,
)
from api.contract.bodies import Body
from api.contract.change_bodies import CancelBody, DowngradeBody, PortalBody, ReactivateBody, UpgradeBody
from api.contract.openapi import IDEMPOTENCY_KEY
from api.contract.validation import validated
from api.http.commands.command_endpoint import endpoint_of
from api.http.json_answer import AnswerRoute, JsonAnswer
from api.http.queries.query import LINKS_NEED, AccountId, Parameters, problems, problems_of
from api.http.requests.callers import caller_of
from api.http.requests.own_address import absolute
from api.http.requests.request import MAX_BODY, headers_of, idempotency_key, read_body, read_json
from billing.changes.asked import Asked
from billing.changes.changing import Answered, Asker, Changing
from billing.changes.targets import PlanWish

router = APIRouter(route_class=AnswerRoute, tags=["billing"])
BodyT = TypeVar("BodyT", bound=Body)
_PROBLEMS = (
    problems(400, 401, 403, 413, 415, 429, 500, 501, 502)
    | problems_of("account_not_found", "plan_not_found", *LINKS_NEED)
    | problems_of("validation_failed", "idempotency_key_reused", "price_not_found")
)


class _DryRun(Parameters):
    dry_run: bool = Field(False, description="answer what would happen, and ask nobody")


class _Nothing(Parameters):
    pass


def changing_of(request: Request) -> Changing:
    """The changes of subscriptions of this process."""
    changing: Changing = request.app.state.changing
    return changing


def _documented(body: type[Body], *conflicts: str, keyed: bool = True) -> dict[str, Any]:
    """What the document says of a route that reads its own body."""
    required = any(field.is_required() for field in body.model_fields.values())
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{body.__name__}"}}}
    extra: dict[str, Any] = {"requestBody": {"required": required, "content": content}}
    return {
        "responses": _PROBLEMS | problems_of(*conflicts),
        "openapi_extra": extra | ({"parameters": [IDEMPOTENCY_KEY]} if keyed else {}),
    }


@router.post(
    "/v1/accounts/{account_id}/subscription/upgrade",
    summary="Change to a better plan at once",
    **_documented(
        UpgradeBody,
        "no_subscription",
        "already_on_plan",
        "not_an_upgrade",
        "already_cancelled",
        "payment_due",
        "account_closed",
    ),
)
async def upgrade(
    request: Request, account_id: AccountId, query: Annotated[_DryRun, Query()]
) -> JsonAnswer[UpgradeAnswer]:
    """The provider charges for the time that is left of the period, and the credits of that time come when it is paid.

    `dry_run=true` says what would be paid and what would come.
    """
    body = await _read(request, UpgradeBody)
    wish, changing = PlanWish(body.plan, body.price, body.quantity), changing_of(request)
    if query.dry_run:
        foreseen = await changing.upgrade_foreseen(account_id, wish)
        return JsonAnswer(upgrade_answer(foreseen), headers=_request_id(request))
    done = await changing.upgrade(account_id, wish, _asker(request))
    return JsonAnswer(upgrade_answer(_whole(request, done.asked)), headers=_headers(request, done))


@router.post(
    "/v1/accounts/{account_id}/subscription/downgrade",
    summary="Change to a smaller plan at the end of the period",
    **_documented(DowngradeBody, "no_subscription", "already_on_plan", "not_a_downgrade", "already_cancelled"),
)
async def downgrade(
    request: Request, account_id: AccountId, query: Annotated[_DryRun, Query()]
) -> JsonAnswer[DowngradeAnswer]:
    """Nothing is paid or taken now. Where the provider keeps no such wish, the ledger holds it until shortly before."""
    body = await _read(request, DowngradeBody)
    wish, changing = PlanWish(body.plan, body.price, body.quantity), changing_of(request)
    if query.dry_run:
        foreseen = await changing.downgrade_foreseen(account_id, wish)
        return JsonAnswer(downgrade_answer(foreseen), headers=_request_id(request))
    done = await changing.downgrade(account_id, wish, _asker(request))
    return JsonAnswer(downgrade_answer(done.asked), headers=_headers(request, done))


@router.post(
    "/v1/accounts/{account_id}/subscription/cancel",
    summary="End a subscription",
    **_documented(CancelBody, "no_subscription", "already_cancelled"),
)
async def cancel(
    request: Request, account_id: AccountId, query: Annotated[_DryRun, Query()]
) -> JsonAnswer[CancelAnswer]:
    """At the end of its period it does not renew: until then it stays as it is, and can be reactivated."""
    body, changing = await _read(request, CancelBody), changing_of(request)
    if query.dry_run:
        foreseen = await changing.cancel_foreseen(account_id, body.when, body.subscription_id)
        return JsonAnswer(cancel_answer(foreseen), headers=_request_id(request))
    asker = _asker(request)._replace(reason=body.reason)
    done = await changing.cancel(account_id, body.when, body.subscription_id, asker)
    return JsonAnswer(cancel_answer(done.asked), headers=_headers(request, done))


@router.post(
    "/v1/accounts/{account_id}/subscription/reactivate",
    summary="Take back a cancellation or a downgrade",
    **_documented(ReactivateBody, "no_subscription", "not_cancelled"),
)
async def reactivate(
    request: Request, account_id: AccountId, query: Annotated[_Nothing, Query()]
) -> JsonAnswer[ReactivateAnswer]:
    """The subscription renews as it is. After it has ended, a checkout begins another one."""
    body = await _read(request, ReactivateBody)
    done = await changing_of(request).reactivate(account_id, body.subscription_id, _asker(request))
    return JsonAnswer(reactivate_answer(done.asked), headers=_headers(request, done))


@router.post(
    "/v1/accounts/{account_id}/portal",
    summary="Make a link to the provider's page of invoices and payment methods",
    **_documented(PortalBody, "no_subscription", keyed=False),
)
async def portal(
    request: Request, account_id: AccountId, query: Annotated[_Nothing, Query()]
) -> JsonAnswer[PortalAnswer]:
    """Each request makes another link, so it takes no idempotency key."""
    body = await _read(request, PortalBody)
    url = await changing_of(request).portal(account_id, body.return_url, body.subscription_id)
    return JsonAnswer({"url": absolute(request, url)}, headers={"cache-control": "no-store", **_request_id(request)})


def _whole(request: Request, asked: Asked) -> Asked:
    """What was asked, with the whole address of the page to pay on."""
    return asked if asked.url is None else replace(asked, url=absolute(request, asked.url))


async def _read(request: Request, body: type[BodyT]) -> BodyT:
    raw = await read_body(request.scope, headers_of(request.scope), request.receive, MAX_BODY)
    return validated(body, read_json(raw))


def _asker(request: Request) -> Asker:
    return Asker(caller_of(request.scope).actor, idempotency_key(headers_of(request.scope)))


def _headers(request: Request, done: Answered) -> dict[str, str]:
    return _request_id(request) | ({"idempotent-replayed": "true"} if done.replayed else {})


def _request_id(request: Request) -> dict[str, str]:
    return {"x-request-id": endpoint_of(request).next_request_id()}
