"""The routes of checkouts: make the page on which an account buys something, and see what became of it."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from api.contract.answers.billing.checkouts import CheckoutAnswer, checkout_answer
from api.contract.billing_bodies import CheckoutBody
from api.contract.bodies import SEGMENT
from api.contract.openapi import IDEMPOTENCY_KEY
from api.contract.problems import Problem
from api.contract.scopes import MANAGE
from api.contract.validation import validated
from api.http.commands.command_endpoint import endpoint_of
from api.http.json_answer import AnswerRoute, JsonAnswer
from api.http.queries.query import LINKS_NEED, Parameters, problems, problems_of
from api.http.requests.callers import caller_of
from api.http.requests.own_address import absolute
from api.http.requests.request import MAX_BODY, headers_of, idempotency_key, read_body, read_json
from billing.checkouts.checkout import Checkout
from billing.checkouts.checkouts import Checkouts
from billing.manual.payments import Payments
from ledger.domain.commands import MAX_ID

router = APIRouter(route_class=AnswerRoute, tags=["billing"])

CheckoutId = Annotated[str, Path(min_length=1, max_length=MAX_ID, pattern=SEGMENT)]
_KEYS = "api:"
"""Before the keys of callers, so that they are none of ours."""
_REFUSALS = (
    *("account_not_found", "plan_not_found", "package_not_found", "account_frozen", "account_closed"),
    *("subscription_required", "already_subscribed"),
    *("validation_failed", "idempotency_key_reused", "price_not_found"),
)
_MAKING: dict[int | str, dict[str, Any]] = (
    problems(401, 403, 413, 415, 429, 500, 501, 502)
    | problems_of("idempotency_key_required", "malformed_json", *_REFUSALS, *LINKS_NEED)
    | {200: {"model": CheckoutAnswer, "description": "The checkout of this key, made before"}}
)


class _Nothing(Parameters):
    pass


def checkouts_of(request: Request) -> Checkouts:
    """The checkouts of this process."""
    found: Checkouts = request.app.state.checkouts
    return found


def payments_of(request: Request) -> Payments:
    """What takes the payments of our own provider."""
    found: Payments = request.app.state.payments
    return found


@router.post(
    "/v1/checkouts",
    status_code=201,
    responses=_MAKING,
    summary="Make the page on which an account buys a plan or a package",
    openapi_extra={
        "parameters": [{**IDEMPOTENCY_KEY, "required": True}],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/CheckoutBody"}}},
        },
    },
)
async def make_checkout(request: Request, query: Annotated[_Nothing, Query()]) -> JsonAnswer[CheckoutAnswer]:
    """The Idempotency-Key header is required. Nothing is granted before the payment is here."""
    headers, caller = headers_of(request.scope), caller_of(request.scope)
    raw = await read_body(request.scope, headers, request.receive, MAX_BODY)
    body = validated(CheckoutBody, read_json(raw))
    key = idempotency_key(headers)
    if key is None:
        raise Problem("idempotency_key_required", "Send an Idempotency-Key header that is unique for this checkout.")
    absolute(request, "/")  # before anything is made whose page nobody could be sent to
    listed_only = not caller.allows(MANAGE)
    made = await checkouts_of(request).create(body.wish, _KEYS + key, caller.actor, listed_only=listed_only)
    told = {"x-request-id": endpoint_of(request).next_request_id()}
    told |= {"idempotent-replayed": "true"} if made.replayed else {}
    return JsonAnswer(_answer(request, made.checkout), 200 if made.replayed else 201, told)


@router.get(
    "/v1/checkouts/{checkout_id}",
    responses=problems(401, 403, 422, 429, 500) | problems_of("checkout_not_found", *LINKS_NEED),
    summary="One checkout, and whether it is paid",
)
async def checkout(
    request: Request, checkout_id: CheckoutId, query: Annotated[_Nothing, Query()]
) -> JsonAnswer[CheckoutAnswer]:
    """It is `paid` as soon as a webhook says so; the credits follow within a second."""
    return JsonAnswer(_answer(request, await checkouts_of(request).find(checkout_id)))


def _answer(request: Request, found: Checkout) -> CheckoutAnswer:
    return checkout_answer(found, None if found.url is None else absolute(request, found.url))
