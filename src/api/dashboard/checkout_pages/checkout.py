"""The page of a checkout: what is bought, what it costs, and how it is paid.

Whoever has no right to the account is told that there is no such page, and so is whoever names a checkout of another
account.
"""

from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.contract.scopes import PAGES
from api.dashboard.current_user import CurrentUser, Operator, account_path, page_not_found, root_of, user_of
from api.dashboard.formatting import day
from api.dashboard.forms import read_form
from api.dashboard.options import options_of
from api.dashboard.rendering import page
from api.http.billing.catalog import versions_of
from api.http.billing.checkouts import checkouts_of, payments_of
from api.http.queries.query import now_of
from api.http.queries.reads import reads_of
from billing.catalog_changes import Entry
from billing.checkouts.checkout import MANUAL, Checkout
from billing.checkouts.errors import CheckoutNotFound
from billing.manual.table import Receipt

STATES = {
    "unknown": ("not ready", "warn"),
    "open": ("to be paid", "warn"),
    "paid": ("paid", "good"),
    "cancelled": ("withdrawn", ""),
    "expired": ("expired", ""),
}
"""The word of each state, and its tone."""

_PLAY = PAGES["POST /accounts/{account_id}/checkout/{checkout_id}"]


class _Ways(NamedTuple):
    """How a checkout can be paid here."""

    transfer: bool
    plays: bool
    elsewhere: str | None


async def checkout(request: Request) -> Response:
    """Show a checkout."""
    found, sold = await _found(request)
    return await page(
        request,
        "checkout.html",
        account_id=found.account_id,
        checkout=found,
        sold=sold,
        state=STATES[found.state],
        ways=_ways(request, found),
        declined="declined" in request.query_params,
        day_name=day,
        back=found.cancel_url or found.return_url if found.state != "paid" else found.return_url,
    )


async def play_payment(request: Request) -> Response:
    """Play what a payment provider would tell. Raises HTTPException 404 where payments are not played."""
    form = await read_form(request)
    found, _ = await _found(request)
    if not _is_played(request, found):
        page_not_found()
    payments, here = payments_of(request), _path_of(request, found)
    match form.get("decision"):
        case "pay":
            await payments.receive(found.checkout_id, _receipt(request, found))
        case "dispute":
            if await payments.receive(found.checkout_id, _receipt(request, found)) == "paid":
                await payments.dispute(found.checkout_id)
        case "decline":
            await payments.decline(found.checkout_id)
            here += "?declined=1"
        case _:
            raise HTTPException(400, "The form cannot be read.")
    return RedirectResponse(here, 303)


async def _found(request: Request) -> tuple[Checkout, Entry]:
    """The checkout of the address, and what it sells. Raises HTTPException 404."""
    try:
        found = await checkouts_of(request).find(request.path_params["checkout_id"])
    except CheckoutNotFound:
        page_not_found()
    if found.account_id != request.path_params["account_id"]:
        page_not_found()
    entry, _ = await versions_of(reads_of(request), found.kind, found.entry_id, found.version)
    return found, entry


def _ways(request: Request, found: Checkout) -> _Ways:
    is_played = _is_played(request, found)
    ours = _is_payable(found) and found.provider == MANUAL
    elsewhere = found.url if _is_payable(found) and not ours and found.state == "open" else None
    return _Ways(ours and not is_played, is_played and user_of(request).may(_PLAY), elsewhere)


def _is_played(request: Request, found: Checkout) -> bool:
    return _is_payable(found) and found.provider == MANUAL and options_of(request).manual == "test"


def _is_payable(found: Checkout) -> bool:
    return found.state in ("open", "expired") and found.amount_minor > 0


def _receipt(request: Request, found: Checkout) -> Receipt:
    return Receipt(_name_of(user_of(request)), now_of(request).date(), found.amount_minor)


def _name_of(user: CurrentUser) -> str:
    return user.key.actor if isinstance(user, Operator) else "holder"


def _path_of(request: Request, found: Checkout) -> str:
    return account_path(root_of(request), found.account_id, "checkout", found.checkout_id)
