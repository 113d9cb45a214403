"""An explanation as JSON, wherever it is answered or written."""

from typing import Any

from ledger.domain.amounts import Balance
from ledger.explain.explanation import Explanation


def balance_fields(balance: Balance) -> dict[str, Any]:
    """A balance in the words of the contract."""
    subscription, permanent, held, expire_at = balance
    return {
        "total": subscription + permanent,
        "held": held,
        "available": subscription + permanent - held,
        "subscription_credits": subscription,
        "permanent_credits": permanent,
        "subscription_expire_at": expire_at,
    }


def explanation(told: Explanation) -> dict[str, Any]:
    """An explanation as JSON, without where its event stands."""
    details = told.details
    return {
        "version": told.version,
        "type": told.type,
        "recorded_at": told.recorded_at,
        "effective_at": told.effective_at,
        "sentence": told.sentence,
        "why": details.why,
        "draws": [part._asdict() for part in details.draws],
        "passed_over": [part._asdict() for part in details.passed_over],
        "passed_over_count": details.passed_over_count,
        "returns": [part._asdict() for part in details.returns],
        "lot": details.lot and details.lot._asdict(),
        "hold": details.hold and details.hold._asdict(),
        "balance_before": balance_fields(told.before),
        "balance_after": balance_fields(told.balance),
        "sound": told.sound,
        "violations": told.violations,
    }
