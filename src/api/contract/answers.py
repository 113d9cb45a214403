"""Outcomes as answers. An answer is a pure function of the command's events, so a replay gives the original again."""

from collections.abc import Iterable
from typing import Any

from ledger.commit.submission import Recorded
from ledger.domain.amounts import Balance
from ledger.domain.events import (
    AccountClosed,
    AccountFrozen,
    AccountOpened,
    AccountUnfrozen,
    CreditsDeducted,
    CreditsExpired,
    CreditsGranted,
    CreditsHeld,
    DeductionReversed,
    Event,
    GrantVoided,
    HoldCaptured,
    HoldExpired,
    HoldExtended,
    HoldReleased,
    PaymentRecorded,
    PaymentRefunded,
    TextsErased,
)
from ledger.domain.holds import Returns, with_fate
from ledger.domain.lots import Draws, total
from ledger.explain.as_json import balance_fields
from ledger.service import AccountAt

_DEEDS = 2
"""Events of a command that are its own, the last ones: before them stands what time had taken, perhaps a lot of it."""


def answer(recorded: Recorded) -> dict[str, Any]:
    """What a command answers: where it is in the log, what it did, and the balance after it."""
    account_id, version, position, events, _ = recorded
    last = events[-1]
    result: dict[str, Any] = {
        "account_id": account_id,
        "version": version,
        "position": position,
        "recorded_at": last.recorded_at,
    }
    for event in events[-_DEEDS:]:
        result.update(_deed(event))
    result["balance"] = balance_fields(last.balance)
    return result


def balance_answer(found: AccountAt) -> dict[str, Any]:
    """The balance query: the balance at a moment, and the open lots in burn order."""
    account = found.account
    return {
        "account_id": account.account_id,
        "as_of": found.as_of,
        "known_at": found.known_at,
        "version": found.newest.version,
        "position": found.newest.position,
        "standing": account.standing,
        **balance_fields(account.balance),
        "grants": [lot._asdict() for lot in account.lots],
    }


def _deed(event: Event) -> dict[str, Any]:
    match event:
        case CreditsDeducted():
            return {
                "deduction_id": event.deduction_id,
                **_deduction(event.deduction_id, event.amount, event.draws, event.balance),
            }
        case CreditsGranted():
            return {
                "grant_id": event.grant_id,
                "granted": event.amount,
                "kind": event.kind,
                "expires_at": event.expires_at,
            }
        case CreditsHeld():
            return {
                "hold_id": event.hold_id,
                "held": event.amount,
                "expires_at": event.expires_at,
                "draws": _draws(event.draws),
            }
        case HoldExtended():
            return {"hold_id": event.hold_id, "expires_at": event.expires_at}
        case HoldCaptured():
            return {
                "hold_id": event.hold_id,
                "captured": event.amount,
                "final": event.final,
                **_came_back("released", event.returns),
                **_deduction(event.deduction_id, event.amount, event.draws, event.balance),
            }
        case HoldReleased():
            return {"hold_id": event.hold_id, **_came_back("released", event.returns)}
        case DeductionReversed():
            return {"deduction_id": event.deduction_id, **_came_back("reversed", event.returns)}
        case GrantVoided():
            return {"grant_id": event.grant_id, "voided": event.amount, "uncollected": event.uncollected}
        case PaymentRecorded():
            return {"payment_id": event.payment_id, "payment_status": event.status}
        case PaymentRefunded():
            return {
                "payment_id": event.payment_id,
                "refund_id": event.refund_id,
                "refunded_minor": event.amount_minor,
            }
        case AccountOpened():
            return {"standing": "active"}
        case AccountFrozen():
            return {"standing": "frozen"}
        case AccountUnfrozen():
            return {"standing": "active"}
        case AccountClosed():
            return {"standing": "closed"}
        case CreditsExpired() | HoldExpired() | TextsErased():
            return {}


def _deduction(deduction_id: str, amount: int, draws: Draws, balance: Balance) -> dict[str, Any]:
    from_subscription = total(draws, "subscription")
    return {
        "deduction_id": deduction_id,
        "deducted": amount,
        "from_subscription": from_subscription,
        "from_permanent": amount - from_subscription,
        "draws": _draws(draws),
        "balance_after": balance.subscription + balance.permanent,
    }


def _draws(draws: Draws) -> list[dict[str, Any]]:
    return [{"grant_id": grant_id, "kind": kind, "amount": amount} for grant_id, kind, amount, _ in draws]


def _came_back(word: str, returns: Returns) -> dict[str, int]:
    return {
        word: _all(returns),
        "lapsed": with_fate(returns, "lapsed"),
        "cancelled": with_fate(returns, "cancelled"),
    }


def _all(returns: Iterable[Any]) -> int:
    return sum(part.amount for part in returns)
