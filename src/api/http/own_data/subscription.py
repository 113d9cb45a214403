"""Routes of a person about the subscription of their account, or of a team that they manage: read, bought or upgraded,
cancelled, reactivated."""

import secrets
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query, Request

from api.contract.bodies import Id
from api.contract.people.subscription import (
    BillingPeriod,
    CancelledAnswer,
    ChosenTierBody,
    OwnSubscriptionAnswer,
    ReactivatedAnswer,
    Renewal,
    TierAnswer,
    cancelled_answer,
    own_subscription_answer,
    reactivated_answer,
    tier_answer,
)
from api.http.billing.changes import changing_of
from api.http.billing.checkouts import checkouts_of
from api.http.json_answer import JsonAnswer
from api.http.people.own_keys import holder_of
from api.http.people.person_route import PROBLEMS, PersonRoute, body_of, body_schema, person_of
from api.http.queries.query import LINKS_NEED, Parameters, problems, problems_of
from api.http.queries.reads import reads_of
from api.http.requests.own_address import absolute
from api.http.requests.request import headers_of, idempotency_key
from billing.changes.changing import Answered, Asker
from billing.changes.running import Running
from billing.changes.targets import Offer, PlanWish, offer_of, plan_of, renewal_price
from billing.checkouts.checkout import Checkout, Wish
from billing.checkouts.errors import AlreadySubscribed, PriceNotFound
from billing.plans import PlanPrice
from ledger.domain.errors import AccountNotFound
from people.teams.roles import at_least
from people.teams.words import missing_role

router = APIRouter(route_class=PersonRoute, tags=["people"])
_ASKING = problems(401, 403, 404, 422, 429, 500, 503)
_CHANGING = problems(401, 403, 404, 409, 422, 500, 501, 502) | problems_of(*LINKS_NEED)
_BUYING = PROBLEMS | _CHANGING
_MONTHS: dict[BillingPeriod, int] = {"monthly": 1, "yearly": 12}


class _Account(Parameters):
    account_id: Id | None = None
    """The team; default: their own account."""


class _Chosen(NamedTuple):
    """A plan at a price that somebody chose; no price: a plan that costs nothing."""

    plan_id: str
    offer: Offer
    price: str | None


@router.get("/api/subscription", responses=_ASKING, summary="The subscription of a person, or of their team")
async def subscription(request: Request, query: Annotated[_Account, Query()]) -> JsonAnswer[OwnSubscriptionAnswer]:
    """Computed from the events, never stale. Of a team for its admins and owner."""
    account_id = await _account(request, query)
    found = next(iter(await _running(request, account_id)), None)
    if found is None:
        return JsonAnswer(own_subscription_answer(None, (), None))
    async with reads_of(request).ledger.log.connection() as connection:
        plan, price = await plan_of(connection, found), await renewal_price(connection, found)
    renewal = None if price is None else Renewal(price, found.now["quantity"])
    return JsonAnswer(own_subscription_answer(found.now, plan.features if plan is not None else (), renewal))


@router.post(
    "/api/subscription/upgrade",
    responses=_BUYING,
    summary="Buy a plan, or change to a better one",
    openapi_extra=body_schema(ChosenTierBody),
)
async def upgrade(request: Request, query: Annotated[_Account, Query()]) -> JsonAnswer[TierAnswer]:
    """What is listed in the catalogue. A checkout that can still be paid is found again, not made twice."""
    account_id, body = await _account(request, query), await body_of(request, ChosenTierBody)
    chosen = await _chosen(request, body)
    back = body.return_url or absolute(request, f"/dashboard/accounts/{account_id}/plans")
    try:
        made = await _checkout(request, Wish(account_id, "plan", chosen.plan_id, chosen.price, 1, back))
    except AlreadySubscribed:
        return JsonAnswer(await _upgraded(request, account_id, chosen))
    url = None if made.url is None else absolute(request, made.url)
    return JsonAnswer(tier_answer(url, made.expires_at, paid_on_page=True))


@router.post("/api/subscription/cancel", responses=_CHANGING, summary="End a subscription with its period")
async def cancel(request: Request, query: Annotated[_Account, Query()]) -> JsonAnswer[CancelledAnswer]:
    """Until then it stays as it is, and can be reactivated."""
    account_id = await _account(request, query)
    done = await changing_of(request).cancel(account_id, "period_end", None, _asker(request))
    return JsonAnswer(cancelled_answer(done.asked), headers=_replayed(done))


@router.post("/api/subscription/reactivate", responses=_CHANGING, summary="Take back that a subscription ends")
async def reactivate(request: Request, query: Annotated[_Account, Query()]) -> JsonAnswer[ReactivatedAnswer]:
    """It renews as it is."""
    done = await changing_of(request).reactivate(await _account(request, query), None, _asker(request))
    return JsonAnswer(reactivated_answer(done.asked), headers=_replayed(done))


async def _account(request: Request, query: _Account) -> str:
    """The account whose money somebody may see and spend. Raises AccountNotFound, and AccessRefused: missing_role."""
    holder = await holder_of(request, query.account_id)
    if not at_least(holder.role, "admin"):
        raise missing_role("admin")
    return holder.account_id


async def _running(request: Request, account_id: str) -> list[Running]:
    if await reads_of(request).ledger.account_at(account_id) is None:
        raise AccountNotFound(account_id)
    return await changing_of(request).running(account_id)


async def _chosen(request: Request, body: ChosenTierBody) -> _Chosen:
    """The plan that a body names, and its price of that period. Raises PlanNotFound and PriceNotFound."""
    async with reads_of(request).ledger.log.connection() as connection:
        offer = await offer_of(connection, body.tier)
    prices, months = offer.plan.prices, _MONTHS[body.billing_period]
    found = next((one for one in prices if one.interval.months == months), None)
    if prices and found is None:
        raise PriceNotFound("plan", body.tier, body.billing_period, [one.price for one in prices])
    return _Chosen(body.tier, offer, _name(found))


def _name(price: PlanPrice | None) -> str | None:
    return price.price if price is not None else None


async def _checkout(request: Request, wish: Wish) -> Checkout:
    """A checkout that can be paid. Raises BillingRefused and Refusal."""
    checkouts, key = checkouts_of(request), idempotency_key(headers_of(request.scope))
    found = await checkouts.open_like(wish) if key is None else None
    if found is not None:
        return found
    named = f"person:{key or secrets.token_urlsafe(16)}"
    return (await checkouts.create(wish, named, person_of(request).user.user_id, listed_only=True)).checkout


async def _upgraded(request: Request, account_id: str, chosen: _Chosen) -> TierAnswer:
    """Change the subscription that there is. Raises BillingRefused: not_an_upgrade, already_on_plan, ..."""
    wish = PlanWish(chosen.plan_id, chosen.price)
    asked = (await changing_of(request).upgrade(account_id, wish, _asker(request))).asked
    url = None if asked.url is None else absolute(request, asked.url)
    return tier_answer(url, asked.expires_at, paid_on_page=asked.effect == "checkout")


def _asker(request: Request) -> Asker:
    return Asker(person_of(request).user.user_id, idempotency_key(headers_of(request.scope)))


def _replayed(done: Answered) -> dict[str, str]:
    return {"idempotent-replayed": "true"} if done.replayed else {}
