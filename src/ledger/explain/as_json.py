"""An explanation as JSON fields: the one form in which every route and file gives it."""

from typing import Any

from ledger.domain.amounts import Balance
from ledger.explain.explanation import Explanation


def balance_fields(balance: Balance) -> dict[str, Any]:
    """The fields of a balance, named as the HTTP contract names them; amounts are in credits."""
    subscription, permanent, held, expire_at = balance
    return {
        "total": subscription + permanent,
        "held": held,
        "available": subscription + permanent - held,
        "subscription_credits": subscription,
        "permanent_credits": permanent,
        "subscription_expire_at": expire_at,
    }


def explanation_fields(explanation: Explanation) -> dict[str, Any]:
    """The fields of an explanation, without the account and the position of its event."""
    details = explanation.details
    return {
        "version": explanation.version,
        "type": explanation.type,
        "recorded_at": explanation.recorded_at,
        "effective_at": explanation.effective_at,
        "sentence": explanation.sentence,
        "why": details.why,
        "draws": [part._asdict() for part in details.draws],
        "passed_over": [part._asdict() for part in details.passed_over],
        "passed_over_count": details.passed_over_count,
        "returns": [part._asdict() for part in details.returns],
        "lot": details.lot and details.lot._asdict(),
        "hold": details.hold and details.hold._asdict(),
        "balance_before": balance_fields(explanation.before),
        "balance_after": balance_fields(explanation.balance),
        "sound": explanation.sound,
        "violations": explanation.violations,
    }
