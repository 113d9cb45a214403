"""The plans and packages that are offered, for account holders who compare them."""

from starlette.requests import Request
from starlette.responses import Response

from api.dashboard.plans.plan_card import plan_card_of
from api.dashboard.rendering import page
from api.http.billing.catalog import entries_of
from api.http.queries.reads import reads_of


async def plans(request: Request) -> Response:
    """Show what is listed, with the plan of the account marked, if it has one."""
    account_id, reads = request.path_params["account_id"], reads_of(request)
    active = (await plan_card_of(reads, account_id)).active
    return await page(
        request,
        "plans.html",
        account_id=account_id,
        plans=await entries_of(reads, "plan", listed=True),
        packages=await entries_of(reads, "package", listed=True),
        current_plan=active["plan"] if active is not None else None,
    )
