"""The plans and packages that are offered, for account holders who compare them."""

from collections.abc import Mapping, Sequence
from secrets import token_urlsafe

from starlette.requests import Request
from starlette.responses import Response

from api.contract.scopes import PAGES
from api.dashboard.current_user import user_of
from api.dashboard.plans.change_links import change_links
from api.dashboard.plans.plan_card import PlanCard, plan_card_of
from api.dashboard.rendering import page
from api.http.billing.catalog import entries_of
from api.http.billing.changes import changing_of
from api.http.queries.reads import reads_of
from billing.catalog_changes import Entry
from billing.changes.foreseeing import Foreseen
from billing.changes.targets import Offer
from billing.checkouts.offers import ACTIVE
from billing.plans import Plan

_BUY = PAGES["POST /accounts/{account_id}/plans"]


async def plans(request: Request) -> Response:
    """Show what is listed, with the plan of the account marked, and what a change to each other plan would be."""
    account_id, reads = request.path_params["account_id"], reads_of(request)
    card = await plan_card_of(reads, account_id)
    plans = await entries_of(reads, "plan")
    offered = [entry for entry in plans if entry.body.listed]
    had = {one["plan"] for one in card.all if one["status"] in ACTIVE}
    taken = {entry.body.group for entry in plans if isinstance(entry.body, Plan) and entry.id in had}
    return await page(
        request,
        "plans.html",
        account_id=account_id,
        plans=offered,
        taken=taken,
        packages=await entries_of(reads, "package", listed=True),
        current_plan=card.active["plan"] if card.active is not None else None,
        changes=await _changes(request, account_id, card, offered),
        buying=token_urlsafe(16) if user_of(request).may(_BUY) else None,
    )


async def _changes(
    request: Request, account_id: str, card: PlanCard, offered: Sequence[Entry]
) -> Mapping[str, Foreseen]:
    """What a change to each plan would be, for those who may make one."""
    if change_links(request, account_id, card) is None:
        return {}
    offers = {entry.id: Offer(entry.body, entry.version) for entry in offered if isinstance(entry.body, Plan)}
    return await changing_of(request).foreseen(account_id, offers)
