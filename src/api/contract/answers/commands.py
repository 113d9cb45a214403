"""The answers of commands: what each says of what it did. answering.py makes them."""

from datetime import datetime
from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from api.contract.answers.answer import (
    Answer,
    EffectiveAt,
    GrantIfAny,
    GrantsIfAny,
    LabelsIfAny,
    ProblemDocument,
    UncollectedIfAny,
    VoidsIfAny,
    WaivedIfAny,
)
from api.contract.answers.billing.prices import PriceIfAny
from api.contract.answers.limits import LimitFields, LimitLeft, LimitsIfAny
from ledger.domain.account import Standing
from ledger.domain.amounts import Kind
from ledger.domain.events import DisputeState, PaymentStatus, Source
from ledger.domain.plans.subscribed import SubscriptionStatus
from ledger.explain.balance_answer import BalanceFields


class Place(Answer):
    """Where a command is in the log."""

    op: NotRequired[Annotated[str, Field(description="in a batch: the operation")]]
    status: NotRequired[Annotated[int, Field(description="in a batch: the status that it would have alone")]]
    account_id: str
    version: Annotated[int, Field(description="the account's version after the command")]
    position: Annotated[int | None, Field(description="the place of its last event in the log; null in a dry run")]
    recorded_at: datetime
    idempotent_replayed: NotRequired[
        Annotated[Literal[True], Field(description="in a batch: the original answer of the key, again")]
    ]
    dry_run: NotRequired[Annotated[Literal[True], Field(description="nothing was recorded")]]


class CommandAnswer(Place):
    """What every command answers: its place, and the balance after it."""

    balance: BalanceFields


class DrawFields(TypedDict):
    """The part of a deduction or hold that one lot pays."""

    grant_id: str
    kind: Kind
    amount: int


class Opened(CommandAnswer, GrantIfAny):
    """An opened account; the grant fields are there when it has signup credits."""

    standing: Literal["active"]


class Granted(CommandAnswer):
    """A grant."""

    grant_id: str
    granted: int
    kind: Kind
    expires_at: datetime | None
    effective_at: EffectiveAt


class Deducted(CommandAnswer, LimitsIfAny, UncollectedIfAny, PriceIfAny):
    """A deduction."""

    deduction_id: str
    deducted: int
    from_subscription: int
    from_permanent: int
    draws: list[DrawFields]
    balance_after: int


class Reversed(CommandAnswer, LimitsIfAny, WaivedIfAny):
    """A reversal: `lapsed` and `cancelled` say what of it reached no lot."""

    deduction_id: str
    reversed: int
    lapsed: int
    cancelled: int


LotsExpireAt = Annotated[
    datetime | None,
    Field(
        description="when the first lot that the hold draws from lapses, if the hold lasts that long: what comes back "
        "to that lot from then on lapses at once; else null"
    ),
]


class Held(CommandAnswer, LimitsIfAny, PriceIfAny):
    """A hold."""

    hold_id: str
    held: int
    expires_at: datetime
    lots_expire_at: LotsExpireAt
    draws: list[DrawFields]


class Captured(Deducted):
    """A capture: a deduction, and what was released."""

    hold_id: str
    captured: int
    final: bool
    released: int
    lapsed: int
    cancelled: int


class Extended(CommandAnswer):
    """An extended hold."""

    hold_id: str
    expires_at: datetime
    lots_expire_at: LotsExpireAt


class Released(CommandAnswer, LimitsIfAny):
    """A released hold."""

    hold_id: str
    released: int
    lapsed: int
    cancelled: int


class Voided(CommandAnswer):
    """A void."""

    grant_id: str
    voided: int
    uncollected: int


class ExpiryChanged(CommandAnswer):
    """A change of when the lot of a grant lapses: `reinstated` credits that had lapsed came back to it."""

    grant_id: str
    kind: Kind
    expires_at: datetime | None
    previous_expires_at: datetime | None
    reinstated: int


class Paid(CommandAnswer, GrantsIfAny):
    """A payment. `grants` is there when it bought credits; the fields of a grant are there when it bought one grant."""

    payment_id: str
    payment_status: PaymentStatus


class Refunded(CommandAnswer, VoidsIfAny):
    """A refund. `voids` is there when it voided credits; the fields of a void are there when it voided one grant."""

    payment_id: str
    refund_id: str
    refunded_minor: int


class Subscribed(CommandAnswer, GrantsIfAny, VoidsIfAny):
    """A word about a subscription, with the allowances that it led to, and what it took back."""

    subscription_id: str
    subscription_status: SubscriptionStatus
    plan: str
    plan_version: int


class Disputed(CommandAnswer, VoidsIfAny):
    """A dispute that was opened, won or lost. `voids` is there when it voided credits; the fields of a void are there
    when it voided one grant.

    `held` credits are what an open dispute holds from now on. When it ends, `released` came back to their lots,
    `lapsed` came back after the expiry of their lots, and `cancelled` were lost.
    """

    payment_id: str
    dispute_id: str
    dispute_state: DisputeState
    disputed_minor: int
    hold_id: Annotated[str | None, Field(description="what holds, or held, the credits; null: nothing is or was held")]
    held: int
    released: int
    lapsed: int
    cancelled: int


class Updated(CommandAnswer, LabelsIfAny):
    """An update of the description, the metadata or the labels."""


class ReceivedLot(TypedDict):
    """A lot of the receiver: new, with what it keeps of the sender's grant and of the first grant it comes from."""

    grant_id: str
    kind: Kind
    amount: int
    expires_at: datetime | None
    source: Source
    granted_at: datetime
    from_grant_id: str
    origin_account_id: str
    origin_grant_id: str


class OtherSide(TypedDict):
    """Where a move is in the stream of the other account, and the balance there after it.

    Each side has its own version and position: nothing is promised about how they compare.
    """

    account_id: str
    version: int
    position: Annotated[int | None, Field(description="null in a dry run")]
    recorded_at: datetime
    balance: BalanceFields


class ReceivedSide(OtherSide):
    """The receiver's side of a transfer."""

    lots: list[ReceivedLot]


class SentIfAny(TypedDict, total=False):
    """What was sent, if there was anything to send."""

    transfer_id: str
    to_account_id: str
    sent: int
    draws: list[DrawFields]
    transfer_ids: Annotated[
        list[str],
        Field(description="of an account of more than 1,000 lots, which needs several transfers: all of them"),
    ]


class ReceivedIfAny(TypedDict, total=False):
    """The other side of a transfer, where the answer is about both accounts."""

    received: Annotated[ReceivedSide, Field(description="not in a receipt, which is about one account")]


class SentBackIfAny(TypedDict, total=False):
    """The other side of a reversal, where the answer is about both accounts."""

    sent_back: Annotated[OtherSide, Field(description="not in a receipt, which is about one account")]


class Transferred(CommandAnswer, ReceivedIfAny):
    """A transfer: the sender's side, and in `received` the other."""

    transfer_id: str
    to_account_id: str
    sent: int
    draws: list[DrawFields]


class Merged(CommandAnswer, SentIfAny, ReceivedIfAny):
    """A merge: the closed account, its successor, and the transfer, if there was anything to move."""

    standing: Literal["closed"]
    successor: str


class TransferReversal(CommandAnswer, SentBackIfAny):
    """A reversed transfer: `lapsed` and `cancelled` say what of it reached no lot."""

    transfer_id: str
    to_account_id: str
    reversed: int
    lapsed: int
    cancelled: int


class StandingChanged(CommandAnswer):
    """A change of standing."""

    standing: Standing


class LimitsReplaced(CommandAnswer):
    """The limits of one source; `kept` are the ids of those whose counters go on."""

    source: str
    limits: list[LimitFields]
    kept: list[str]


class AllowanceChanged(CommandAnswer):
    """An allowance; null where the amount of the limit holds again."""

    limit_id: str
    value: str
    amount: int | None


class Metered(CommandAnswer):
    """Usage that cost nothing, and the limits that it counted against."""

    metric: str
    metered: int
    limits: list[LimitLeft]


ANSWERS: dict[str, type[CommandAnswer]] = {
    "open": Opened,
    "update": Updated,
    "grant": Granted,
    "deduct": Deducted,
    "reverse": Reversed,
    "hold": Held,
    "capture": Captured,
    "extend": Extended,
    "release": Released,
    "void": Voided,
    "payment": Paid,
    "payment_refund": Refunded,
    "payment_dispute": Disputed,
    "subscription": Subscribed,
    "freeze": StandingChanged,
    "unfreeze": StandingChanged,
    "close": StandingChanged,
    "reopen": StandingChanged,
    "limits": LimitsReplaced,
    "allowance": AllowanceChanged,
    "meter": Metered,
    "transfer": Transferred,
    "merge": Merged,
    "transfer_reversal": TransferReversal,
    "change_expiry": ExpiryChanged,
}


AnyAnswer = (
    Opened
    | Granted
    | Deducted
    | Reversed
    | Held
    | Captured
    | Extended
    | Released
    | Voided
    | ExpiryChanged
    | Paid
    | Refunded
    | Disputed
    | Subscribed
    | StandingChanged
    | LimitsReplaced
    | AllowanceChanged
    | Metered
    | Transferred
    | Merged
    | TransferReversal
    | Updated
)
"""The answer of one command, whichever it was."""

BatchResult = AnyAnswer | ProblemDocument
"""What one command of a batch came to."""


class BatchAnswer(Answer):
    """One result per command, in order: its status, and the answer or problem that it would be alone."""

    results: list[BatchResult]
