"""The forms of limits: how typed values become the body of the command that sets the limits of operators.

The command replaces all limits of its source, so a form that changes one limit sends the others as they are now.
"""

import re
from collections.abc import Mapping
from typing import Any

from api.contract.answers.limits import limit_fields
from api.dashboard.limits.lengths import length_of, seconds_of
from ledger.domain.account import Account
from ledger.domain.errors import LimitNotFound
from ledger.domain.limits import CREDITS, MAX_NEAR, Limit
from ledger.domain.usage import DIMENSIONS

OPERATOR = "operator"
"""The source of the limits that operators set on these pages. Those of other sources are left alone."""
_OWN = ("limit_id", "each", "only", "unit", "amount", "period", "hard", "near")
"""What a body says of a limit that goes on: its allowances and counters go on with it."""
NEW = {"unit": CREDITS, "near": "80"}
"""What the form of a new limit has at first."""
FIELDS = {"period.seconds": "length", "period.zone": "zone", "period.starts": "starts", "period.every": "period"}
"""The fields of the form, by those of a limit that have another name."""
_PERCENT = re.compile(r"[1-9][0-9]?|100", re.ASCII)
_LINE_END = re.compile(r"\r\n|\n|\r")
"""A value may have what else Unicode calls a line end."""
_SECOND = re.compile(rf",\s*({'|'.join(DIMENSIONS)})\s*=", re.ASCII)
"""The beginning of a second pair on one line."""


class FormError(ValueError):
    """A typed value cannot be used."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


def with_limit(given: Mapping[str, Any], account: Account, source: str = OPERATOR) -> dict[str, Any]:
    """The body that sets one limit of a source. Raises FormError."""
    if "/" in given["limit_id"]:
        raise FormError("limit_id", "A name has no slash.")
    before = next((limit for limit in _limits(account, source) if limit.limit_id == given["limit_id"]), None)
    new = {
        "limit_id": given["limit_id"],
        "amount": given["amount"],
        "unit": given.get("unit") or "credits",
        "each": [given["each"]] if given.get("each") else [],
        "only": _only(given.get("only", "")),
        "period": _period(given),
        "hard": given.get("hard") != "no",
        "near": _near(given.get("near", "")),
    }
    if before is not None and before.allowances and list(before.each) == new["each"]:
        new["allowances"] = dict(before.allowances)
    return _body(account, given["limit_id"], [new], source)


def without_limit(limit_id: str, account: Account, source: str = OPERATOR) -> dict[str, Any]:
    """The body that removes one limit. Raises LimitNotFound if the source has set no such limit."""
    if all(limit.limit_id != limit_id for limit in _limits(account, source)):
        raise LimitNotFound(limit_id)
    return _body(account, limit_id, [], source)


def typed_values(limit_id: str, account: Account, source: str = OPERATOR) -> dict[str, str]:
    """The values with which the form of a limit begins: those of the limit, if the source has set it."""
    found = next((limit for limit in _limits(account, source) if limit.limit_id == limit_id), None)
    if found is None:
        return {}
    fields = limit_fields(found)
    period: Mapping[str, Any] = fields["period"] or {}
    return {
        "amount": str(found.amount),
        "unit": found.unit,
        "each": found.each[0] if found.each else "",
        "only": "\n".join(f"{name}={value}" for name, value in found.only),
        "period": "timed" if "seconds" in period else period.get("every", ""),
        "starts": str(period["starts"]) if "starts" in period else "",
        "length": length_of(period["seconds"]) if "seconds" in period else "",
        "zone": period.get("zone", ""),
        "hard": "yes" if found.hard else "no",
        "near": ", ".join(map(str, found.near)),
    }


def _limits(account: Account, source: str) -> list[Limit]:
    """The limits that a source has set."""
    every = account.limits.all if account.limits else ()
    return [one.limit for one in every if one.limit.source == source]


def _body(account: Account, limit_id: str, changed: list[dict[str, Any]], source: str) -> dict[str, Any]:
    kept = [limit_fields(limit) for limit in _limits(account, source) if limit.limit_id != limit_id]
    others = [{name: value for name, value in one.items() if name in _OWN} for one in kept]
    return {"source": source, "limits": [*others, *changed]}


def _only(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in filter(str.strip, _LINE_END.split(text)):
        name, _, value = (part.strip() for part in line.partition("="))
        if not value or _SECOND.search(value):
            raise FormError("only", "Enter one on each line, such as model=gpt-5.")
        if name not in DIMENSIONS:
            raise FormError("only", f"Usage has no {name}. It has {', '.join(DIMENSIONS)}.")
        if name in found:
            raise FormError("only", f"There are two lines for {name}.")
        found[name] = value
    return found


def _near(text: str) -> list[int]:
    percents = text.replace("%", " ").replace(",", " ").split()
    if not all(_PERCENT.fullmatch(one) for one in percents) or len(percents) > MAX_NEAR:
        raise FormError("near", f"Enter at most {MAX_NEAR} percents from 1 to 100, such as 50, 80.")
    return sorted({int(one) for one in percents})


def _seconds(text: str) -> int:
    try:
        return seconds_of(text)
    except ValueError as error:
        raise FormError("length", str(error)) from error


def _period(given: Mapping[str, Any]) -> dict[str, Any] | None:
    match given.get("period"):
        case None | "":
            return None
        case "timed":
            return {"seconds": _seconds(given.get("length", ""))}
        case every:
            period = {"every": every, "zone": given.get("zone") or "UTC"}
            return period | ({"starts": given["starts"]} if given.get("starts") else {})
