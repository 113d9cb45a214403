"""The buttons with which a plan or a package is chosen: each makes a checkout, and goes to its page."""

from typing import cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.contract.scopes import MANAGE
from api.dashboard.current_user import Operator, account_path, root_of, user_of
from api.dashboard.forms import one_line, read_form
from api.http.billing.checkouts import checkouts_of
from api.http.requests.own_address import absolute
from billing.checkouts.checkout import Wish
from billing.errors import Kind
from ledger.domain.commands import MAX_ID

_LONGEST_KEY = 64


async def buy(request: Request) -> Response:
    """Go to the checkout of what was chosen, which is made unless one can still be paid. Holders buy what is listed."""
    form, account_id, user = await read_form(request), request.path_params["account_id"], user_of(request)
    kind, entry_id, price, key = (one_line(form, name) for name in ("kind", "id", "price", "key"))
    if kind not in ("plan", "package") or not 0 < len(key) <= _LONGEST_KEY or max(len(entry_id), len(price)) > MAX_ID:
        raise HTTPException(400, "The form cannot be read.")
    root = root_of(request)
    back = absolute(request, account_path("/dashboard", account_id, "plans"))
    wish = Wish(account_id, cast(Kind, kind), entry_id, price or None, 1, back)
    operator = user if isinstance(user, Operator) else None
    actor = operator.key.actor if operator is not None else "holder"
    listed_only = operator is None or not operator.key.allows(MANAGE)
    checkouts, named = checkouts_of(request), f"page:{key}:{kind}:{entry_id}:{price}"
    found = await checkouts.open_like(wish)
    if found is None:
        found = (await checkouts.create(wish, named, actor, listed_only=listed_only)).checkout
    return RedirectResponse(account_path(root, account_id, "checkout", found.checkout_id), 303)
