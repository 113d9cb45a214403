"""Whether events are what an ask meant: amounts, ids and kinds, from the body alone."""

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
    "freeze": "AccountFrozen",
    "unfreeze": "AccountUnfrozen",
    "close": "AccountClosed",
    "reopen": "AccountReopened",
    "transfer": "CreditsSent",
    "merge": "AccountClosed",
    "transfer_reversal": "TransferReversed",
    "change_expiry": "GrantExpiryChanged",
}
SAID = ("amount", "kind", "task_id", "transaction_id", "payment_id", "refund_id", "provider", "amount_minor")
"""What a body says and an event repeats."""


def agrees(ask: Ask, events: list[Row]) -> bool:
    """Whether the events are of the right type and say what was asked for."""
    done = [row.data for row in events if row.topic == TOPICS[ask.operation]]
    if len(done) != 1:
        return False
    return all(_agrees(ask.operation, name, value, done[0]) for name, value in {**ask.body, **ask.ids}.items())


def _agrees(operation: str, name: str, value: Any, data: dict[str, Any]) -> bool:
    if name.endswith("_id") and name in data:
        return bool(data[name] == value)
    if name not in SAID or name not in data:
        return True
    if name == "amount":  # some take what there is, and say what is missing; a reversal may waive what was missing
        return bool(data["amount"] + data.get("uncollected", 0) + data.get("waived", 0) == value)
    return bool(data[name] == value)
