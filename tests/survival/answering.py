"""What a command's answer has to say, worked out from its events as stored, without the ledger's own code."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.survival.log import Row

Data = dict[str, Any]


def answer_of(rows: list[Row]) -> Data:
    """The answer of the command that made these events: where it is, what it did, the balance after it."""
    last = rows[-1]
    rows = [row for row in rows if "changed_by" not in row.data]  # what a dispute holds follows from other events
    said: Data = {"account_id": last.account, "version": last.version, "position": last.position}
    for row in rows:
        said |= _DEEDS.get(row.topic, _nothing)(row.data)
    for main, topic, word in _LISTS:
        parts = [_DEEDS[topic](row.data) for row in rows if row.topic == topic]
        if parts and any(row.topic == main for row in rows):
            said[word] = parts
            if len(parts) > 1:
                said = {name: value for name, value in said.items() if name not in parts[0]}
    return said | {"balance": _balance(last.data["balance"])}


def says(answer: Data, wanted: Data) -> str | None:
    """The first thing in which an answer differs, in words; None when it says all that it has to."""
    for name, value in wanted.items():
        if name not in answer or answer[name] != value:
            return f"{name} is {answer.get(name, 'not there')}, and the log has {value}"
    return None


def _nothing(_: Data) -> Data:
    return {}


def _balance(data: Data) -> Data:
    total = data["subscription_credits"] + data["permanent_credits"]
    return {
        "total": total,
        "held": data["held"],
        "available": total - data["held"],
        "subscription_credits": data["subscription_credits"],
        "permanent_credits": data["permanent_credits"],
        "subscription_expire_at": data.get("subscription_expire_at"),
    }


def _deduction(data: Data, draws: list[Data]) -> Data:
    parts = [{name: draw[name] for name in ("grant_id", "kind", "amount")} for draw in draws]
    from_subscription = sum(part["amount"] for part in parts if part["kind"] == "subscription")
    return {
        "deduction_id": data["deduction_id"],
        "deducted": data["amount"],
        "from_subscription": from_subscription,
        "from_permanent": data["amount"] - from_subscription,
        "draws": parts,
        "balance_after": data["balance"]["subscription_credits"] + data["balance"]["permanent_credits"],
        **{name: data[name] for name in ("uncollected",) if name in data},
        **_counted(data),
    }


def _granted(data: Data) -> Data:
    moments = {name: data.get(name) for name in ("expires_at", "effective_at")}
    return {"granted": data["amount"], **moments, **_same(data, "grant_id", "kind")}


def _counted(data: Data) -> Data:
    """What is left of the limits that counted it, if any did."""
    return {"limits": [_left(count) for count in data["counts"]]} if "counts" in data else {}


def _left(count: list[Any]) -> Data:
    limit_id, value, used, amount, until = count
    headroom, over = max(amount - used, 0), max(used - amount, 0)
    left = {"amount": amount, "used": used, "headroom": headroom, "over": over, "resets_at": until}
    return {"limit_id": limit_id, "value": value, **left}


def _limit(said: Data) -> Data:
    return {**said, "period": said.get("period")}


def _metered(data: Data) -> Data:
    return {"metric": data["metric"], "metered": data["quantity"], "limits": [], **_counted(data)}


def _held(data: Data) -> Data:
    ends = [part["expires_at"] for part in data["draws"] if "expires_at" in part]
    first = min(ends, key=datetime.fromisoformat, default=None)
    outlived = first is not None and datetime.fromisoformat(first) <= datetime.fromisoformat(data["expires_at"])
    lapse = first if outlived else None
    return {"held": data["amount"], "lots_expire_at": lapse, **_same(data, "hold_id", "expires_at"), **_counted(data)}


def _captured(data: Data) -> Data:
    came_back = _came_back("released", data)
    captured = {"captured": data["amount"], **came_back, **_same(data, "hold_id", "final")}
    return captured | _deduction(data, data["from_hold"] + data["from_lots"])


def _came_back(word: str, data: Data) -> Data:
    parts = data["returns"]
    fates = {fate: sum(part["amount"] for part in parts if part["fate"] == fate) for fate in ("lapsed", "cancelled")}
    return {word: sum(part["amount"] for part in parts), **fates, **_counted(data)}


def _voided(data: Data) -> Data:
    return {"voided": data["amount"], **_same(data, "grant_id", "uncollected")}


def _sent(data: Data) -> Data:
    parts = [{name: draw[name] for name in ("grant_id", "kind", "amount")} for draw in data["draws"]]
    return {"sent": data["amount"], "draws": parts, **_same(data, "transfer_id", "to_account_id")}


def _closed(data: Data) -> Data:
    return {"standing": "closed"} | ({"successor": data["successor"]} if "successor" in data else {})


def _refunded(data: Data) -> Data:
    return {"refunded_minor": data["amount_minor"], **_same(data, "payment_id", "refund_id")}


def _disputed(data: Data) -> Data:
    returns = data["returns"]
    fates = [("released", "returned"), ("lapsed", "lapsed"), ("cancelled", "cancelled")]
    back = {word: sum(part["amount"] for part in returns if part["fate"] == fate) for word, fate in fates}
    said = {"dispute_state": data["state"], "disputed_minor": data["amount_minor"], "hold_id": data.get("hold_id")}
    held = {"held": sum(part["amount"] for part in data["draws"])}
    return {**said, **held, **back, **_same(data, "payment_id", "dispute_id")}


def _same(data: Data, *names: str) -> Data:
    return {name: data[name] for name in names}


_DEEDS: dict[str, Callable[[Data], Data]] = {
    "AccountOpened": lambda data: {"standing": "active"},
    "AccountUpdated": lambda data: {"labels": data["labels"]} if "labels" in data else {},
    "CreditsGranted": _granted,
    "CreditsDeducted": lambda data: _deduction(data, data["draws"]),
    "CreditsHeld": _held,
    "HoldExtended": lambda data: {"lots_expire_at": data.get("lots_expire_at"), **_same(data, "hold_id", "expires_at")},
    "HoldCaptured": _captured,
    "HoldReleased": lambda data: {"hold_id": data["hold_id"], **_came_back("released", data)},
    "DeductionReversed": lambda data: {"deduction_id": data["deduction_id"], **_came_back("reversed", data)},
    "GrantVoided": _voided,
    "GrantExpiryChanged": lambda data: {
        **{name: data.get(name) for name in ("expires_at", "previous_expires_at")},
        **_same(data, "grant_id", "kind", "reinstated"),
    },
    "PaymentRecorded": lambda data: {"payment_id": data["payment_id"], "payment_status": data["status"]},
    "PaymentRefunded": _refunded,
    "DisputeRecorded": _disputed,
    "SubscriptionRecorded": lambda data: {
        "subscription_id": data["subscription_id"],
        "subscription_status": data["status"],
        "plan": data["terms"]["plan"],
        "plan_version": data["terms"]["version"],
    },
    "AccountFrozen": lambda data: {"standing": "frozen"},
    "AccountUnfrozen": lambda data: {"standing": "active"},
    "AccountClosed": _closed,
    "CreditsSent": _sent,
    "TransferReversed": lambda data: {
        **_came_back("reversed", data),
        **_same(data, "transfer_id", "to_account_id"),
    },
    "AccountReopened": lambda data: {"standing": "active"},
    "UsageMetered": _metered,
    "LimitsSet": lambda data: {"limits": [_limit(said) for said in data["limits"]], **_same(data, "source", "kept")},
    "AllowanceSet": lambda data: {"amount": data.get("amount"), **_same(data, "limit_id", "value")},
}
_LISTS = (
    ("PaymentRecorded", "CreditsGranted", "grants"),
    ("PaymentRefunded", "GrantVoided", "voids"),
    ("DisputeRecorded", "GrantVoided", "voids"),
)
"""What a payment, a refund or a lost dispute did to several grants; what it did to one is said beside the list too."""
