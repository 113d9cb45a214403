"""Commands about holds."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ledger.domain.amounts import check_amount
from ledger.domain.commands.command import BACK_DATING, check_id, check_instant
from ledger.domain.errors import InvalidField
from ledger.domain.holds import DEFAULT_HOLD, LONGEST_HOLD, LONGEST_LIFE, SHORTEST_HOLD
from ledger.domain.pricing.price import Priced
from ledger.domain.texts import check_text
from ledger.domain.usage import Usage

OnExcess = Literal["reject", "draw", "available"]

IfFrozen = Literal["accept", "refuse"]


@dataclass(frozen=True, slots=True)
class PlaceHold:
    """Reserve credits for `expires_in` from the moment of decision. The credits of a `price` are the amount."""

    account_id: str
    amount: int
    expires_in: timedelta = DEFAULT_HOLD
    task_id: str | None = None
    description: str | None = None
    usage: Usage | None = None
    price: Priced | None = None

    def __post_init__(self) -> None:
        if self.price is None:
            check_amount(self.amount)
        check_id("task_id", self.task_id)
        check_text("description", self.description)
        _check_hold_length(self.expires_in)


@dataclass(frozen=True, slots=True)
class ExtendHold:
    """Extend a hold until `expires_in` after the moment of decision. An extension never shortens a hold."""

    account_id: str
    hold_id: str
    expires_in: timedelta
    longest_life: timedelta = LONGEST_LIFE
    """From when the hold was placed to its latest end."""
    of_member: str | None = None
    """Whose hold it must be, if that is said."""

    def __post_init__(self) -> None:
        _check_hold_length(self.expires_in)


@dataclass(frozen=True, slots=True)
class CaptureHold:
    """Turn `amount` credits of a hold into a deduction; None captures the whole hold. `final` releases the rest.

    `if_frozen` says whether a frozen account accepts it: its holds are older than the freeze, and their work is done.
    `occurred_at` says when the usage occurred, at most `back_dating` before the moment of decision.
    A `price` was computed before, and its credits are the amount. `of_member` says whose hold it must be.
    """

    account_id: str
    hold_id: str
    amount: int | None = None
    final: bool = True
    on_excess: OnExcess = "reject"
    usage: Usage | None = None
    if_frozen: IfFrozen = "accept"
    occurred_at: datetime | None = None
    back_dating: timedelta = BACK_DATING
    price: Priced | None = None
    of_member: str | None = None

    def __post_init__(self) -> None:
        if self.amount is not None and self.price is None:
            check_amount(self.amount)
        if self.occurred_at is not None:
            check_instant("occurred_at", self.occurred_at)


@dataclass(frozen=True, slots=True)
class ReleaseHold:
    """Release a hold: its credits return to their lots."""

    account_id: str
    hold_id: str
    of_member: str | None = None
    """Whose hold it must be, if that is said."""


def _check_hold_length(length: timedelta) -> None:
    if not SHORTEST_HOLD <= length <= LONGEST_HOLD:
        least, most = (int(limit.total_seconds()) for limit in (SHORTEST_HOLD, LONGEST_HOLD))
        raise InvalidField("expires_in_seconds", f"must be from {least} to {most}", int(length.total_seconds()))
