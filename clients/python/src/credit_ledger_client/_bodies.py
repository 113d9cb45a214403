"""What may be said beside the amount: the bodies of commands as named arguments."""

from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from credit_ledger_client.types import UsageBody

OfPayment = Literal["grants", "subscription"]
"""What of a payment can be expanded."""


class SpendingPriced(TypedDict, total=False):
    """Of a deduction of what usage costs."""

    task_id: str
    description: str
    metadata: Mapping[str, Any]
    occurred_at: str
    on_shortfall: Literal["reject", "available"]


class Spending(SpendingPriced, total=False):
    """Of a deduction of an amount."""

    usage: UsageBody


class Holding(TypedDict, total=False):
    """Of a hold."""

    task_id: str
    description: str
    usage: UsageBody
    expires_in_seconds: int


class Capturing(TypedDict, total=False):
    """Of a capture."""

    usage: UsageBody
    occurred_at: str
    on_excess: Literal["reject", "draw", "available"]
