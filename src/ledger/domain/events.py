"""Events: the facts of an account's stream. They are immutable and carry every decision.

Each event has the time at which it was recorded and the balance after it, so that folding a stream never decides again.
The class name is the stored topic. A field may be added with a default; a change of meaning needs a new version of the
event and an upcast (store/records/upcasts.py).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ledger.domain.amounts import Kind
from ledger.domain.holds import Returns
from ledger.domain.limits import Counts, Limit
from ledger.domain.lots import Draws
from ledger.domain.payment_events import DisputeRecorded as DisputeRecorded
from ledger.domain.payment_events import DisputeState as DisputeState
from ledger.domain.payment_events import PaymentRecorded as PaymentRecorded
from ledger.domain.payment_events import PaymentRefunded as PaymentRefunded
from ledger.domain.payment_events import PaymentStatus as PaymentStatus
from ledger.domain.payment_events import Recorded
from ledger.domain.payment_events import SubscriptionRecorded as SubscriptionRecorded
from ledger.domain.plans.subscribed import AllowanceOf
from ledger.domain.pricing.price import Price
from ledger.domain.profile import Labels
from ledger.domain.texts import JsonObject, Sealed
from ledger.domain.usage import Usage

Source = Literal["signup", "subscription", "topup", "promotion", "adjustment"]
VoidCause = Literal["allowance", "roll_over"]


@dataclass(frozen=True, slots=True)
class AccountOpened(Recorded):
    """An account was opened. This is the first event of every stream."""

    account_id: str
    metadata: JsonObject | Sealed | None = None
    description: str | None = None
    labels: Labels | None = None


@dataclass(frozen=True, slots=True)
class AccountUpdated(Recorded):
    """What the account says about itself was corrected. What is None stayed as it was; an empty text or object removes
    the earlier one. `labels` are all labels of the account from now on."""

    description: str | None = None
    metadata: JsonObject | Sealed | None = None
    labels: Labels | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class CreditsGranted(Recorded):
    """Credits were granted, which makes a lot; with an `effective_at` they are coming until GrantStarted.

    An `allowance` is of a window of a subscription. It may be recorded after the start of that.
    """

    grant_id: str
    kind: Kind
    amount: int
    source: Source
    expires_at: datetime | None = None
    transaction_id: str | None = None
    payment_id: str | None = None
    description: str | None = None
    metadata: JsonObject | Sealed | None = None
    effective_at: datetime | None = None
    allowance: AllowanceOf | None = None


@dataclass(frozen=True, slots=True)
class GrantStarted(Recorded):
    """A coming grant started, which makes a lot of the `amount` that is left. It may be recorded later."""

    grant_id: str
    kind: Kind
    amount: int
    source: Source
    effective_at: datetime
    expires_at: datetime | None = None
    transaction_id: str | None = None
    payment_id: str | None = None


@dataclass(frozen=True, slots=True)
class CreditsDeducted(Recorded):
    """Credits were taken for good. The draws add up to the amount.

    Here as in other events, `counts` are the counters of limits that the event moved; None when no limit applied.
    `occurred_at`: of the usage, if the caller said it.
    `uncollected` credits more were asked for and were not available; None when all were. Then the amount may be 0.
    A `price`, here as in other events, was computed once, for the usage: it is what was asked for.
    """

    deduction_id: str
    amount: int
    draws: Draws
    task_id: str | None = None
    description: str | None = None
    usage: Usage | None = None
    metadata: JsonObject | Sealed | None = None
    counts: Counts | None = None
    occurred_at: datetime | None = None
    uncollected: int | None = None
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class CreditsHeld(Recorded):
    """Credits were reserved until `expires_at`."""

    hold_id: str
    amount: int
    draws: Draws
    expires_at: datetime
    task_id: str | None = None
    description: str | None = None
    usage: Usage | None = None
    counts: Counts | None = None
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class HoldExtended(Recorded):
    """A hold was extended to a later `expires_at`. `lots_expire_at`: when the first of its lots lapses, if by then."""

    hold_id: str
    expires_at: datetime
    lots_expire_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class HoldCaptured(Recorded):
    """All or part of a hold became a deduction. `final` says that the hold has ended; `returns` holds its rest.

    `occurred_at`: of the usage, if the caller said it.
    `uncollected` credits more were asked for beyond the hold, and were not available; None when all were.
    """

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
    counts: Counts | None = None
    occurred_at: datetime | None = None
    uncollected: int | None = None
    price: Price | None = None

    @property
    def draws(self) -> Draws:
        """The draws of the deduction: those from the hold, then those of the excess."""
        return self.from_hold + self.from_lots


@dataclass(frozen=True, slots=True)
class HoldReleased(Recorded):
    """A hold was released on request."""

    hold_id: str
    returns: Returns
    counts: Counts | None = None


@dataclass(frozen=True, slots=True)
class HoldExpired(Recorded):
    """A hold expired at `effective_at`, before it was resolved. It may be recorded later."""

    hold_id: str
    effective_at: datetime
    returns: Returns
    counts: Counts | None = None


@dataclass(frozen=True, slots=True)
class DeductionReversed(Recorded):
    """All or part of a deduction was reversed: `amount` credits came back.

    `waived` credits of what was uncollected of it are not asked for any more; None when nothing was uncollected.
    """

    deduction_id: str
    amount: int
    returns: Returns
    reason: str | None = None
    counts: Counts | None = None
    waived: int | None = None


@dataclass(frozen=True, slots=True)
class GrantVoided(Recorded):
    """`amount` credits of what remained of a grant were cancelled; `uncollected` more were asked for.

    `closed`: credits that come back to the grant later are cancelled too. `coming`: the grant had not started, so its
    credits were no part of the balance. The `cause` is that they were more of an `allowance` than its subscription
    entitles to, by all that is known, or more than may `roll_over` when the next allowance comes.
    """

    grant_id: str
    kind: Kind
    amount: int
    uncollected: int
    closed: bool
    reason: str | None = None
    coming: bool | None = None
    cause: VoidCause | None = None


@dataclass(frozen=True, slots=True)
class GrantExpiryChanged(Recorded):
    """The lot of a grant lapses at `expires_at` in place of `previous_expires_at`, also what comes back to it later.

    `reinstated` credits that had lapsed came back to the lot.
    """

    grant_id: str
    kind: Kind
    reinstated: int
    expires_at: datetime | None = None
    previous_expires_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class CreditsExpired(Recorded):
    """What remained of a lot lapsed at `effective_at`, its `expires_at`. It may be recorded later."""

    grant_id: str
    kind: Kind
    amount: int
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class CreditsSent(Recorded):
    """Credits were sent to another account, which received them in the same moment. They were neither used nor lost."""

    transfer_id: str
    to_account_id: str
    amount: int
    draws: Draws
    description: str | None = None


@dataclass(frozen=True, slots=True)
class CreditsReceived(Recorded):
    """A lot that another account sent became a lot of this account. Each lot has an event of its own.

    The new lot keeps the kind, the expiry, the source and the grant date (`granted_at`). `from_grant_id` is the
    sender's grant; `origin_grant_id` is the first one, if the credits were moved before.
    """

    grant_id: str
    kind: Kind
    amount: int
    source: Source
    granted_at: datetime
    transfer_id: str
    from_account_id: str
    from_grant_id: str
    origin_account_id: str
    origin_grant_id: str
    expires_at: datetime | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class TransferReversed(Recorded):
    """All credits of a transfer came back to the account that had sent them."""

    transfer_id: str
    to_account_id: str
    amount: int
    returns: Returns
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class CreditsSentBack(Recorded):
    """All credits of a transfer went back to the account that had sent them."""

    transfer_id: str
    from_account_id: str
    amount: int
    draws: Draws
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class AccountFrozen(Recorded):
    """The account was frozen: it refuses what spends credits, and captures of more than was held."""

    reason: str | None = None


@dataclass(frozen=True, slots=True)
class AccountUnfrozen(Recorded):
    """The account was unfrozen: it accepts all commands again."""

    reason: str | None = None


@dataclass(frozen=True, slots=True)
class AccountClosed(Recorded):
    """The account was closed: it accepts only what returns or cancels credits, and payments that grant nothing.

    It was merged into its `successor`, if any.
    """

    reason: str | None = None
    successor: str | None = None


@dataclass(frozen=True, slots=True)
class AccountReopened(Recorded):
    """The account was reopened: it is active, with the credits that it has."""

    reason: str | None = None


@dataclass(frozen=True, slots=True)
class TextsErased(Recorded):
    """The key of all earlier texts was destroyed: they cannot be read again."""


@dataclass(frozen=True, slots=True)
class LimitsSet(Recorded):
    """All limits of one source were replaced. Counters of the limits in `kept` go on; the others begin with this event,
    at `counts` or else at 0."""

    source: str
    limits: tuple[Limit, ...]
    kept: tuple[str, ...]
    counts: Counts | None = None


@dataclass(frozen=True, slots=True)
class AllowanceSet(Recorded):
    """The amount of one value of a limit was set; None: it was removed, and the amount of the limit holds."""

    limit_id: str
    value: str
    amount: int | None = None


@dataclass(frozen=True, slots=True)
class UsageMetered(Recorded):
    """`quantity` units of a metric were used. They cost no credits and count against limits."""

    metric: str
    quantity: int
    usage: Usage
    counts: Counts | None = None
    task_id: str | None = None
    occurred_at: datetime | None = None


Event = (
    AccountOpened
    | AccountUpdated
    | CreditsGranted
    | GrantStarted
    | CreditsDeducted
    | CreditsHeld
    | HoldExtended
    | HoldCaptured
    | HoldReleased
    | HoldExpired
    | DeductionReversed
    | GrantVoided
    | GrantExpiryChanged
    | CreditsExpired
    | PaymentRecorded
    | PaymentRefunded
    | DisputeRecorded
    | SubscriptionRecorded
    | CreditsSent
    | CreditsReceived
    | TransferReversed
    | CreditsSentBack
    | AccountFrozen
    | AccountUnfrozen
    | AccountClosed
    | AccountReopened
    | TextsErased
    | LimitsSet
    | AllowanceSet
    | UsageMetered
)
Granted = CreditsGranted | CreditsReceived
"""The events that make a lot."""
Events = tuple[Event, ...]
