"""Whether events are what an ask meant: amounts, ids and kinds, from the body alone."""

from datetime import datetime
from typing import Any

from tests.survival.attempts import Ask
from tests.survival.log import Row

TOPICS = {
    "open": "AccountOpened",
    "update": "AccountUpdated",
    "grant": "CreditsGranted",
    "deduct": "CreditsDeducted",
    "reverse": "DeductionReversed",
    "hold": "CreditsHeld",
    "capture": "HoldCaptured",
    "extend": "HoldExtended",
    "release": "HoldReleased",
    "void": "GrantVoided",
    "payment": "PaymentRecorded",
    "payment_refund": "PaymentRefunded",
    "payment_dispute": "DisputeRecorded",
    "subscription": "SubscriptionRecorded",
    "freeze": "AccountFrozen",
    "unfreeze": "AccountUnfrozen",
    "close": "AccountClosed",
    "reopen": "AccountReopened",
    "limits": "LimitsSet",
    "allowance": "AllowanceSet",
    "meter": "UsageMetered",
    "transfer": "CreditsSent",
    "merge": "AccountClosed",
    "transfer_reversal": "TransferReversed",
    "change_expiry": "GrantExpiryChanged",
}
SAID = {
    "amount",
    "amount_minor",
    "kind",
    "payment_id",
    "provider",
    "quantity",
    "refund_id",
    "source",
    "state",
    "status",
    "task_id",
    "transaction_id",
    "value",
}
"""What a body says and an event repeats."""
MOMENTS = {"effective_at", "occurred_at", "expires_at"}


def agrees(ask: Ask, events: list[Row]) -> bool:
    """Whether the events are of the right type and say what was asked for."""
    done = [row.data for row in events if row.topic == TOPICS[ask.operation] and "changed_by" not in row.data]
    if len(done) != 1:
        return False
    if ask.operation == "payment" and not _are_bought(ask.body, events):
        return False
    return all(_agrees(ask.operation, name, value, done[0]) for name, value in {**ask.body, **ask.ids}.items())


def _are_bought(body: dict[str, Any], events: list[Row]) -> bool:
    """Whether a payment has led to the grants that it buys, in their order, and to no others."""
    wanted = [*([body["grant"]] if "grant" in body else []), *body.get("grants", ())]
    granted = [row.data for row in events if row.topic == "CreditsGranted"]
    return len(granted) == len(wanted) and all(
        ("effective_at" in grant) == ("effective_at" in data)
        and all(_agrees("grant", name, value, data) for name, value in grant.items())
        for grant, data in zip(wanted, granted, strict=True)
    )


def _agrees(operation: str, name: str, value: Any, data: dict[str, Any]) -> bool:
    if operation == "allowance" and name == "amount":
        return bool(data.get("amount") == value)
    if name == "limits":
        said = [(limit["limit_id"], limit["amount"], limit["source"]) for limit in data["limits"]]
        return said == [(limit["limit_id"], limit["amount"], data["source"]) for limit in value]
    if name == "reinstate" and not value:
        return bool(data["reinstated"] == 0)
    if name == "usage":  # a capture repeats what its hold was for, too
        return bool(value.items() <= data.get("usage", {}).items())
    if name.endswith("_id") and name in data:
        return bool(data[name] == value)
    if name in MOMENTS and name in data:
        return datetime.fromisoformat(data[name]) == datetime.fromisoformat(value)
    if name not in SAID or name not in data:
        return True
    if name == "amount":  # some take what there is, and say what is missing; a reversal may waive what was missing
        return bool(data["amount"] + data.get("uncollected", 0) + data.get("waived", 0) == value)
    if operation == "payment_dispute" and name == "amount_minor":  # no more than what is left of the payment
        return bool(data[name] <= value)
    return bool(data[name] == value)
