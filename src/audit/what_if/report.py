"""The costs of a period under two books as JSON has them, and the sentence of each refusal."""

from typing import Any

from typing_extensions import TypedDict

from audit.what_if.costs import Costs, Groups, Refused, WhatIf
from ledger.domain.errors import UsageHasNoPrice


class CostsFields(TypedDict):
    """Sums of deductions and captures, less what came back. See Costs."""

    uses: int
    cost: int
    would_cost: int
    difference: int
    refused_uses: int
    refused_cost: int
    unsaid_uses: int
    unsaid_cost: int
    reversed: int


def costs_fields(costs: Costs) -> CostsFields:
    """Sums as JSON."""
    return {
        "uses": costs.uses,
        "cost": costs.cost,
        "would_cost": costs.would_cost,
        "difference": costs.difference,
        "refused_uses": costs.refused_uses,
        "refused_cost": costs.refused_cost,
        "unsaid_uses": costs.unsaid_uses,
        "unsaid_cost": costs.unsaid_cost,
        "reversed": costs.reversed,
    }


def reason(refused: Refused) -> str:
    """Why the other book refuses some usage, in the words of the refusal that a deduction would get."""
    return UsageHasNoPrice(refused.why, None, refused.fields, "this provider, model and metric").message


def as_json(found: WhatIf) -> dict[str, Any]:
    """All sums. Each list has its groups; `others` are what further ones come to together, for lists that have any."""
    kinds: dict[str, tuple[Groups[Any], tuple[str, ...]]] = {
        "accounts": (found.accounts, ("account_id",)),
        "plans": (found.plans, ("plan",)),
        "providers": (found.providers, ("provider",)),
        "models": (found.models, ("provider", "model")),
    }
    lists = {
        kind: [{**_named(names, key), **costs_fields(costs)} for key, costs in groups.sorted()]
        for kind, (groups, names) in kinds.items()
    }
    others = {kind: costs_fields(groups.others) for kind, (groups, _) in kinds.items() if groups.others is not None}
    return {"total": costs_fields(found.total), **lists, "refusals": _refusals(found), "others": others}


def _named(names: tuple[str, ...], key: Any) -> dict[str, Any]:
    return dict(zip(names, key if isinstance(key, tuple) else (key,), strict=True))


def _refusals(found: WhatIf) -> list[dict[str, Any]]:
    """The usage that the other book refuses, by what it cost; all that is beyond the most groups in a last one."""
    listed = [
        {**refused._asdict(), "reason": reason(refused), "uses": costs.refused_uses, "cost": costs.refused_cost}
        for refused, costs in found.refusals.sorted()
    ]
    rest = found.refusals.others
    if rest is None:
        return listed
    return [*listed, {"reason": "Others", "uses": rest.refused_uses, "cost": rest.refused_cost}]
