"""The links from the pages of an account to the forms with which an operator acts on it."""

from typing import NamedTuple

from api.dashboard.current_user import account_path
from ledger.domain.account import Standing


class ActionLink(NamedTuple):
    """A link to a form."""

    name: str
    path: str


def action_links(root: str, account_id: str, standing: Standing) -> list[ActionLink]:
    """The actions on an account of this standing. A closed account has none."""
    if standing == "closed":
        return []
    freezing = ("Unfreeze", "unfreeze") if standing == "frozen" else ("Freeze", "freeze")
    forms = (("Grant", "grant"), ("Deduct", "deduct"), ("Void a grant", "grants"), freezing)
    return [ActionLink(name, account_path(root, account_id, end)) for name, end in forms]
