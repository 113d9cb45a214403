"""The links from the pages of an account to the forms with which an operator acts on it."""

from typing import NamedTuple

from api.contract.scopes import PAGES
from api.dashboard.current_user import CurrentUser, account_path
from ledger.domain.account import Standing


class ActionLink(NamedTuple):
    """A link to a form."""

    name: str
    path: str


_GRANTS = ("Correct a grant", "grants")
_FORMS = (
    ("Grant", "grant"),
    ("Deduct", "deduct"),
    _GRANTS,
    ("Edit", "update"),
    ("Transfer", "transfer"),
    ("Merge", "merge"),
)
_STANDINGS: dict[Standing, tuple[str, str]] = {
    "frozen": ("Unfreeze", "unfreeze"),
    "active": ("Freeze", "freeze"),
    "closed": ("Reopen", "reopen"),
}


def acts(user: CurrentUser) -> bool:
    """Whether a user may take any action."""
    return any(_may_open(user, end) for _, end in (*_FORMS, *_STANDINGS.values()))


def action_links(user: CurrentUser, root: str, account_id: str, standing: Standing) -> list[ActionLink]:
    """The actions that a user may take on an account of this standing. From a closed one credits are only cancelled."""
    forms = (*((_GRANTS,) if standing == "closed" else _FORMS), _STANDINGS[standing])
    return [ActionLink(name, account_path(root, account_id, end)) for name, end in forms if _may_open(user, end)]


def _may_open(user: CurrentUser, form: str) -> bool:
    return user.may(PAGES[f"GET /accounts/{{account_id}}/{form}"])
