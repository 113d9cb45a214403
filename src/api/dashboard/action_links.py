"""The links from the pages of an account to the forms with which an operator acts on it."""

from typing import NamedTuple

from api.contract.scopes import PAGES
from api.dashboard.current_user import CurrentUser, account_path
from ledger.domain.account import Standing


class ActionLink(NamedTuple):
    """A link to a form."""

    name: str
    path: str


_FORMS = (("Grant", "grant"), ("Deduct", "deduct"), ("Void a grant", "grants"))
_STANDINGS = (("Unfreeze", "unfreeze"), ("Freeze", "freeze"))


def acts(user: CurrentUser) -> bool:
    """Whether a user may take any action."""
    return any(_may_open(user, end) for _, end in (*_FORMS, *_STANDINGS))


def action_links(user: CurrentUser, root: str, account_id: str, standing: Standing) -> list[ActionLink]:
    """The actions that a user may take on an account of this standing. A closed account has none."""
    if standing == "closed":
        return []
    forms = (*_FORMS, _STANDINGS[0] if standing == "frozen" else _STANDINGS[1])
    return [ActionLink(name, account_path(root, account_id, end)) for name, end in forms if _may_open(user, end)]


def _may_open(user: CurrentUser, form: str) -> bool:
    return user.may(PAGES[f"GET /accounts/{{account_id}}/{form}"])
