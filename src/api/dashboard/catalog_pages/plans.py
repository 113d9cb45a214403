"""The plans and packages that are offered, for account holders who compare them."""

from secrets import token_urlsafe

from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.plans.plan_card import plan_card_of
from api.dashboard.rendering import page
from api.http.billing.catalog import entries_of
from api.http.queries.reads import reads_of
from billing.checkouts.offers import ACTIVE
from billing.plans import Plan


async def plans(request: Request) -> Response:
    """Show what is listed, with the plan of the account marked, if it has one."""
    account_id, reads = request.path_params["account_id"], reads_of(request)
    card = await plan_card_of(reads, account_id)
    active, plans = card.active, await entries_of(reads, "plan")
    had = {one["plan"] for one in card.all if one["status"] in ACTIVE}
    taken = {entry.body.group for entry in plans if isinstance(entry.body, Plan) and entry.id in had}
    return await page(
        request,
        "plans.html",
        account_id=account_id,
        plans=[entry for entry in plans if entry.body.listed],
        taken=taken,
        packages=await entries_of(reads, "package", listed=True),
        current_plan=active["plan"] if active is not None else None,
        buying=token_urlsafe(16),
    )
