"""The bodies, answers and problems of the API. Made of its document; see clients/python/making.py."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict, final


@final
class AccountAnswer(TypedDict):
    """An account now, from the truth."""

    account_id: str
    standing: Literal["active", "frozen", "closed"]
    successor: str | None
    labels: dict[str, str]
    description: str | None
    metadata: dict[str, Any] | None
    opened_at: str
    last_activity_at: str
    version: int
    position: int
    balance: BalanceFields


@final
class AccountClosedProblem(TypedDict):
    """The account is closed."""

    type: Literal["urn:credit-ledger:problem:account_closed"]
    title: str
    status: Literal[409]
    code: Literal["account_closed"]
    detail: str
    account_id: str
    successor: NotRequired[str]


@final
class AccountExistsWithDifferentBodyProblem(TypedDict):
    """The account exists."""

    type: Literal["urn:credit-ledger:problem:account_exists_with_different_body"]
    title: str
    status: Literal[409]
    code: Literal["account_exists_with_different_body"]
    detail: str
    account_id: str
    version: int
    fields: list[str]


@final
class AccountFrozenProblem(TypedDict):
    """The account is frozen."""

    type: Literal["urn:credit-ledger:problem:account_frozen"]
    title: str
    status: Literal[409]
    code: Literal["account_frozen"]
    detail: str
    account_id: str


@final
class AccountNotFoundProblem(TypedDict):
    """There is no such account."""

    type: Literal["urn:credit-ledger:problem:account_not_found"]
    title: str
    status: Literal[404]
    code: Literal["account_not_found"]
    detail: str
    account_id: str


@final
class AllowanceResult(TypedDict):
    """An allowance; null where the amount of the limit holds again."""

    op: Literal["allowance"]
    status: int
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    limit_id: str
    value: str
    amount: int | None


@final
class AllowancesLimitExceededProblem(TypedDict):
    """Too many allowances of one limit."""

    type: Literal["urn:credit-ledger:problem:allowances_limit_exceeded"]
    title: str
    status: Literal[422]
    code: Literal["allowances_limit_exceeded"]
    detail: str
    limit: int


@final
class AmountExceedsDeductionProblem(TypedDict):
    """The amount is larger than what can be reversed."""

    type: Literal["urn:credit-ledger:problem:amount_exceeds_deduction"]
    title: str
    status: Literal[422]
    code: Literal["amount_exceeds_deduction"]
    detail: str
    amount: int
    reversible: int


@final
class AmountExceedsHoldProblem(TypedDict):
    """The amount is larger than the hold."""

    type: Literal["urn:credit-ledger:problem:amount_exceeds_hold"]
    title: str
    status: Literal[422]
    code: Literal["amount_exceeds_hold"]
    detail: str
    amount: int
    held: int
    excess: int


@final
class AmountExceedsPaymentProblem(TypedDict):
    """The amount is larger than what is left of the payment."""

    type: Literal["urn:credit-ledger:problem:amount_exceeds_payment"]
    title: str
    status: Literal[422]
    code: Literal["amount_exceeds_payment"]
    detail: str
    amount_minor: int
    refundable_minor: int


@final
class BalanceAnswer(TypedDict):
    """A balance from the truth; `grants` are the open lots in burn order, `coming` what is no part of ..."""

    total: int
    held: int
    available: int
    subscription_credits: int
    permanent_credits: int
    subscription_expire_at: str | None
    account_id: str
    as_of: str
    known_at: str
    version: int
    position: int
    standing: Literal["active", "frozen", "closed"]
    successor: str | None
    grants: list[OpenLot]
    coming: list[ComingFields]


@final
class BalanceFields(TypedDict):
    """Credits at one moment."""

    total: int
    held: int
    available: int
    subscription_credits: int
    permanent_credits: int
    subscription_expire_at: str | None


@final
class BalanceLimitExceededProblem(TypedDict):
    """The balance would be too large."""

    type: Literal["urn:credit-ledger:problem:balance_limit_exceeded"]
    title: str
    status: Literal[422]
    code: Literal["balance_limit_exceeded"]
    detail: str
    limit: int
    total: int
    amount: int
    coming: NotRequired[int]


@final
class BatchAnswer(TypedDict):
    """One result per command, in order:"""

    results: list[
        OpenResult
        | UpdateResult
        | GrantResult
        | DeductResult
        | ReverseResult
        | HoldResult
        | CaptureResult
        | ExtendResult
        | ReleaseResult
        | VoidResult
        | PaymentResult
        | PaymentRefundResult
        | PaymentDisputeResult
        | SubscriptionResult
        | FreezeResult
        | UnfreezeResult
        | CloseResult
        | ReopenResult
        | LimitsResult
        | AllowanceResult
        | MeterResult
        | ChangeExpiryResult
        | ProblemInBatch
    ]


@final
class Bought(TypedDict):
    """A grant that a payment paid for."""

    grant_id: str
    kind: Literal["subscription", "permanent"]
    amount: int
    coming: int
    remaining: int
    held: int
    voided: int
    effective_at: str | None
    expires_at: str | None
    grant: NotRequired[Grant]


@final
class BoughtGrant(TypedDict):
    """One of the grants that a payment bought."""

    grant_id: str
    granted: int
    kind: Literal["subscription", "permanent"]
    expires_at: str | None
    effective_at: str | None


@final
class CaptureResult(TypedDict):
    """A capture:"""

    op: Literal["capture"]
    status: int
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    limits: NotRequired[list[LimitLeft]]
    uncollected: NotRequired[int]
    price: NotRequired[PriceFields]
    deduction_id: str
    deducted: int
    from_subscription: int
    from_permanent: int
    draws: list[DrawFields]
    balance_after: int
    hold_id: str
    captured: int
    final: bool
    released: int
    lapsed: int
    cancelled: int


@final
class Captured(TypedDict):
    """A capture:"""

    op: NotRequired[str]
    status: NotRequired[int]
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    limits: NotRequired[list[LimitLeft]]
    uncollected: NotRequired[int]
    price: NotRequired[PriceFields]
    deduction_id: str
    deducted: int
    from_subscription: int
    from_permanent: int
    draws: list[DrawFields]
    balance_after: int
    hold_id: str
    captured: int
    final: bool
    released: int
    lapsed: int
    cancelled: int


@final
class ChangeExpiryResult(TypedDict):
    """A change of when the lot of a grant lapses:"""

    op: Literal["change_expiry"]
    status: int
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    grant_id: str
    kind: Literal["subscription", "permanent"]
    expires_at: str | None
    previous_expires_at: str | None
    reinstated: int


@final
class CloseResult(TypedDict):
    """A change of standing."""

    op: Literal["close"]
    status: int
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    standing: Literal["active", "frozen", "closed"]


@final
class ComingFields(TypedDict):
    """What is left of a grant that has not started:"""

    grant_id: str
    kind: Literal["subscription", "permanent"]
    amount: int
    effective_at: str
    expires_at: str | None


@final
class ComingGrantsLimitExceededProblem(TypedDict):
    """Too many coming grants."""

    type: Literal["urn:credit-ledger:problem:coming_grants_limit_exceeded"]
    title: str
    status: Literal[422]
    code: Literal["coming_grants_limit_exceeded"]
    detail: str
    limit: int


@final
class CountersLimitExceededProblem(TypedDict):
    """Too many open counters."""

    type: Literal["urn:credit-ledger:problem:counters_limit_exceeded"]
    title: str
    status: Literal[422]
    code: Literal["counters_limit_exceeded"]
    detail: str
    limit: int


@final
class DeductResult(TypedDict):
    """A deduction."""

    op: Literal["deduct"]
    status: int
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    limits: NotRequired[list[LimitLeft]]
    uncollected: NotRequired[int]
    price: NotRequired[PriceFields]
    deduction_id: str
    deducted: int
    from_subscription: int
    from_permanent: int
    draws: list[DrawFields]
    balance_after: int


@final
class Deducted(TypedDict):
    """A deduction."""

    op: NotRequired[str]
    status: NotRequired[int]
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    limits: NotRequired[list[LimitLeft]]
    uncollected: NotRequired[int]
    price: NotRequired[PriceFields]
    deduction_id: str
    deducted: int
    from_subscription: int
    from_permanent: int
    draws: list[DrawFields]
    balance_after: int


@final
class Deduction(TypedDict):
    """A deduction or capture, with what came back of it:"""

    deduction_id: str
    hold_id: str | None
    deducted: int
    uncollected: int
    reversed: int
    waived: int
    reversible: int
    draws: list[DeductionDraw]
    task_id: str | None
    description: str | None
    usage: dict[str, Any] | None
    occurred_at: str | None
    recorded_at: str
    version: int
    position: int


@final
class DeductionAnswer(TypedDict):
    """One deduction."""

    account_id: str
    deduction_id: str
    hold_id: str | None
    deducted: int
    uncollected: int
    reversed: int
    waived: int
    reversible: int
    draws: list[DeductionDraw]
    task_id: str | None
    description: str | None
    usage: dict[str, Any] | None
    occurred_at: str | None
    recorded_at: str
    version: int
    position: int
    as_of_position: NotRequired[int]
    as_of: NotRequired[str | None]
    hold: NotRequired[Hold | None]


@final
class DeductionDraw(TypedDict):
    """The part of a deduction that one lot pays."""

    grant_id: str
    kind: Literal["subscription", "permanent"]
    amount: int
    grant: NotRequired[Grant]


@final
class DeductionNotFoundProblem(TypedDict):
    """There is no such deduction."""

    type: Literal["urn:credit-ledger:problem:deduction_not_found"]
    title: str
    status: Literal[404]
    code: Literal["deduction_not_found"]
    detail: str
    deduction_id: str


@final
class DisputeAlreadyDecidedProblem(TypedDict):
    """The dispute ended the other way."""

    type: Literal["urn:credit-ledger:problem:dispute_already_decided"]
    title: str
    status: Literal[409]
    code: Literal["dispute_already_decided"]
    detail: str
    dispute_id: str
    dispute_state: str


@final
class DisputeAlreadyRecordedProblem(TypedDict):
    """The dispute was recorded before."""

    type: Literal["urn:credit-ledger:problem:dispute_already_recorded"]
    title: str
    status: Literal[409]
    code: Literal["dispute_already_recorded"]
    detail: str
    dispute_id: str
    dispute_state: str


@final
class DisputesLimitExceededProblem(TypedDict):
    """Too many disputes of one payment."""

    type: Literal["urn:credit-ledger:problem:disputes_limit_exceeded"]
    title: str
    status: Literal[422]
    code: Literal["disputes_limit_exceeded"]
    detail: str
    limit: int


@final
class DrawFields(TypedDict):
    """The part of a deduction or hold that one lot pays."""

    grant_id: str
    kind: Literal["subscription", "permanent"]
    amount: int


@final
class DrawsLimitExceededProblem(TypedDict):
    """Too many draws for one event."""

    type: Literal["urn:credit-ledger:problem:draws_limit_exceeded"]
    title: str
    status: Literal[422]
    code: Literal["draws_limit_exceeded"]
    detail: str
    limit: int
    covered: int


@final
class EstimateAnswer(TypedDict):
    """What usage would cost, and whether an account could pay it now."""

    credits: int
    exact: str
    price_book: int
    sha256: str
    fits: RateGlobs
    lines: list[PriceLineFields]
    account_id: NotRequired[str]
    balance: NotRequired[BalanceFields]
    sufficient: NotRequired[bool]
    shortfall: NotRequired[int]
    limits: NotRequired[list[LimitBefore]]
    refusal: NotRequired[ProblemDocument | None]
    ways_out: NotRequired[list[WayOut]]


@final
class EstimateBody(TypedDict):
    """Usage that is not yet known, or not yet done, and the account that would pay for it."""

    account_id: NotRequired[str | None]
    usage: UsageBody
    at: NotRequired[str | None]


@final
class EventNotice(TypedDict):
    """The data of a server-sent event:"""

    position: int
    account_id: str
    version: int
    type: str
    recorded_at: str
    balance: BalanceFields


@final
class ExtendResult(TypedDict):
    """An extended hold."""

    op: Literal["extend"]
    status: int
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    hold_id: str
    expires_at: str
    lots_expire_at: str | None


@final
class Extended(TypedDict):
    """An extended hold."""

    op: NotRequired[str]
    status: NotRequired[int]
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    hold_id: str
    expires_at: str
    lots_expire_at: str | None


@final
class FreezeResult(TypedDict):
    """A change of standing."""

    op: Literal["freeze"]
    status: int
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    standing: Literal["active", "frozen", "closed"]


@final
class Grant(TypedDict):
    """A grant, and where its credits are:"""

    grant_id: str
    kind: Literal["subscription", "permanent"]
    source: Literal["signup", "subscription", "topup", "promotion", "adjustment"]
    status: Literal["coming", "open", "spent", "expired", "voided", "sent"]
    amount: int
    coming: int
    remaining: int
    held: int
    spent: int
    lapsed: int
    voided: int
    sent: int
    granted_at: str
    effective_at: str | None
    expires_at: str | None
    transaction_id: str | None
    payment_id: str | None
    description: str | None
    from_account_id: str | None
    from_grant_id: str | None


@final
class GrantBody(TypedDict):
    """Give credits."""

    kind: Literal["subscription", "permanent"]
    amount: int
    expires_at: NotRequired[str | None]
    source: NotRequired[Literal["signup", "subscription", "topup", "promotion", "adjustment"] | None]
    transaction_id: NotRequired[str | None]
    description: NotRequired[str | None]
    metadata: NotRequired[dict[str, Any] | None]
    effective_at: NotRequired[str | None]


@final
class GrantClosedProblem(TypedDict):
    """The grant was voided."""

    type: Literal["urn:credit-ledger:problem:grant_closed"]
    title: str
    status: Literal[409]
    code: Literal["grant_closed"]
    detail: str
    grant_id: str


@final
class GrantExpiredProblem(TypedDict):
    """The grant has expired."""

    type: Literal["urn:credit-ledger:problem:grant_expired"]
    title: str
    status: Literal[409]
    code: Literal["grant_expired"]
    detail: str
    grant_id: str
    expired_at: str


@final
class GrantNotFoundProblem(TypedDict):
    """There is no such grant."""

    type: Literal["urn:credit-ledger:problem:grant_not_found"]
    title: str
    status: Literal[404]
    code: Literal["grant_not_found"]
    detail: str
    grant_id: str


@final
class GrantResult(TypedDict):
    """A grant."""

    op: Literal["grant"]
    status: int
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    grant_id: str
    granted: int
    kind: Literal["subscription", "permanent"]
    expires_at: str | None
    effective_at: str | None


@final
class Granted(TypedDict):
    """A grant."""

    op: NotRequired[str]
    status: NotRequired[int]
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    grant_id: str
    granted: int
    kind: Literal["subscription", "permanent"]
    expires_at: str | None
    effective_at: str | None


@final
class Held(TypedDict):
    """A hold."""

    op: NotRequired[str]
    status: NotRequired[int]
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    limits: NotRequired[list[LimitLeft]]
    price: NotRequired[PriceFields]
    hold_id: str
    held: int
    expires_at: str
    lots_expire_at: str | None
    draws: list[DrawFields]


@final
class Hold(TypedDict):
    """A hold:"""

    hold_id: str
    status: Literal["open", "captured", "released", "expired"]
    amount: int
    held: int
    captured: int
    placed_at: str
    expires_at: str
    ended_at: str | None
    task_id: str | None
    description: str | None


@final
class HoldAlreadyCapturedProblem(TypedDict):
    """The hold has been captured."""

    type: Literal["urn:credit-ledger:problem:hold_already_captured"]
    title: str
    status: Literal[409]
    code: Literal["hold_already_captured"]
    detail: str
    hold_id: str


@final
class HoldAlreadyReleasedProblem(TypedDict):
    """The hold has been released."""

    type: Literal["urn:credit-ledger:problem:hold_already_released"]
    title: str
    status: Literal[409]
    code: Literal["hold_already_released"]
    detail: str
    hold_id: str


@final
class HoldAnswer(TypedDict):
    """One hold."""

    as_of_position: int
    as_of: str | None
    account_id: str
    hold_id: str
    status: Literal["open", "captured", "released", "expired"]
    amount: int
    held: int
    captured: int
    placed_at: str
    expires_at: str
    ended_at: str | None
    task_id: str | None
    description: str | None
    captures: NotRequired[list[Deduction]]
    captures_left_out: NotRequired[int]


@final
class HoldDisputedProblem(TypedDict):
    """A dispute holds the credits."""

    type: Literal["urn:credit-ledger:problem:hold_disputed"]
    title: str
    status: Literal[409]
    code: Literal["hold_disputed"]
    detail: str
    hold_id: str
    payment_id: str
    dispute_id: str


@final
class HoldExpiredProblem(TypedDict):
    """The hold has expired."""

    type: Literal["urn:credit-ledger:problem:hold_expired"]
    title: str
    status: Literal[409]
    code: Literal["hold_expired"]
    detail: str
    hold_id: str


@final
class HoldLifeExceededProblem(TypedDict):
    """The hold would last too long."""

    type: Literal["urn:credit-ledger:problem:hold_life_exceeded"]
    title: str
    status: Literal[422]
    code: Literal["hold_life_exceeded"]
    detail: str
    hold_id: str
    expires_at_most: str


@final
class HoldNotFoundProblem(TypedDict):
    """There is no such hold."""

    type: Literal["urn:credit-ledger:problem:hold_not_found"]
    title: str
    status: Literal[404]
    code: Literal["hold_not_found"]
    detail: str
    hold_id: str


@final
class HoldResult(TypedDict):
    """A hold."""

    op: Literal["hold"]
    status: int
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    limits: NotRequired[list[LimitLeft]]
    price: NotRequired[PriceFields]
    hold_id: str
    held: int
    expires_at: str
    lots_expire_at: str | None
    draws: list[DrawFields]


@final
class IdempotencyKeyRequiredProblem(TypedDict):
    """An idempotency key is required."""

    type: Literal["urn:credit-ledger:problem:idempotency_key_required"]
    title: str
    status: Literal[400]
    code: Literal["idempotency_key_required"]
    detail: str


@final
class IdempotencyKeyReusedProblem(TypedDict):
    """The idempotency key was used with another body."""

    type: Literal["urn:credit-ledger:problem:idempotency_key_reused"]
    title: str
    status: Literal[422]
    code: Literal["idempotency_key_reused"]
    detail: str
    idempotency_key: NotRequired[str]
    key: NotRequired[str]
    version: NotRequired[int]
    fields: NotRequired[list[str]]


@final
class InsufficientCreditsProblem(TypedDict):
    """Not enough credits."""

    type: Literal["urn:credit-ledger:problem:insufficient_credits"]
    title: str
    status: Literal[402]
    code: Literal["insufficient_credits"]
    detail: str
    required: int
    available: int
    shortfall: int
    ways_out: NotRequired[list[WayOut]]


@final
class InternalErrorProblem(TypedDict):
    """Something is wrong in the ledger."""

    type: Literal["urn:credit-ledger:problem:internal_error"]
    title: str
    status: Literal[500]
    code: Literal["internal_error"]
    detail: str
    request_id: str


@final
class IntervalBody(TypedDict):
    """Some calendar months or some days:"""

    months: NotRequired[int | None]
    days: NotRequired[int | None]


@final
class LabelsLimitExceededProblem(TypedDict):
    """Too many labels."""

    type: Literal["urn:credit-ledger:problem:labels_limit_exceeded"]
    title: str
    status: Literal[422]
    code: Literal["labels_limit_exceeded"]
    detail: str
    limit: int
    labels: int


@final
class LimitBefore(TypedDict):
    """A limit that would count some usage."""

    value: str | None
    amount: int
    used: int
    headroom: int
    over: int
    resets_at: str | None
    limit_id: str
    binds: bool


@final
class LimitFields(TypedDict):
    """A limit without its counters."""

    limit_id: str
    source: str
    each: list[str]
    only: dict[str, str]
    unit: str
    amount: int
    period: PeriodFields | None
    hard: bool
    near: list[int]
    allowances: dict[str, int]


@final
class LimitLeft(TypedDict):
    """What is left of a limit after a command."""

    value: str | None
    amount: int
    used: int
    headroom: int
    over: int
    resets_at: str | None
    limit_id: str


@final
class LimitNotFoundProblem(TypedDict):
    """There is no such limit."""

    type: Literal["urn:credit-ledger:problem:limit_not_found"]
    title: str
    status: Literal[404]
    code: Literal["limit_not_found"]
    detail: str
    limit_id: str


@final
class LimitReachedProblem(TypedDict):
    """A limit is reached."""

    type: Literal["urn:credit-ledger:problem:limit_reached"]
    title: str
    status: Literal[402]
    code: Literal["limit_reached"]
    detail: str
    required: int
    available: int
    shortfall: int
    ways_out: NotRequired[list[WayOut]]
    headroom: int
    binding: ReachedLimit
    limits: list[ReachedLimit]


@final
class LimitsLimitExceededProblem(TypedDict):
    """Too many limits."""

    type: Literal["urn:credit-ledger:problem:limits_limit_exceeded"]
    title: str
    status: Literal[422]
    code: Literal["limits_limit_exceeded"]
    detail: str
    limit: int


@final
class LimitsResult(TypedDict):
    """The limits of one source; `kept` are the ids of those whose counters go on."""

    op: Literal["limits"]
    status: int
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    source: str
    limits: list[LimitFields]
    kept: list[str]


@final
class ListedAccount(TypedDict):
    """An account as of its last event."""

    total: int
    held: int
    available: int
    subscription_credits: int
    permanent_credits: int
    subscription_expire_at: str | None
    account_id: str
    standing: Literal["active", "frozen", "closed"]
    labels: dict[str, str]
    opened_at: str
    last_activity_at: str
    version: int
    successor: str | None


@final
class MeterResult(TypedDict):
    """Usage that cost nothing, and the limits that it counted against."""

    op: Literal["meter"]
    status: int
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    metric: str
    metered: int
    limits: list[LimitLeft]


@final
class Metered(TypedDict):
    """Usage that cost nothing, and the limits that it counted against."""

    op: NotRequired[str]
    status: NotRequired[int]
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    metric: str
    metered: int
    limits: list[LimitLeft]


@final
class MeteredUsageBody(TypedDict):
    """What was used."""

    provider: NotRequired[str | None]
    model: NotRequired[str | None]
    project: NotRequired[str | None]
    member: NotRequired[str | None]
    metric: str
    input_tokens: NotRequired[int | None]
    output_tokens: NotRequired[int | None]
    cached_tokens: NotRequired[int | None]
    key: NotRequired[str | None]
    agent: NotRequired[str | None]
    quantity: NotRequired[int | None]
    duration_ms: NotRequired[int | None]
    success: NotRequired[bool | None]


@final
class MissingScopeProblem(TypedDict):
    """The API key may not do this."""

    type: Literal["urn:credit-ledger:problem:missing_scope"]
    title: str
    status: Literal[403]
    code: Literal["missing_scope"]
    detail: str
    scope: str


@final
class NextAllowance(TypedDict):
    """The credits that come next."""

    at: str
    credits: int
    needs_payment: bool


@final
class OccurredAtOutOfBoundsProblem(TypedDict):
    """The usage occurred too long ago, or in the future."""

    type: Literal["urn:credit-ledger:problem:occurred_at_out_of_bounds"]
    title: str
    status: Literal[422]
    code: Literal["occurred_at_out_of_bounds"]
    detail: str
    occurred_at: str
    earliest: str
    latest: str


@final
class OpenBody(TypedDict):
    """Open an account."""

    account_id: str
    signup_credits: NotRequired[int | None]
    metadata: NotRequired[dict[str, Any] | None]
    description: NotRequired[str | None]
    labels: NotRequired[dict[str, Any] | None]


@final
class OpenHoldsLimitExceededProblem(TypedDict):
    """Too many open holds."""

    type: Literal["urn:credit-ledger:problem:open_holds_limit_exceeded"]
    title: str
    status: Literal[422]
    code: Literal["open_holds_limit_exceeded"]
    detail: str
    limit: int


@final
class OpenLot(TypedDict):
    """What remains of one grant."""

    grant_id: str
    kind: Literal["subscription", "permanent"]
    remaining: int
    expires_at: str | None


@final
class OpenLotsLimitExceededProblem(TypedDict):
    """Too many open lots."""

    type: Literal["urn:credit-ledger:problem:open_lots_limit_exceeded"]
    title: str
    status: Literal[422]
    code: Literal["open_lots_limit_exceeded"]
    detail: str
    limit: int


@final
class OpenResult(TypedDict):
    """An opened account; the grant fields are there when it has signup credits."""

    op: Literal["open"]
    status: int
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    grant_id: NotRequired[str]
    granted: NotRequired[int]
    kind: NotRequired[Literal["subscription", "permanent"]]
    expires_at: NotRequired[str | None]
    effective_at: NotRequired[str | None]
    standing: Literal["active"]


@final
class Opened(TypedDict):
    """An opened account; the grant fields are there when it has signup credits."""

    op: NotRequired[str]
    status: NotRequired[int]
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    grant_id: NotRequired[str]
    granted: NotRequired[int]
    kind: NotRequired[Literal["subscription", "permanent"]]
    expires_at: NotRequired[str | None]
    effective_at: NotRequired[str | None]
    standing: Literal["active"]


@final
class OverloadedProblem(TypedDict):
    """The ledger is busy."""

    type: Literal["urn:credit-ledger:problem:overloaded"]
    title: str
    status: Literal[503]
    code: Literal["overloaded"]
    detail: str


@final
class Paid(TypedDict):
    """A payment."""

    op: NotRequired[str]
    status: NotRequired[int]
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    grant_id: NotRequired[str]
    granted: NotRequired[int]
    kind: NotRequired[Literal["subscription", "permanent"]]
    expires_at: NotRequired[str | None]
    effective_at: NotRequired[str | None]
    grants: NotRequired[list[BoughtGrant]]
    payment_id: str
    payment_status: Literal["paid", "failed", "refunded"]


@final
class PaidSubscriptionBody(TypedDict):
    """What a payment for a subscription is for."""

    subscription_id: str
    reason: Literal["initial", "renewal", "change"]
    paid_at: str
    period_start: NotRequired[str | None]
    period_end: NotRequired[str | None]
    quantity: NotRequired[int | None]
    terms: NotRequired[TermsBody | None]


@final
class Payment(TypedDict):
    """A payment, in minor units of its currency."""

    payment_id: str
    provider: str
    status: Literal["paid", "failed", "refunded"]
    amount_minor: int
    refunded_minor: int
    disputed_minor: int
    dispute_state: Literal["open", "won", "lost"] | None
    currency: str
    plan: str | None
    subscription_id: str | None
    reason: Literal["initial", "renewal", "change"] | None
    period_start: str | None
    period_end: str | None
    recorded_at: str
    refunded_at: str | None
    version: int
    grants: list[Bought]
    subscription: NotRequired[SubscriptionNow | None]


@final
class PaymentAlreadyRecordedProblem(TypedDict):
    """The payment was recorded before."""

    type: Literal["urn:credit-ledger:problem:payment_already_recorded"]
    title: str
    status: Literal[409]
    code: Literal["payment_already_recorded"]
    detail: str
    payment_id: str
    payment_status: str
    provider: str


@final
class PaymentAmbiguousProblem(TypedDict):
    """Several providers have used the payment id."""

    type: Literal["urn:credit-ledger:problem:payment_ambiguous"]
    title: str
    status: Literal[409]
    code: Literal["payment_ambiguous"]
    detail: str
    payment_id: str
    providers: list[str]


@final
class PaymentAnswer(TypedDict):
    """One payment."""

    as_of_position: int
    as_of: str | None
    account_id: str
    payment_id: str
    provider: str
    status: Literal["paid", "failed", "refunded"]
    amount_minor: int
    refunded_minor: int
    disputed_minor: int
    dispute_state: Literal["open", "won", "lost"] | None
    currency: str
    plan: str | None
    subscription_id: str | None
    reason: Literal["initial", "renewal", "change"] | None
    period_start: str | None
    period_end: str | None
    recorded_at: str
    refunded_at: str | None
    version: int
    grants: list[Bought]
    subscription: NotRequired[SubscriptionNow | None]


@final
class PaymentBody(TypedDict):
    """Record what a payment provider has seen."""

    payment_id: str
    provider: str
    status: Literal["paid", "failed", "refunded"]
    amount_minor: int
    currency: str
    plan: NotRequired[str | None]
    grant: NotRequired[PaymentGrant | None]
    grants: NotRequired[list[PaymentGrant] | None]
    subscription: NotRequired[PaidSubscriptionBody | None]


@final
class PaymentDisputeResult(TypedDict):
    """A dispute that was opened, won or lost."""

    op: Literal["payment_dispute"]
    status: int
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    grant_id: NotRequired[str]
    voided: NotRequired[int]
    uncollected: NotRequired[int]
    voids: NotRequired[list[VoidedGrant]]
    payment_id: str
    dispute_id: str
    dispute_state: Literal["open", "won", "lost"]
    disputed_minor: int
    hold_id: str | None
    held: int
    released: int
    lapsed: int
    cancelled: int


@final
class PaymentGrant(TypedDict):
    """The credits that a payment buys."""

    kind: Literal["subscription", "permanent"]
    amount: int
    expires_at: NotRequired[str | None]
    source: NotRequired[Literal["signup", "subscription", "topup", "promotion", "adjustment"] | None]
    description: NotRequired[str | None]
    metadata: NotRequired[dict[str, Any] | None]
    effective_at: NotRequired[str | None]


@final
class PaymentNotFoundProblem(TypedDict):
    """There is no such payment."""

    type: Literal["urn:credit-ledger:problem:payment_not_found"]
    title: str
    status: Literal[404]
    code: Literal["payment_not_found"]
    detail: str
    payment_id: str


@final
class PaymentNotPaidProblem(TypedDict):
    """The payment has no money that can be disputed."""

    type: Literal["urn:credit-ledger:problem:payment_not_paid"]
    title: str
    status: Literal[409]
    code: Literal["payment_not_paid"]
    detail: str
    payment_id: str
    payment_status: str


@final
class PaymentOfAnotherAccountProblem(TypedDict):
    """The payment was recorded for another account."""

    type: Literal["urn:credit-ledger:problem:payment_of_another_account"]
    title: str
    status: Literal[409]
    code: Literal["payment_of_another_account"]
    detail: str
    payment_id: str
    provider: str
    other_account_id: NotRequired[str]


@final
class PaymentRefundResult(TypedDict):
    """A refund."""

    op: Literal["payment_refund"]
    status: int
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    grant_id: NotRequired[str]
    voided: NotRequired[int]
    uncollected: NotRequired[int]
    voids: NotRequired[list[VoidedGrant]]
    payment_id: str
    refund_id: str
    refunded_minor: int


@final
class PaymentResult(TypedDict):
    """A payment."""

    op: Literal["payment"]
    status: int
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    grant_id: NotRequired[str]
    granted: NotRequired[int]
    kind: NotRequired[Literal["subscription", "permanent"]]
    expires_at: NotRequired[str | None]
    effective_at: NotRequired[str | None]
    grants: NotRequired[list[BoughtGrant]]
    payment_id: str
    payment_status: Literal["paid", "failed", "refunded"]


@final
class PeriodFields(TypedDict):
    """The windows of a limit."""

    every: NotRequired[Literal["hour", "day", "week", "month", "year"]]
    zone: NotRequired[str]
    starts: NotRequired[int]
    seconds: NotRequired[int]


@final
class PriceFields(TypedDict):
    """What usage costs, and by which version of the price book."""

    credits: int
    exact: str
    price_book: int
    sha256: str
    fits: RateGlobs
    lines: list[PriceLineFields]


@final
class PriceLineFields(TypedDict):
    """One line of a price:"""

    charge: Literal["flat", "per_unit", "package", "graduated", "volume", "minimum"]
    credits: str
    of: NotRequired[str]
    units: NotRequired[int]
    rate: NotRequired[str]
    per: NotRequired[int]
    tier: NotRequired[int]


@final
class PriceNotFoundProblem(TypedDict):
    """There is no such price."""

    type: Literal["urn:credit-ledger:problem:price_not_found"]
    title: str
    status: Literal[422]
    code: Literal["price_not_found"]
    detail: str
    price_of: Literal["plan", "package", "usage"]
    plan_id: NotRequired[str]
    package_id: NotRequired[str]
    currency: NotRequired[str]
    why: NotRequired[Literal["no_book", "no_rate", "not_charged", "nothing_said", "too_much"]]
    price_book: NotRequired[int | None]
    fields: NotRequired[list[str]]


@final
class ProblemDocument(TypedDict):
    """RFC 9457, with a stable code, and facts that depend on it."""

    type: str
    title: str
    status: int
    code: str
    detail: str


@final
class RateGlobs(TypedDict):
    """What the rate that fits is for."""

    provider: str
    model: str
    metric: str


@final
class ReachedLimit(TypedDict):
    """A limit that applies, and the counter that the command would raise."""

    limit_id: str
    source: str
    each: dict[str, str | None]
    only: dict[str, str]
    unit: str
    amount: int
    used: int
    headroom: int
    over: int
    hard: bool
    period: PeriodFields | None
    resets_at: str | None


@final
class ReceivedLot(TypedDict):
    """A lot of the receiver:"""

    grant_id: str
    kind: Literal["subscription", "permanent"]
    amount: int
    expires_at: str | None
    source: Literal["signup", "subscription", "topup", "promotion", "adjustment"]
    granted_at: str
    from_grant_id: str
    origin_account_id: str
    origin_grant_id: str


@final
class ReceivedSide(TypedDict):
    """The receiver's side of a transfer."""

    account_id: str
    version: int
    position: int | None
    recorded_at: str
    balance: BalanceFields
    lots: list[ReceivedLot]


@final
class RefundAlreadyRecordedProblem(TypedDict):
    """The refund was recorded before."""

    type: Literal["urn:credit-ledger:problem:refund_already_recorded"]
    title: str
    status: Literal[409]
    code: Literal["refund_already_recorded"]
    detail: str
    payment_id: str
    refund_id: str


@final
class ReleaseResult(TypedDict):
    """A released hold."""

    op: Literal["release"]
    status: int
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    limits: NotRequired[list[LimitLeft]]
    hold_id: str
    released: int
    lapsed: int
    cancelled: int


@final
class Released(TypedDict):
    """A released hold."""

    op: NotRequired[str]
    status: NotRequired[int]
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    limits: NotRequired[list[LimitLeft]]
    hold_id: str
    released: int
    lapsed: int
    cancelled: int


@final
class ReopenResult(TypedDict):
    """A change of standing."""

    op: Literal["reopen"]
    status: int
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    standing: Literal["active", "frozen", "closed"]


@final
class ReversalsLimitExceededProblem(TypedDict):
    """Too many reversals of one deduction."""

    type: Literal["urn:credit-ledger:problem:reversals_limit_exceeded"]
    title: str
    status: Literal[422]
    code: Literal["reversals_limit_exceeded"]
    detail: str
    limit: int


@final
class ReverseResult(TypedDict):
    """A reversal:"""

    op: Literal["reverse"]
    status: int
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    limits: NotRequired[list[LimitLeft]]
    waived: NotRequired[int]
    deduction_id: str
    reversed: int
    lapsed: int
    cancelled: int


@final
class Reversed(TypedDict):
    """A reversal:"""

    op: NotRequired[str]
    status: NotRequired[int]
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    limits: NotRequired[list[LimitLeft]]
    waived: NotRequired[int]
    deduction_id: str
    reversed: int
    lapsed: int
    cancelled: int


@final
class RollOverBody(TypedDict):
    """What becomes of credits that are unused at the end of their window."""

    cap: int
    periods: int


@final
class StorageFullProblem(TypedDict):
    """The database has no room left."""

    type: Literal["urn:credit-ledger:problem:storage_full"]
    title: str
    status: Literal[503]
    code: Literal["storage_full"]
    detail: str


@final
class SubscriptionNow(TypedDict):
    """A subscription at a moment."""

    subscription_id: str
    provider: str
    status: Literal["incomplete", "trialing", "active", "paused", "past_due", "ended"]
    plan: str | None
    plan_version: int | None
    quantity: int
    current_period_start: str | None
    current_period_end: str | None
    cancel_at: str | None
    next_plan: str | None
    trial_ends_at: str | None
    next_allowance: NextAllowance | None


@final
class SubscriptionResult(TypedDict):
    """A word about a subscription, with the allowances that it led to, and what it took back."""

    op: Literal["subscription"]
    status: int
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    grant_id: NotRequired[str]
    granted: NotRequired[int]
    kind: NotRequired[Literal["subscription", "permanent"]]
    expires_at: NotRequired[str | None]
    effective_at: NotRequired[str | None]
    grants: NotRequired[list[BoughtGrant]]
    voided: NotRequired[int]
    uncollected: NotRequired[int]
    voids: NotRequired[list[VoidedGrant]]
    subscription_id: str
    subscription_status: Literal["incomplete", "trialing", "active", "paused", "past_due", "ended"]
    plan: str
    plan_version: int


@final
class SubscriptionsLimitExceededProblem(TypedDict):
    """Too many subscriptions."""

    type: Literal["urn:credit-ledger:problem:subscriptions_limit_exceeded"]
    title: str
    status: Literal[422]
    code: Literal["subscriptions_limit_exceeded"]
    detail: str
    limit: int


@final
class TermsBody(TypedDict):
    """The terms of a plan."""

    plan: str
    plan_version: int
    credits: int
    every: IntervalBody
    billed: NotRequired[IntervalBody | None]
    unused: NotRequired[RollOverBody | None]
    grace_seconds: NotRequired[int | None]
    rank: NotRequired[int | None]
    trial_credits: NotRequired[int | None]


@final
class TransferBody(TypedDict):
    """Move credits to another account."""

    from_account_id: str
    to_account_id: str
    amount: NotRequired[int | None]
    description: NotRequired[str | None]


@final
class Transferred(TypedDict):
    """A transfer:"""

    op: NotRequired[str]
    status: NotRequired[int]
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    received: NotRequired[ReceivedSide]
    transfer_id: str
    to_account_id: str
    sent: int
    draws: list[DrawFields]


@final
class UnavailableProblem(TypedDict):
    """The database cannot be reached."""

    type: Literal["urn:credit-ledger:problem:unavailable"]
    title: str
    status: Literal[503]
    code: Literal["unavailable"]
    detail: str
    kept: NotRequired[bool]


@final
class UnfreezeResult(TypedDict):
    """A change of standing."""

    op: Literal["unfreeze"]
    status: int
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    standing: Literal["active", "frozen", "closed"]


@final
class UpdateResult(TypedDict):
    """An update of the description, the metadata or the labels."""

    op: Literal["update"]
    status: int
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    labels: NotRequired[dict[str, str]]


@final
class UsageBody(TypedDict):
    """What a deduction was for."""

    provider: NotRequired[str | None]
    model: NotRequired[str | None]
    project: NotRequired[str | None]
    member: NotRequired[str | None]
    metric: NotRequired[str | None]
    input_tokens: NotRequired[int | None]
    output_tokens: NotRequired[int | None]
    cached_tokens: NotRequired[int | None]
    key: NotRequired[str | None]
    agent: NotRequired[str | None]
    quantity: NotRequired[int | None]
    duration_ms: NotRequired[int | None]
    success: NotRequired[bool | None]


@final
class UsageConflictsWithHoldProblem(TypedDict):
    """The usage is not that of the hold."""

    type: Literal["urn:credit-ledger:problem:usage_conflicts_with_hold"]
    title: str
    status: Literal[422]
    code: Literal["usage_conflicts_with_hold"]
    detail: str
    hold_id: str
    field: str
    held: JsonValue
    captured: JsonValue


@final
class UsageConflictsWithKeyProblem(TypedDict):
    """The usage is not that of the API key."""

    type: Literal["urn:credit-ledger:problem:usage_conflicts_with_key"]
    title: str
    status: Literal[422]
    code: Literal["usage_conflicts_with_key"]
    detail: str
    field: str
    value: str
    expected: str


@final
class UsageRequiredProblem(TypedDict):
    """A limit needs to know more of the usage."""

    type: Literal["urn:credit-ledger:problem:usage_required"]
    title: str
    status: Literal[422]
    code: Literal["usage_required"]
    detail: str
    limit_id: str
    field: str


@final
class Use(TypedDict):
    """What was spent in a span of time."""

    deducted: int
    reversed: int
    deductions: int


@final
class ValidationFailedProblem(TypedDict):
    """The request is not valid."""

    type: Literal["urn:credit-ledger:problem:validation_failed"]
    title: str
    status: Literal[422]
    code: Literal["validation_failed"]
    detail: str
    errors: list[WrongField]
    more_errors: NotRequired[int]


@final
class VersionMismatchProblem(TypedDict):
    """The account has moved on."""

    type: Literal["urn:credit-ledger:problem:version_mismatch"]
    title: str
    status: Literal[412]
    code: Literal["version_mismatch"]
    detail: str
    expected: int | list[int]
    actual: int


@final
class VoidResult(TypedDict):
    """A void."""

    op: Literal["void"]
    status: int
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    grant_id: str
    voided: int
    uncollected: int


@final
class VoidedGrant(TypedDict):
    """One of the grants that a refund voided."""

    grant_id: str
    voided: int
    uncollected: int


@final
class WayOut(TypedDict):
    """A way out of a refusal for want of credits, and the page for it."""

    way: Literal["upgrade", "top_up"]
    url: str


@final
class WrongField(TypedDict):
    """A field that is not valid."""

    field: str
    message: str
    value: NotRequired[JsonValue]
    limits: NotRequired[dict[str, int | str]]


JsonValue: TypeAlias = Any
ProblemInBatch: TypeAlias = (
    IdempotencyKeyRequiredProblem
    | InsufficientCreditsProblem
    | LimitReachedProblem
    | MissingScopeProblem
    | AccountNotFoundProblem
    | GrantNotFoundProblem
    | DeductionNotFoundProblem
    | HoldNotFoundProblem
    | PaymentNotFoundProblem
    | LimitNotFoundProblem
    | AccountExistsWithDifferentBodyProblem
    | AccountClosedProblem
    | AccountFrozenProblem
    | GrantClosedProblem
    | GrantExpiredProblem
    | HoldAlreadyCapturedProblem
    | HoldAlreadyReleasedProblem
    | HoldExpiredProblem
    | PaymentAlreadyRecordedProblem
    | PaymentOfAnotherAccountProblem
    | PaymentAmbiguousProblem
    | RefundAlreadyRecordedProblem
    | PaymentNotPaidProblem
    | DisputeAlreadyRecordedProblem
    | DisputeAlreadyDecidedProblem
    | HoldDisputedProblem
    | VersionMismatchProblem
    | ValidationFailedProblem
    | IdempotencyKeyReusedProblem
    | HoldLifeExceededProblem
    | OccurredAtOutOfBoundsProblem
    | AmountExceedsHoldProblem
    | AmountExceedsDeductionProblem
    | AmountExceedsPaymentProblem
    | BalanceLimitExceededProblem
    | ComingGrantsLimitExceededProblem
    | OpenLotsLimitExceededProblem
    | OpenHoldsLimitExceededProblem
    | DrawsLimitExceededProblem
    | LabelsLimitExceededProblem
    | ReversalsLimitExceededProblem
    | DisputesLimitExceededProblem
    | SubscriptionsLimitExceededProblem
    | UsageRequiredProblem
    | UsageConflictsWithHoldProblem
    | UsageConflictsWithKeyProblem
    | LimitsLimitExceededProblem
    | AllowancesLimitExceededProblem
    | CountersLimitExceededProblem
    | PriceNotFoundProblem
    | InternalErrorProblem
    | OverloadedProblem
    | UnavailableProblem
    | StorageFullProblem
)
