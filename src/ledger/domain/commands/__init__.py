"""Commands: what callers ask for. A command that is outside of its limits cannot be made: it raises InvalidField.

A command says what is wanted, not what follows from it. Its durations count from the moment of decision.
"""

from ledger.domain.commands.accounts import (
    CloseAccount,
    EraseTexts,
    FreezeAccount,
    OpenAccount,
    RecordExpiries,
    ReopenAccount,
    UnfreezeAccount,
    UpdateAccount,
)
from ledger.domain.commands.command import BACK_DATING, MAX_ID, MAX_METADATA_BYTES, check_account_id, check_id
from ledger.domain.commands.grants import LONGEST_LIFETIME, ChangeGrantExpiry, GrantCredits, VoidGrant
from ledger.domain.commands.holds import CaptureHold, ExtendHold, IfFrozen, OnExcess, PlaceHold, ReleaseHold
from ledger.domain.commands.limits import Meter, NewLimit, SetAllowance, SetLimits
from ledger.domain.commands.moving import (
    SECOND_HALVES,
    MergeAccount,
    MovedLot,
    MovedLots,
    ReceiveCredits,
    ReverseTransfer,
    SendBack,
    SendCredits,
)
from ledger.domain.commands.payments import (
    MAX_BOUGHT,
    OnDispute,
    RecordDispute,
    RecordPayment,
    RefundPayment,
    payment_key,
)
from ledger.domain.commands.spending import DeductCredits, OnShortfall, ReverseDeduction
from ledger.domain.commands.subscriptions import RecordSubscription, word_key

Command = (
    OpenAccount
    | UpdateAccount
    | GrantCredits
    | DeductCredits
    | ReverseDeduction
    | PlaceHold
    | ExtendHold
    | CaptureHold
    | ReleaseHold
    | VoidGrant
    | ChangeGrantExpiry
    | RecordPayment
    | RefundPayment
    | RecordDispute
    | RecordSubscription
    | FreezeAccount
    | UnfreezeAccount
    | CloseAccount
    | ReopenAccount
    | SendCredits
    | MergeAccount
    | ReceiveCredits
    | ReverseTransfer
    | SendBack
    | EraseTexts
    | RecordExpiries
    | SetLimits
    | SetAllowance
    | Meter
)

__all__ = [
    "BACK_DATING",
    "LONGEST_LIFETIME",
    "MAX_BOUGHT",
    "MAX_ID",
    "MAX_METADATA_BYTES",
    "SECOND_HALVES",
    "CaptureHold",
    "ChangeGrantExpiry",
    "CloseAccount",
    "Command",
    "DeductCredits",
    "EraseTexts",
    "ExtendHold",
    "FreezeAccount",
    "GrantCredits",
    "IfFrozen",
    "MergeAccount",
    "Meter",
    "MovedLot",
    "MovedLots",
    "NewLimit",
    "OnDispute",
    "OnExcess",
    "OnShortfall",
    "OpenAccount",
    "PlaceHold",
    "ReceiveCredits",
    "RecordDispute",
    "RecordExpiries",
    "RecordPayment",
    "RecordSubscription",
    "RefundPayment",
    "ReleaseHold",
    "ReopenAccount",
    "ReverseDeduction",
    "ReverseTransfer",
    "SendBack",
    "SendCredits",
    "SetAllowance",
    "SetLimits",
    "UnfreezeAccount",
    "UpdateAccount",
    "VoidGrant",
    "check_account_id",
    "check_id",
    "payment_key",
    "word_key",
]
