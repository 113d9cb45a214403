"""The forms of limits: how typed values become the body of the command that sets the limits of operators.

The command replaces all limits of its source, so a form that changes one limit sends the others as they are now.
"""

from collections.abc import Mapping
from typing import Any

from api.contract.answers.limits import limit_fields
from ledger.domain.account import Account
from ledger.domain.limits import Limit

OPERATOR = "operator"
"""The source of the limits that operators set on these pages. Those of other sources are left alone."""
_OWN = ("limit_id", "each", "only", "unit", "amount", "period", "hard", "near")
"""What a body says of a limit that goes on: its allowances and counters go on with it."""


class FormError(ValueError):
    """A typed value cannot be used."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


def with_limit(given: Mapping[str, Any], account: Account) -> dict[str, Any]:
    """The body that sets one limit. Raises FormError."""
    before = next((limit for limit in _limits(account) if limit.limit_id == given["limit_id"]), None)
    new = {
        "limit_id": given["limit_id"],
        "amount": given["amount"],
        "unit": given.get("unit") or "credits",
        "each": [given["each"]] if given.get("each") else [],
        "only": _only(given.get("only", "")),
        "period": _period(given),
        "hard": given.get("hard") != "no",
    }
    if before is not None:
        new["near"] = list(before.near)
        if before.allowances and list(before.each) == new["each"]:
            new["allowances"] = dict(before.allowances)
    return _body(account, given["limit_id"], [new])


def without_limit(limit_id: str, account: Account) -> dict[str, Any]:
    """The body that removes one limit."""
    return _body(account, limit_id, [])


def typed_values(limit_id: str, account: Account) -> dict[str, str]:
    """The values with which the form of a limit begins: those of the limit, if operators have set it."""
    found = next((limit for limit in _limits(account) if limit.limit_id == limit_id), None)
    if found is None:
        return {}
    fields = limit_fields(found)
    period: Mapping[str, Any] = fields["period"] or {}
    return {
        "amount": str(found.amount),
        "unit": found.unit,
        "each": found.each[0] if found.each else "",
        "only": ", ".join(f"{name}={value}" for name, value in found.only),
        "period": "hours" if "seconds" in period else period.get("every", ""),
        "starts": str(period["starts"]) if "starts" in period else "",
        "hours": str(period["seconds"] // 3_600) if "seconds" in period else "",
        "zone": period.get("zone", ""),
        "hard": "yes" if found.hard else "no",
    }


def _limits(account: Account) -> list[Limit]:
    """The limits that operators have set."""
    every = account.limits.all if account.limits else ()
    return [one.limit for one in every if one.limit.source == OPERATOR]


def _body(account: Account, limit_id: str, changed: list[dict[str, Any]]) -> dict[str, Any]:
    kept = [limit_fields(limit) for limit in _limits(account) if limit.limit_id != limit_id]
    others = [{name: value for name, value in one.items() if name in _OWN} for one in kept]
    return {"source": OPERATOR, "limits": [*others, *changed]}


def _only(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if any(not sign or not value.strip() for _, sign, value in pairs):
        raise FormError("only", "Enter pairs such as member=ada, model=gpt-5.")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _period(given: Mapping[str, Any]) -> dict[str, Any] | None:
    match given.get("period"):
        case None | "":
            return None
        case "hours":
            if not given.get("hours"):
                raise FormError("hours", "Enter how many hours a window lasts.")
            return {"seconds": given["hours"] * 3_600}
        case every:
            period = {"every": every, "zone": given.get("zone") or "UTC"}
            return period | ({"starts": given["starts"]} if given.get("starts") else {})
