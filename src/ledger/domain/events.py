"""Events: the facts of an account's stream. They are immutable, and they carry every decision.

Each event has the time at which it was recorded and the balance after it, so that folding a stream never decides
again. The class name is the stored topic. Fields may be added with a default; a change of meaning needs a new event
version and an upcaster (see store/upcasts.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ledger.domain.amounts import Balance, Kind
from ledger.domain.holds import Returns
from ledger.domain.lots import Draws
from ledger.domain.texts import JsonObject, Sealed

Source = Literal["signup", "subscription", "topup", "promotion", "adjustment"]
PaymentStatus = Literal["paid", "failed", "refunded"]
Usage = Mapping[str, str | int]
"""What a deduction was for: provider, model, project, member, metric, input_tokens, output_tokens; all optional."""


@dataclass(frozen=True, slots=True)
class _Recorded:
    recorded_at: datetime
    balance: Balance


@dataclass(frozen=True, slots=True)
class AccountOpened(_Recorded):
    """The first event of every stream."""

    account_id: str
    metadata: JsonObject | Sealed | None = None


@dataclass(frozen=True, slots=True)
class CreditsGranted(_Recorded):
    """A lot came into being."""

    grant_id: str
    kind: Kind
    amount: int
    source: Source
    expires_at: datetime | None = None
    transaction_id: str | None = None
    payment_id: str | None = None
    description: str | None = None
    metadata: JsonObject | Sealed | None = None


@dataclass(frozen=True, slots=True)
class CreditsDeducted(_Recorded):
    """Credits were taken for good; the draws add up to the amount."""

    deduction_id: str
    amount: int
    draws: Draws
    task_id: str | None = None
    description: str | None = None
    usage: Usage | None = None
    metadata: JsonObject | Sealed | None = None


@dataclass(frozen=True, slots=True)
class CreditsHeld(_Recorded):
    """Credits were reserved until `expires_at`."""

    hold_id: str
    amount: int
    draws: Draws
    expires_at: datetime
    task_id: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class HoldExtended(_Recorded):
    """A hold got a later `expires_at`."""

    hold_id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class HoldCaptured(_Recorded):
    """All or part of a hold became a deduction. `final` says that the hold is resolved, its rest in `returns`."""

    hold_id: str
    deduction_id: str
    amount: int
    from_hold: Draws
    from_lots: Draws
    returns: Returns
    final: bool
    task_id: str | None = None
    description: str | None = None
    usage: Usage | None = None

    @property
    def draws(self) -> Draws:
        """The draws of the deduction: first the hold's, then those of the excess."""
        return self.from_hold + self.from_lots


@dataclass(frozen=True, slots=True)
class HoldReleased(_Recorded):
    """A hold was given back on request."""

    hold_id: str
    returns: Returns


@dataclass(frozen=True, slots=True)
class HoldExpired(_Recorded):
    """A hold was given back because its time passed, at `effective_at`, whenever that was noticed."""

    hold_id: str
    effective_at: datetime
    returns: Returns


@dataclass(frozen=True, slots=True)
class DeductionReversed(_Recorded):
    """All or part of a deduction was undone."""

    deduction_id: str
    amount: int
    returns: Returns
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class GrantVoided(_Recorded):
    """`amount` of what remained of a grant was cancelled; `uncollected` was asked for and not there.

    `closed` says that whatever comes back to the grant later is cancelled too.
    """

    grant_id: str
    kind: Kind
    amount: int
    uncollected: int
    closed: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class CreditsExpired(_Recorded):
    """What remained of a lot lapsed at `effective_at`, its `expires_at`, whenever that was noticed."""

    grant_id: str
    kind: Kind
    amount: int
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class PaymentRecorded(_Recorded):
    """Money seen by a payment provider, in minor units of its currency, and the grant that it bought."""

    payment_id: str
    provider: str
    status: PaymentStatus
    amount_minor: int
    currency: str
    plan: str | None = None
    grant_id: str | None = None


@dataclass(frozen=True, slots=True)
class PaymentRefunded(_Recorded):
    """Money of a payment went back. The grant that it bought is voided by the events that follow."""

    payment_id: str
    refund_id: str
    amount_minor: int
    refunded_minor: int
    """All that went back of this payment so far, this refund included."""


@dataclass(frozen=True, slots=True)
class AccountFrozen(_Recorded):
    """The account takes no deductions, captures or holds from here on."""

    reason: str | None = None


@dataclass(frozen=True, slots=True)
class AccountUnfrozen(_Recorded):
    """The account takes everything again."""

    reason: str | None = None


@dataclass(frozen=True, slots=True)
class AccountClosed(_Recorded):
    """The account takes nothing but reversals and releases from here on."""

    reason: str | None = None


@dataclass(frozen=True, slots=True)
class TextsErased(_Recorded):
    """The key of all texts up to here was destroyed: nobody can read them again."""


Event = (
    AccountOpened
    | CreditsGranted
    | CreditsDeducted
    | CreditsHeld
    | HoldExtended
    | HoldCaptured
    | HoldReleased
    | HoldExpired
    | DeductionReversed
    | GrantVoided
    | CreditsExpired
    | PaymentRecorded
    | PaymentRefunded
    | AccountFrozen
    | AccountUnfrozen
    | AccountClosed
    | TextsErased
)
Events = tuple[Event, ...]
