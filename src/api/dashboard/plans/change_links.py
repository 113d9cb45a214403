"""Links to the pages on which a subscription is changed, for those who may open them."""

from typing import NamedTuple

from starlette.requests import Request

from api.contract.scopes import PAGES
from api.dashboard.current_user import account_path, root_of, user_of
from api.dashboard.plans.plan_card import PlanCard
from api.http.billing.changes import changing_of
from billing.checkouts.checkout import MANUAL

_CHANGE = PAGES["GET /accounts/{account_id}/subscription/upgrade"]


class ChangeLinks(NamedTuple):
    """The addresses of what can be done with the active subscription. `portal` None: its provider has no such page."""

    plans: str
    cancel: str
    reactivate: str
    portal: str | None


def change_links(request: Request, account_id: str, card: PlanCard) -> ChangeLinks | None:
    """The links for the current user; None if they may not change it, or nobody can call its provider."""
    active = card.active
    if active is None or active["provider"] not in changing_of(request).calls or not user_of(request).may(_CHANGE):
        return None
    root = root_of(request)
    found = [account_path(root, account_id, "subscription", name) for name in ("cancel", "reactivate", "portal")]
    portal = None if active["provider"] == MANUAL else found[2]
    return ChangeLinks(account_path(root, account_id, "plans"), found[0], found[1], portal)
