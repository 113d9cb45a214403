"""Refusals: why the ledger does not carry out a command. They know nothing of HTTP.

    Refusal
    ├── InvalidField                 a value is outside of what the rules allow
    ├── NotFound
    │   ├── AccountNotFound  GrantNotFound  DeductionNotFound  HoldNotFound  PaymentNotFound
    │   ├── LimitNotFound
    │   ├── TransferNotFound
    ├── InsufficientCredits          fewer credits are available than the command takes
    ├── LimitReached                 a hard limit leaves less than the command uses
    ├── UsageRequired                a hard limit counts by what the usage does not name
    ├── UsageConflictsWithHold       a capture names other usage than its hold
    ├── UsageHasNoPrice              the price book does not say what the usage costs
    ├── OccurredAtOutOfBounds        the usage occurred too long ago, or in the future
    ├── StandingRefusal
    │   ├── AccountFrozen  AccountClosed
    ├── AlreadyDone
    │   ├── AccountExists
    │   ├── HoldAlreadyCaptured  HoldAlreadyReleased  HoldHasExpired
    │   ├── PaymentAlreadyRecorded  PaymentOfAnotherAccount  RefundAlreadyRecorded  TransferAlreadyReversed
    │   ├── DisputeAlreadyRecorded  DisputeAlreadyDecided
    ├── PaymentAmbiguous             several providers have a payment with the id
    ├── PaymentNotPaid               a payment has no money that can be disputed
    ├── HoldDisputed                 a dispute of a payment holds the credits
    ├── GrantClosed                  the grant was voided as a whole
    ├── GrantHasExpired              the lot of the grant has lapsed
    ├── HoldLifeExceeded             an extension would let the hold last too long
    ├── TooMuch
    │   ├── AmountExceedsHold  AmountExceedsDeduction  AmountExceedsPayment  BalanceLimitExceeded
    │   ├── TransferSpent            the receiver no longer has all that a transfer brought
    ├── TooMany
    │   ├── OpenLotsLimitExceeded  ComingGrantsLimitExceeded
    │   ├── OpenHoldsLimitExceeded  DrawsLimitExceeded  ReversalsLimitExceeded
    │   ├── LimitsLimitExceeded  AllowancesLimitExceeded  CountersLimitExceeded  LabelsLimitExceeded
    │   ├── DisputesLimitExceeded  SubscriptionsLimitExceeded
    ├── KeyReused                    an idempotency key was used again with another body
    ├── VersionMismatch              the account is not at a version that the caller expects
    └── BatchRefused                 one command of an atomic batch was refused

A refusal records nothing. Its `code` is stable and documented in docs/errors.md; `facts` are the numbers and names that
explain it, ready for JSON; the message says what happened and what to do.
"""

from ledger.domain.errors.accounts import (
    AccountClosed,
    AccountExists,
    AccountFrozen,
    AccountNotFound,
    BalanceLimitExceeded,
    LabelsLimitExceeded,
    StandingRefusal,
)
from ledger.domain.errors.grants import (
    ComingGrantsLimitExceeded,
    GrantClosed,
    GrantHasExpired,
    GrantNotFound,
    OpenLotsLimitExceeded,
)
from ledger.domain.errors.holds import (
    AmountExceedsHold,
    HoldAlreadyCaptured,
    HoldAlreadyReleased,
    HoldDisputed,
    HoldHasExpired,
    HoldLifeExceeded,
    HoldNotFound,
    OpenHoldsLimitExceeded,
)
from ledger.domain.errors.limits import (
    AllowancesLimitExceeded,
    CountersLimitExceeded,
    LimitNotFound,
    LimitReached,
    LimitsLimitExceeded,
    UsageConflictsWithHold,
    UsageRequired,
)
from ledger.domain.errors.moving import TransferAlreadyReversed, TransferNotFound, TransferSpent
from ledger.domain.errors.payments import (
    AmountExceedsPayment,
    DisputeAlreadyDecided,
    DisputeAlreadyRecorded,
    DisputesLimitExceeded,
    PaymentAlreadyRecorded,
    PaymentAmbiguous,
    PaymentNotFound,
    PaymentNotPaid,
    PaymentOfAnotherAccount,
    RefundAlreadyRecorded,
    SubscriptionsLimitExceeded,
)
from ledger.domain.errors.refusal import (
    MAX_SHOWN,
    AlreadyDone,
    InvalidField,
    NotFound,
    Refusal,
    TooMany,
    TooMuch,
    shown,
)
from ledger.domain.errors.requests import BatchRefused, KeyReused, VersionMismatch
from ledger.domain.errors.spending import (
    AmountExceedsDeduction,
    DeductionNotFound,
    DrawsLimitExceeded,
    InsufficientCredits,
    OccurredAtOutOfBounds,
    ReversalsLimitExceeded,
    UsageHasNoPrice,
)

__all__ = [
    "MAX_SHOWN",
    "AccountClosed",
    "AccountExists",
    "AccountFrozen",
    "AccountNotFound",
    "AllowancesLimitExceeded",
    "AlreadyDone",
    "AmountExceedsDeduction",
    "AmountExceedsHold",
    "AmountExceedsPayment",
    "BalanceLimitExceeded",
    "BatchRefused",
    "ComingGrantsLimitExceeded",
    "CountersLimitExceeded",
    "DeductionNotFound",
    "DisputeAlreadyDecided",
    "DisputeAlreadyRecorded",
    "DisputesLimitExceeded",
    "DrawsLimitExceeded",
    "GrantClosed",
    "GrantHasExpired",
    "GrantNotFound",
    "HoldAlreadyCaptured",
    "HoldAlreadyReleased",
    "HoldDisputed",
    "HoldHasExpired",
    "HoldLifeExceeded",
    "HoldNotFound",
    "InsufficientCredits",
    "InvalidField",
    "KeyReused",
    "LabelsLimitExceeded",
    "LimitNotFound",
    "LimitReached",
    "LimitsLimitExceeded",
    "NotFound",
    "OccurredAtOutOfBounds",
    "OpenHoldsLimitExceeded",
    "OpenLotsLimitExceeded",
    "PaymentAlreadyRecorded",
    "PaymentAmbiguous",
    "PaymentNotFound",
    "PaymentNotPaid",
    "PaymentOfAnotherAccount",
    "RefundAlreadyRecorded",
    "Refusal",
    "ReversalsLimitExceeded",
    "StandingRefusal",
    "SubscriptionsLimitExceeded",
    "TooMany",
    "TooMuch",
    "TransferAlreadyReversed",
    "TransferNotFound",
    "TransferSpent",
    "UsageConflictsWithHold",
    "UsageHasNoPrice",
    "UsageRequired",
    "VersionMismatch",
    "shown",
]
