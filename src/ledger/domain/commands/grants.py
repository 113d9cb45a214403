"""Commands about grants."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ledger.domain.amounts import Kind, check_amount
from ledger.domain.commands.command import check_id
from ledger.domain.errors import InvalidField
from ledger.domain.events import Source
from ledger.domain.texts import JsonObject, Sealed, check_text

LONGEST_LIFETIME = timedelta(days=36_500)


@dataclass(frozen=True, slots=True)
class GrantCredits:
    """Grant credits, spendable at once or, with `effective_at`, from a later moment on.

    A subscription grant without `expires_at` lapses `lifetime` after it starts.
    """

    account_id: str
    kind: Kind
    amount: int
    source: Source | None = None
    expires_at: datetime | None = None
    lifetime: timedelta | None = None
    transaction_id: str | None = None
    description: str | None = None
    metadata: JsonObject | Sealed | None = None
    effective_at: datetime | None = None

    def __post_init__(self) -> None:
        check_amount(self.amount)
        check_id("transaction_id", self.transaction_id)
        check_text("description", self.description)
        if self.kind == "permanent" and self.expires_at is not None:
            raise InvalidField("expires_at", "must be absent: permanent credits never expire")
        if self.expires_at is not None and self.expires_at.tzinfo is None:
            raise InvalidField("expires_at", "must say its offset from UTC")
        if self.effective_at is not None and self.effective_at.tzinfo is None:
            raise InvalidField("effective_at", "must say its offset from UTC")
        if self.lifetime is not None and not timedelta(0) < self.lifetime <= LONGEST_LIFETIME:
            raise InvalidField("lifetime", f"must be positive and at most {LONGEST_LIFETIME.days} days")


@dataclass(frozen=True, slots=True)
class VoidGrant:
    """Cancel `amount` credits of what remains of a grant; None cancels all of it and closes the grant."""

    account_id: str
    grant_id: str
    amount: int | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        check_text("reason", self.reason)
        if self.amount is not None:
            check_amount(self.amount)


@dataclass(frozen=True, slots=True)
class ChangeGrantExpiry:
    """Let the lot of a grant lapse at `expires_at`: a moment for subscription credits, None for permanent ones.

    `reinstate` says that what has lapsed of the grant comes back to its lot. Without it, a lapsed lot is refused.
    """

    account_id: str
    grant_id: str
    expires_at: datetime | None
    reinstate: bool = False
    reason: str | None = None

    def __post_init__(self) -> None:
        check_text("reason", self.reason)
        if self.expires_at is not None and self.expires_at.tzinfo is None:
            raise InvalidField("expires_at", "must say its offset from UTC")
