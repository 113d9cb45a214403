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
class AccountKeyBody(TypedDict):
    """Make a key of an account."""

    name: str
    scopes: NotRequired[list[Literal["read", "write", "admin"]]]
    expires_in_days: NotRequired[int | None]
    rate_limit: NotRequired[int | None]
    account_id: str
    member: NotRequired[str | None]


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
class AccountsAnswer(TypedDict):
    """Accounts in the order that was asked for."""

    as_of_position: int
    as_of: str | None
    next_cursor: str | None
    accounts: list[ListedAccount]


@final
class AllowanceBody(TypedDict):
    """Set the amount of one value of a limit that counts for each."""

    value: str
    amount: NotRequired[int | None]


@final
class AllowanceChanged(TypedDict):
    """An allowance; null where the amount of the limit holds again."""

    op: NotRequired[str]
    status: NotRequired[int]
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
class AllowanceInBatch(TypedDict):
    """Set the amount of one value of a limit that counts for each."""

    op: Literal["allowance"]
    account_id: str
    limit_id: str
    idempotency_key: str
    if_match: NotRequired[int]
    value: str
    amount: NotRequired[int | None]


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
class AlreadyCancelledProblem(TypedDict):
    """The subscription ends already."""

    type: Literal["urn:credit-ledger:problem:already_cancelled"]
    title: str
    status: Literal[409]
    code: Literal["already_cancelled"]
    detail: str
    subscription_id: str
    cancel_at: str


@final
class AlreadyOnPlanProblem(TypedDict):
    """The subscription is on this plan."""

    type: Literal["urn:credit-ledger:problem:already_on_plan"]
    title: str
    status: Literal[409]
    code: Literal["already_on_plan"]
    detail: str
    plan_id: str


@final
class AlreadySubscribedProblem(TypedDict):
    """The account has a plan of this group."""

    type: Literal["urn:credit-ledger:problem:already_subscribed"]
    title: str
    status: Literal[409]
    code: Literal["already_subscribed"]
    detail: str
    account_id: str
    plan_id: str
    subscription_id: str


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
class AuditAnswer(TypedDict):
    """Entries of the audit log, the newest first."""

    entries: list[AuditFields]
    next_cursor: str | None


@final
class AuditFields(TypedDict):
    """What somebody did."""

    entry_id: int
    at: str
    action: str
    actor: str
    subject: str
    account_id: str | None
    details: dict[str, str | int | None] | None


@final
class Average(TypedDict):
    """Credits of a deduction on average, this month; `average` is rounded to two places."""

    credits: int
    tasks: int
    average: str | None


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
class Batch(TypedDict):
    """Commands in the order in which they are carried out."""

    atomic: NotRequired[bool]
    commands: list[
        OpenInBatch
        | UpdateInBatch
        | GrantInBatch
        | DeductInBatchAmount
        | DeductInBatchPriced
        | ReverseInBatch
        | HoldInBatchAmount
        | HoldInBatchPriced
        | CaptureInBatchUnpriced
        | CaptureInBatchPriced
        | ExtendInBatch
        | ReleaseInBatch
        | VoidInBatch
        | PaymentInBatch
        | PaymentRefundInBatch
        | PaymentDisputeInBatch
        | SubscriptionInBatch
        | FreezeInBatch
        | UnfreezeInBatch
        | CloseInBatch
        | ReopenInBatch
        | LimitsInBatch
        | AllowanceInBatch
        | MeterInBatch
        | ChangeExpiryInBatch
    ]


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
class BatchRefusedProblem(TypedDict):
    """The atomic batch was refused."""

    type: Literal["urn:credit-ledger:problem:batch_refused"]
    title: str
    status: Literal[409]
    code: Literal["batch_refused"]
    detail: str
    index: int
    cause: Cause


@final
class BatchTooLargeProblem(TypedDict):
    """The batch is too large."""

    type: Literal["urn:credit-ledger:problem:batch_too_large"]
    title: str
    status: Literal[413]
    code: Literal["batch_too_large"]
    detail: str
    limit: int


@final
class BillingMonth(TypedDict):
    """One local month:"""

    month: str
    start: str
    end: str
    revenue: list[RevenueOf]
    paying: int
    began: int
    ended: int
    lost: int
    churn_percent: str | None


@final
class BodyTimeoutProblem(TypedDict):
    """The body did not arrive in time."""

    type: Literal["urn:credit-ledger:problem:body_timeout"]
    title: str
    status: Literal[408]
    code: Literal["body_timeout"]
    detail: str
    seconds: int


@final
class BodyTooLargeProblem(TypedDict):
    """The body is too large."""

    type: Literal["urn:credit-ledger:problem:body_too_large"]
    title: str
    status: Literal[413]
    code: Literal["body_too_large"]
    detail: str
    limit: int


@final
class BookVersionFields(TypedDict):
    """One version of the price book, without its rates."""

    version: int
    effective_at: str
    sha256: str
    created_by: str
    created_at: str
    rate_count: int


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


@final
class BoughtGrant(TypedDict):
    """One of the grants that a payment bought."""

    grant_id: str
    granted: int
    kind: Literal["subscription", "permanent"]
    expires_at: str | None
    effective_at: str | None


@final
class CancelAnswer(TypedDict):
    """A cancellation:"""

    subscription_id: str
    provider: str
    effect: Literal["now", "period_end"]
    cancel_at: str
    recorded: bool


@final
class CancelBody(TypedDict):
    """End a subscription."""

    when: NotRequired[Literal["now", "period_end"]]
    reason: NotRequired[str | None]
    subscription_id: NotRequired[str | None]


@final
class CaptureBodyPriced(TypedDict):
    """Turn a hold, or a part of it, into a deduction."""

    priced: Literal[True]
    usage: UsageBody
    amount: NotRequired[None]
    final: NotRequired[bool | None]
    on_excess: NotRequired[Literal["reject", "draw", "available"] | None]
    occurred_at: NotRequired[str | None]


@final
class CaptureBodyUnpriced(TypedDict):
    """Turn a hold, or a part of it, into a deduction."""

    priced: NotRequired[Literal[False] | None]
    usage: NotRequired[UsageBody | None]
    amount: NotRequired[int | None]
    final: NotRequired[bool | None]
    on_excess: NotRequired[Literal["reject", "draw", "available"] | None]
    occurred_at: NotRequired[str | None]


@final
class CaptureInBatchPriced(TypedDict):
    """Turn a hold, or a part of it, into a deduction."""

    op: Literal["capture"]
    account_id: str
    hold_id: str
    idempotency_key: str
    if_match: NotRequired[int]
    priced: Literal[True]
    usage: UsageBody
    amount: NotRequired[None]
    final: NotRequired[bool | None]
    on_excess: NotRequired[Literal["reject", "draw", "available"] | None]
    occurred_at: NotRequired[str | None]


@final
class CaptureInBatchUnpriced(TypedDict):
    """Turn a hold, or a part of it, into a deduction."""

    op: Literal["capture"]
    account_id: str
    hold_id: str
    idempotency_key: str
    if_match: NotRequired[int]
    priced: NotRequired[Literal[False] | None]
    usage: NotRequired[UsageBody | None]
    amount: NotRequired[int | None]
    final: NotRequired[bool | None]
    on_excess: NotRequired[Literal["reject", "draw", "available"] | None]
    occurred_at: NotRequired[str | None]


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
class CatalogLimitExceededProblem(TypedDict):
    """The catalogue is full."""

    type: Literal["urn:credit-ledger:problem:catalog_limit_exceeded"]
    title: str
    status: Literal[422]
    code: Literal["catalog_limit_exceeded"]
    detail: str
    limit: int


@final
class Cause(TypedDict):
    """Why a command of an atomic batch was refused:"""

    code: str
    detail: str


@final
class ChangeEmailBody(TypedDict):
    """Ask for another address."""

    email: str
    password: str


@final
class ChangeExpiryInBatch(TypedDict):
    """Change when the lot of a grant lapses."""

    op: Literal["change_expiry"]
    account_id: str
    grant_id: str
    idempotency_key: str
    if_match: NotRequired[int]
    expires_at: str | None
    reinstate: NotRequired[bool | None]
    reason: NotRequired[str | None]


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
class ChangePasswordBody(TypedDict):
    """Change the password."""

    password: str
    new_password: str


@final
class ChargeFields(TypedDict):
    """A charge of a rate; which fields it has depends on its kind."""

    charge: Literal["flat", "per_unit", "package", "graduated", "volume"]
    of: NotRequired[str]
    credits: NotRequired[str]
    per: NotRequired[int]
    tiers: NotRequired[list[TierFields]]


@final
class CheckoutAnswer(TypedDict):
    """A checkout."""

    checkout_id: str
    account_id: str
    plan: str | None
    package: str | None
    version: int
    price: str | None
    quantity: int
    provider: str
    state: Literal["unknown", "open", "paid", "cancelled", "expired"]
    url: str | None
    amount_minor: int
    currency: str | None
    reference: str | None
    trial_days: int | None
    created_at: str
    expires_at: str | None
    paid_at: str | None


@final
class CheckoutBodyPackage(TypedDict):
    """What an account shall buy:"""

    account_id: str
    plan: NotRequired[str | None]
    package: str
    price: NotRequired[str | None]
    quantity: NotRequired[int]
    return_url: str
    cancel_url: NotRequired[str | None]


@final
class CheckoutBodyPlan(TypedDict):
    """What an account shall buy:"""

    account_id: str
    plan: str
    package: NotRequired[str | None]
    price: NotRequired[str | None]
    quantity: NotRequired[int]
    return_url: str
    cancel_url: NotRequired[str | None]


@final
class CheckoutNotFoundProblem(TypedDict):
    """There is no such checkout."""

    type: Literal["urn:credit-ledger:problem:checkout_not_found"]
    title: str
    status: Literal[404]
    code: Literal["checkout_not_found"]
    detail: str
    checkout_id: str


@final
class CheckpointsState(TypedDict):
    """The log beside its newest signed checkpoint."""

    holds: bool | None
    size: int | None
    position: int
    signed_at: str | None
    problem: str | None


@final
class Checks(TypedDict):
    """What has to be true of a service that is ready."""

    checkpoints: bool
    committer: bool
    database: bool
    processes: bool
    projections: bool
    sessions: bool


@final
class ClockState(TypedDict):
    """Whether the service goes by the machine's clock."""

    machine_followed: bool
    machine_ahead_seconds: int


@final
class CloseInBatch(TypedDict):
    """Why."""

    op: Literal["close"]
    account_id: str
    idempotency_key: str
    if_match: NotRequired[int]
    reason: NotRequired[str | None]


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
class Coming(TypedDict):
    """Credits that start together."""

    effective_at: str
    credits: int


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
class CountLimits(TypedDict):
    """The limit of each count:"""

    rag_queries: int | Literal["unlimited"]
    agent_executions: int | Literal["unlimited"]
    files_indexed: int | Literal["unlimited"]
    deployments: int | Literal["unlimited"]


@final
class CounterNow(TypedDict):
    """What is left of a limit, of all of it or for one value."""

    value: str | None
    amount: int
    used: int
    headroom: int
    over: int
    resets_at: str | None


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
class CurrentUsageAnswer(TypedDict):
    """The usage of a period that goes on."""

    period: Literal["today", "week", "month", "all"]
    period_start: str
    period_end: str
    tz: str
    tier: str
    limits: CountLimits
    limits_detail: list[LimitNow]
    usage: UsageCounts
    credits: int
    daily_breakdown: list[DayCounts]


@final
class DailyAnswer(TypedDict):
    """One row per local day."""

    as_of_position: int
    as_of: str | None
    account_id: str
    tz: str
    by: Literal["recorded", "occurred"]
    within: float
    days: list[LocalDay]
    totals: MeasuredTotals


@final
class DayCounts(TypedDict):
    """The same of one local day, with the credits that all usage of it took."""

    rag_queries: int
    agent_executions: int
    files_indexed: int
    deployments: int
    date: str
    credits: int


@final
class DayOfUse(TypedDict):
    """One local day."""

    deducted: int
    reversed: int
    deductions: int
    date: str


@final
class DecidedAnswer(TypedDict):
    """A webhook after an operator's word."""

    webhook_id: str
    provider: str
    delivery_id: str
    type: str
    state: Literal["new", "applied", "waiting", "ignored", "dismissed"]
    reason: str | None
    sentence: str | None
    received_at: str
    attempts: int
    next_try_at: str | None
    decided_at: str | None
    decided_by: str | None
    account_id: str | None
    about: list[str]
    things: list[str]
    applied_positions: list[int]
    sha256: str
    has_body: bool


@final
class DeductBodyAmount(TypedDict):
    """Take credits:"""

    priced: NotRequired[Literal[False] | None]
    usage: NotRequired[UsageBody | None]
    amount: int
    task_id: NotRequired[str | None]
    description: NotRequired[str | None]
    metadata: NotRequired[dict[str, Any] | None]
    occurred_at: NotRequired[str | None]
    on_shortfall: NotRequired[Literal["reject", "available"] | None]


@final
class DeductBodyPriced(TypedDict):
    """Take credits:"""

    priced: Literal[True]
    usage: UsageBody
    amount: NotRequired[None]
    task_id: NotRequired[str | None]
    description: NotRequired[str | None]
    metadata: NotRequired[dict[str, Any] | None]
    occurred_at: NotRequired[str | None]
    on_shortfall: NotRequired[Literal["reject", "available"] | None]


@final
class DeductInBatchAmount(TypedDict):
    """Take credits:"""

    op: Literal["deduct"]
    account_id: str
    idempotency_key: NotRequired[str]
    if_match: NotRequired[int]
    priced: NotRequired[Literal[False] | None]
    usage: NotRequired[UsageBody | None]
    amount: int
    task_id: NotRequired[str | None]
    description: NotRequired[str | None]
    metadata: NotRequired[dict[str, Any] | None]
    occurred_at: NotRequired[str | None]
    on_shortfall: NotRequired[Literal["reject", "available"] | None]


@final
class DeductInBatchPriced(TypedDict):
    """Take credits:"""

    op: Literal["deduct"]
    account_id: str
    idempotency_key: NotRequired[str]
    if_match: NotRequired[int]
    priced: Literal[True]
    usage: UsageBody
    amount: NotRequired[None]
    task_id: NotRequired[str | None]
    description: NotRequired[str | None]
    metadata: NotRequired[dict[str, Any] | None]
    occurred_at: NotRequired[str | None]
    on_shortfall: NotRequired[Literal["reject", "available"] | None]


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
    draws: list[DrawFields]
    task_id: str | None
    description: str | None
    usage: dict[str, Any] | None
    occurred_at: str | None
    recorded_at: str
    version: int
    position: int


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
class DeletionAnswer(TypedDict):
    """When a person is erased, unless they take it back."""

    message: str
    deletion_at: str


@final
class DismissBody(TypedDict):
    """Why a webhook is given up."""

    reason: NotRequired[str | None]


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
class Disputed(TypedDict):
    """A dispute that was opened, won or lost."""

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
class DisputesAnswer(TypedDict):
    """Disputes, those that changed last first."""

    as_of_position: int
    as_of: str | None
    next_cursor: str | None
    disputes: list[ListedDispute]


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
class DocumentUnavailableProblem(TypedDict):
    """The document cannot be made now."""

    type: Literal["urn:credit-ledger:problem:document_unavailable"]
    title: str
    status: Literal[503]
    code: Literal["document_unavailable"]
    detail: str


@final
class DowngradeAnswer(TypedDict):
    """A downgrade:"""

    plan: str
    price: str
    quantity: int
    amount_minor: int
    currency: str
    subscription_id: str
    provider: str
    effect: Literal["period_end"]
    at: str
    held: bool
    recorded: bool


@final
class DowngradeBody(TypedDict):
    """Put a subscription on a plan that gives no more, at the end of its period."""

    plan: str
    price: NotRequired[str | None]
    quantity: NotRequired[int | None]


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
class EarnedAnswer(TypedDict):
    """What of the money is earned, and what is still owed, since the first payment."""

    as_of_position: int
    as_of: str | None
    months: list[EarnedMonth]


@final
class EarnedMonth(TypedDict):
    """The money of one currency in one month (UTC), in minor units."""

    month: str
    currency: str
    paid_minor: int
    back_minor: int
    spent_minor: int
    breakage_minor: int
    returned_minor: int
    deferred_minor: int
    revenue_minor: int


@final
class EffectiveInThePastProblem(TypedDict):
    """The version would take effect in the past."""

    type: Literal["urn:credit-ledger:problem:effective_in_the_past"]
    title: str
    status: Literal[409]
    code: Literal["effective_in_the_past"]
    detail: str
    effective_at: str
    now: str


@final
class EmailBody(TypedDict):
    """An address to which a mail goes."""

    email: str


@final
class EmailNotVerifiedProblem(TypedDict):
    """The address is not verified yet."""

    type: Literal["urn:credit-ledger:problem:email_not_verified"]
    title: str
    status: Literal[403]
    code: Literal["email_not_verified"]
    detail: str


@final
class EmptyBody(TypedDict):
    """Nothing to say."""


@final
class Entry(TypedDict):
    """One signed line of the history, with the balance before and after it."""

    sequence: int
    version: int
    recorded_at: str
    type: Literal["grant", "deduction", "capture", "reversal", "void", "expiry", "reinstatement", "transfer"]
    credits: int
    subscription_credits: int
    permanent_credits: int
    balance_before: int
    balance_after: int
    description: str | None
    task_id: str | None
    transaction_id: str | None
    payment_id: str | None
    source: Literal["signup", "subscription", "topup", "promotion", "adjustment"] | None
    grant_id: str | None
    deduction_id: str | None
    hold_id: str | None
    transfer_id: str | None
    other_account_id: str | None
    usage: dict[str, str | int | bool] | None
    occurred_at: str | None
    uncollected: int


@final
class EntryVersion(TypedDict):
    """One version of a plan or package."""

    version: int
    sha256: str
    created_by: str
    created_at: str


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
class EventNotFoundProblem(TypedDict):
    """The account has no such event."""

    type: Literal["urn:credit-ledger:problem:event_not_found"]
    title: str
    status: Literal[404]
    code: Literal["event_not_found"]
    detail: str
    version: int
    last_version: int


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
class Expiring(TypedDict):
    """Credits that lapse together."""

    expires_at: str
    credits: int


@final
class ExpiryBody(TypedDict):
    """Change when the lot of a grant lapses."""

    expires_at: str | None
    reinstate: NotRequired[bool | None]
    reason: NotRequired[str | None]


@final
class ExpiryChanged(TypedDict):
    """A change of when the lot of a grant lapses:"""

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
    kind: Literal["subscription", "permanent"]
    expires_at: str | None
    previous_expires_at: str | None
    reinstated: int


@final
class Explained(TypedDict):
    """One event, explained."""

    version: int
    type: str
    recorded_at: str
    effective_at: str | None
    sentence: str
    why: list[str]
    draws: list[ExplainedDraw]
    passed_over: list[PassedOver]
    passed_over_count: int
    returns: list[ExplainedReturn]
    lot: ExplainedLot | None
    hold: ExplainedHold | None
    counts: list[ExplainedCount]
    transfer: ExplainedTransfer | None
    balance_before: BalanceFields
    balance_after: BalanceFields
    sound: bool
    violations: list[str]
    account_id: str
    position: int


@final
class ExplainedCount(TypedDict):
    """A counter of a limit that an event moves:"""

    limit_id: str
    value: str | None
    unit: str
    before: int
    change: int
    after: int
    amount: int
    until: str | None
    why: str


@final
class ExplainedDraw(TypedDict):
    """One draw of an event, in credits:"""

    grant_id: str
    kind: Literal["subscription", "permanent"]
    expires_at: str | None
    hold_id: str | None
    before: int
    amount: int
    after: int
    rule: (
        Literal[
            "only_lot", "subscription_first", "earliest_expiry", "oldest_grant", "as_held", "as_received", "as_disputed"
        ]
        | None
    )
    why: str


@final
class ExplainedHold(TypedDict):
    """The one hold that an event changes:"""

    hold_id: str
    expires_at: str | None
    before: int
    after: int


@final
class ExplainedLot(TypedDict):
    """The one lot that a grant, a void or an expiry changes:"""

    grant_id: str
    kind: Literal["subscription", "permanent"]
    expires_at: str | None
    before: int
    after: int


@final
class ExplainedReturn(TypedDict):
    """Credits that came back to one lot:"""

    grant_id: str
    kind: Literal["subscription", "permanent"]
    expires_at: str | None
    amount: int
    fate: Literal["returned", "lapsed", "cancelled"]
    before: int
    after: int
    why: str


@final
class ExplainedTransfer(TypedDict):
    """The other account of a transfer, and what the transfer is there."""

    transfer_id: str
    account_id: str
    version: int | None
    grant_id: str | None


@final
class ExportAnswer(TypedDict):
    """A copy of everything about a person, and until when it can be fetched."""

    id: str
    asked_at: str
    expires_at: str
    url: str


@final
class ExtendBody(TypedDict):
    """Let a hold last longer, counted from now."""

    expires_in_seconds: int


@final
class ExtendInBatch(TypedDict):
    """Let a hold last longer, counted from now."""

    op: Literal["extend"]
    account_id: str
    hold_id: str
    idempotency_key: str
    if_match: NotRequired[int]
    expires_in_seconds: int


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
class Feed(TypedDict):
    """One page of events; ask again with `after=next_after` (or `after_version`)."""

    events: list[StoredEvent]
    next_after: int


@final
class FlatCharge(TypedDict):
    """The same credits for each use."""

    charge: Literal["flat"]
    credits: int | str


@final
class FreezeInBatch(TypedDict):
    """Why."""

    op: Literal["freeze"]
    account_id: str
    idempotency_key: str
    if_match: NotRequired[int]
    reason: NotRequired[str | None]


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
class GrantAnswer(TypedDict):
    """One grant."""

    as_of_position: int
    as_of: str | None
    account_id: str
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
class GrantInBatch(TypedDict):
    """Give credits."""

    op: Literal["grant"]
    account_id: str
    idempotency_key: NotRequired[str]
    if_match: NotRequired[int]
    kind: Literal["subscription", "permanent"]
    amount: int
    expires_at: NotRequired[str | None]
    source: NotRequired[Literal["signup", "subscription", "topup", "promotion", "adjustment"] | None]
    transaction_id: NotRequired[str | None]
    description: NotRequired[str | None]
    metadata: NotRequired[dict[str, Any] | None]
    effective_at: NotRequired[str | None]


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
class GrantsAnswer(TypedDict):
    """Grants, newest first."""

    as_of_position: int
    as_of: str | None
    next_cursor: str | None
    grants: list[Grant]


@final
class HasASubscriptionProblem(TypedDict):
    """The subscription of the account renews."""

    type: Literal["urn:credit-ledger:problem:has_a_subscription"]
    title: str
    status: Literal[409]
    code: Literal["has_a_subscription"]
    detail: str


@final
class HealthAnswer(TypedDict):
    """Whether the process answers."""

    status: Literal["ok"]


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
class HistoryAnswer(TypedDict):
    """Entries in order."""

    as_of_position: int
    as_of: str | None
    next_cursor: str | None
    successor: str | None
    entries: list[Entry]


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


@final
class HoldBodyAmount(TypedDict):
    """Reserve credits."""

    priced: NotRequired[Literal[False] | None]
    usage: NotRequired[UsageBody | None]
    amount: int
    expires_in_seconds: NotRequired[int | None]
    task_id: NotRequired[str | None]
    description: NotRequired[str | None]


@final
class HoldBodyPriced(TypedDict):
    """Reserve credits."""

    priced: Literal[True]
    usage: UsageBody
    amount: NotRequired[None]
    expires_in_seconds: NotRequired[int | None]
    task_id: NotRequired[str | None]
    description: NotRequired[str | None]


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
class HoldInBatchAmount(TypedDict):
    """Reserve credits."""

    op: Literal["hold"]
    account_id: str
    idempotency_key: str
    if_match: NotRequired[int]
    priced: NotRequired[Literal[False] | None]
    usage: NotRequired[UsageBody | None]
    amount: int
    expires_in_seconds: NotRequired[int | None]
    task_id: NotRequired[str | None]
    description: NotRequired[str | None]


@final
class HoldInBatchPriced(TypedDict):
    """Reserve credits."""

    op: Literal["hold"]
    account_id: str
    idempotency_key: str
    if_match: NotRequired[int]
    priced: Literal[True]
    usage: UsageBody
    amount: NotRequired[None]
    expires_in_seconds: NotRequired[int | None]
    task_id: NotRequired[str | None]
    description: NotRequired[str | None]


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
class HoldsAnswer(TypedDict):
    """Holds, newest first."""

    as_of_position: int
    as_of: str | None
    next_cursor: str | None
    holds: list[Hold]


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
class Interval(TypedDict):
    """Some months or some days."""

    months: NotRequired[int | None]
    days: NotRequired[int | None]


@final
class IntervalBody(TypedDict):
    """Some calendar months or some days:"""

    months: NotRequired[int | None]
    days: NotRequired[int | None]


@final
class IntervalFields(TypedDict):
    """Some months or some days."""

    months: NotRequired[int]
    days: NotRequired[int]


@final
class InvoiceAnswer(TypedDict):
    """Where the invoice of a payment is that its provider wrote, the merchant of record."""

    account_id: str
    payment_id: str
    provider: str
    url: str


@final
class KeyAnswer(TypedDict):
    """A key."""

    id: str
    name: str
    key_prefix: str
    scopes: list[str]
    is_active: bool
    state: Literal["active", "expired", "disabled", "revoked"]
    rate_limit: int | None
    last_used_at: str | None
    created_at: str | None
    expires_at: str | None
    account_id: str | None
    member: str | None
    made_by: str | None


@final
class KeyChangesBody(TypedDict):
    """Change a key."""

    name: NotRequired[str | None]
    is_active: NotRequired[bool | None]
    rate_limit: NotRequired[int | None]
    expires_in_days: NotRequired[int | None]


@final
class KeyFields(TypedDict):
    """A key, without its secret."""

    id: str
    name: str
    key_prefix: str
    scopes: list[str]
    is_active: bool
    state: Literal["active", "expired", "disabled", "revoked"]
    rate_limit: int | None
    last_used_at: str | None
    created_at: str | None
    expires_at: str | None
    account_id: str | None
    member: str | None
    made_by: str | None


@final
class KeyNotFoundProblem(TypedDict):
    """There is no such key."""

    type: Literal["urn:credit-ledger:problem:key_not_found"]
    title: str
    status: Literal[404]
    code: Literal["key_not_found"]
    detail: str
    key_id: str


@final
class KeyRateFields(TypedDict):
    """What a key may still do by its own rate."""

    limit: int
    remaining: int
    resets_at: str


@final
class KeyVerificationAnswer(TypedDict):
    """What a key is, and what became of the command."""

    valid: bool
    code: Literal["valid", "not_found", "expired", "revoked", "disabled", "missing_scope", "rate_limited", "refused"]
    key_id: NotRequired[str]
    account_id: NotRequired[str]
    member: NotRequired[str | None]
    role: NotRequired[str | None]
    scopes: NotRequired[list[str]]
    expires_at: NotRequired[str | None]
    rate_limit: NotRequired[KeyRateFields | None]
    command: NotRequired[dict[str, Any]]
    problem: NotRequired[ProblemDocument]


@final
class KeyVerificationBody(TypedDict):
    """Verify a key, and carry out at most one command on its account."""

    key: str
    scope: NotRequired[Literal["read", "write", "admin"] | None]
    deduct: NotRequired[DeductBody | None]
    hold: NotRequired[HoldBody | None]
    meter: NotRequired[MeterBody | None]
    idempotency_key: NotRequired[str | None]


@final
class KeysAnswer(TypedDict):
    """The keys of an account, those that are not revoked first, the newest first."""

    keys: list[KeyFields]


@final
class KeysLimitExceededProblem(TypedDict):
    """Too many API keys."""

    type: Literal["urn:credit-ledger:problem:keys_limit_exceeded"]
    title: str
    status: Literal[422]
    code: Literal["keys_limit_exceeded"]
    detail: str
    limit: int


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
class LimitBody(TypedDict):
    """One limit."""

    limit_id: str
    amount: int
    each: NotRequired[list[Literal["provider", "model", "project", "member", "metric", "key", "agent"]] | None]
    only: NotRequired[OnlyBody | None]
    unit: NotRequired[str | None]
    period: NotRequired[PeriodBody | None]
    hard: NotRequired[bool | None]
    near: NotRequired[list[int] | None]
    allowances: NotRequired[dict[str, Any] | None]
    used: NotRequired[int | dict[str, Any] | None]


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
class LimitNow(TypedDict):
    """A limit with its counters:"""

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
    counters: list[CounterNow]
    more_counters: int


@final
class LimitPeriod(TypedDict):
    """The windows of a limit:"""

    every: NotRequired[Literal["hour", "day", "week", "month", "year"] | None]
    zone: NotRequired[str | None]
    starts: NotRequired[int | None]
    seconds: NotRequired[int | None]


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
class LimitsAnswer(TypedDict):
    """The limits of an account, and how much they leave of its credits."""

    account_id: str
    as_of: str
    version: int
    position: int
    available: int
    spendable: int
    binding: str | None
    limits: list[LimitNow]


@final
class LimitsBody(TypedDict):
    """Replace all limits of one source."""

    source: str
    limits: list[LimitBody]


@final
class LimitsInBatch(TypedDict):
    """Replace all limits of one source."""

    op: Literal["limits"]
    account_id: str
    idempotency_key: str
    if_match: NotRequired[int]
    source: str
    limits: list[LimitBody]


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
class LimitsReplaced(TypedDict):
    """The limits of one source; `kept` are the ids of those whose counters go on."""

    op: NotRequired[str]
    status: NotRequired[int]
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
class ListedDispute(TypedDict):
    """A dispute of a payment."""

    account_id: str
    provider: str
    payment_id: str
    dispute_id: str
    state: Literal["open", "won", "lost"]
    amount_minor: int
    currency: str
    paid_minor: int
    refunded_minor: int
    paid_at: str
    changed_at: str


@final
class ListedSubscription(TypedDict):
    """A subscription as the projection has it; `GET /v1/accounts/{account_id}/subscription` is never ..."""

    account_id: str
    subscription_id: str
    provider: str
    status: Literal["incomplete", "trialing", "active", "paused", "past_due", "ended"]
    plan: str | None
    plan_version: int | None
    quantity: int | None
    current_period_start: str | None
    current_period_end: str | None
    cancel_at: str | None
    next_plan: str | None
    trial_ends_at: str | None
    next_allowance_at: str | None
    started_at: str | None
    paying_since: str | None


@final
class LocalDay(TypedDict):
    """One local day:"""

    granted: int
    deducted: int
    reversed: int
    expired: int
    voided: int
    transferred: int
    grants: int
    deductions: int
    reversals: int
    expiries: int
    voids: int
    transfers: int
    opening_balance: int
    closing_balance: int
    closing_subscription_credits: int
    closing_permanent_credits: int
    failures: int
    timed: int
    duration_ms: int
    p50_ms: float | None
    p95_ms: float | None
    quantity: int
    metered: int
    date: str
    start: str
    end: str


@final
class LoginBody(TypedDict):
    """Sign in with a password."""

    email: str
    password: str


@final
class MalformedJsonProblem(TypedDict):
    """The body is not JSON."""

    type: Literal["urn:credit-ledger:problem:malformed_json"]
    title: str
    status: Literal[400]
    code: Literal["malformed_json"]
    detail: str


@final
class MatchBody(TypedDict):
    """The account that the payments and subscriptions of a webhook belong to."""

    account_id: str


@final
class MeasuredGroup(TypedDict):
    """What one group used; null where nothing was said."""

    other: NotRequired[Literal[True]]
    provider: NotRequired[str | None]
    model: NotRequired[str | None]
    project: NotRequired[str | None]
    member: NotRequired[str | None]
    metric: NotRequired[str | None]
    key: NotRequired[str | None]
    agent: NotRequired[str | None]
    credits: int
    input_tokens: int
    output_tokens: int
    uncollected: int
    count: int
    failures: int
    timed: int
    duration_ms: int
    p50_ms: float | None
    p95_ms: float | None
    quantity: int
    metered: int


@final
class MeasuredModel(TypedDict):
    """The work of one provider and model; null where nothing was said."""

    other: NotRequired[Literal[True]]
    provider: NotRequired[str | None]
    model: NotRequired[str | None]
    project: NotRequired[str | None]
    member: NotRequired[str | None]
    metric: NotRequired[str | None]
    key: NotRequired[str | None]
    agent: NotRequired[str | None]
    failures: int
    timed: int
    duration_ms: int
    p50_ms: float | None
    p95_ms: float | None


@final
class MeasuredSums(TypedDict):
    """What was used, and what was measured of it."""

    credits: int
    input_tokens: int
    output_tokens: int
    uncollected: int
    count: int
    failures: int
    timed: int
    duration_ms: int
    p50_ms: float | None
    p95_ms: float | None
    quantity: int
    metered: int


@final
class MeasuredTotals(TypedDict):
    """What happened in a span of time, the balance at its ends, and what was measured."""

    granted: int
    deducted: int
    reversed: int
    expired: int
    voided: int
    transferred: int
    grants: int
    deductions: int
    reversals: int
    expiries: int
    voids: int
    transfers: int
    opening_balance: int
    closing_balance: int
    closing_subscription_credits: int
    closing_permanent_credits: int
    failures: int
    timed: int
    duration_ms: int
    p50_ms: float | None
    p95_ms: float | None
    quantity: int
    metered: int


@final
class MergeBody(TypedDict):
    """Move all credits that are not on hold to another account, and close this one with that account ..."""

    successor: str
    reason: NotRequired[str | None]


@final
class Merged(TypedDict):
    """A merge:"""

    op: NotRequired[str]
    status: NotRequired[int]
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    transfer_id: NotRequired[str]
    to_account_id: NotRequired[str]
    sent: NotRequired[int]
    draws: NotRequired[list[DrawFields]]
    transfer_ids: NotRequired[list[str]]
    received: NotRequired[ReceivedSide]
    standing: Literal["closed"]
    successor: str


@final
class MessageAnswer(TypedDict):
    """What was done, in a sentence."""

    message: str


@final
class MeterBody(TypedDict):
    """Count usage that costs no credits against limits."""

    quantity: int
    task_id: NotRequired[str | None]
    usage: MeteredUsageBody
    occurred_at: NotRequired[str | None]


@final
class MeterInBatch(TypedDict):
    """Count usage that costs no credits against limits."""

    op: Literal["meter"]
    account_id: str
    idempotency_key: NotRequired[str]
    if_match: NotRequired[int]
    quantity: int
    task_id: NotRequired[str | None]
    usage: MeteredUsageBody
    occurred_at: NotRequired[str | None]


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
class NewKeyAnswer(TypedDict):
    """A key with its secret."""

    id: str
    name: str
    key_prefix: str
    scopes: list[str]
    is_active: bool
    state: Literal["active", "expired", "disabled", "revoked"]
    rate_limit: int | None
    last_used_at: str | None
    created_at: str | None
    expires_at: str | None
    account_id: str | None
    member: str | None
    made_by: str | None
    key: str


@final
class NewKeyBody(TypedDict):
    """Make a key."""

    name: str
    scopes: NotRequired[list[Literal["read", "write", "admin"]]]
    expires_in_days: NotRequired[int | None]
    rate_limit: NotRequired[int | None]


@final
class NextAllowance(TypedDict):
    """The credits that come next."""

    at: str
    credits: int
    needs_payment: bool


@final
class NoSubscriptionProblem(TypedDict):
    """There is no active subscription."""

    type: Literal["urn:credit-ledger:problem:no_subscription"]
    title: str
    status: Literal[409]
    code: Literal["no_subscription"]
    detail: str
    account_id: str
    subscription_id: NotRequired[str]


@final
class NotADowngradeProblem(TypedDict):
    """The plan is better."""

    type: Literal["urn:credit-ledger:problem:not_a_downgrade"]
    title: str
    status: Literal[409]
    code: Literal["not_a_downgrade"]
    detail: str
    plan_id: str
    current_plan: str


@final
class NotAnUpgradeProblem(TypedDict):
    """The plan is not better."""

    type: Literal["urn:credit-ledger:problem:not_an_upgrade"]
    title: str
    status: Literal[409]
    code: Literal["not_an_upgrade"]
    detail: str
    plan_id: str
    current_plan: str


@final
class NotCancelledProblem(TypedDict):
    """The subscription renews as it is."""

    type: Literal["urn:credit-ledger:problem:not_cancelled"]
    title: str
    status: Literal[409]
    code: Literal["not_cancelled"]
    detail: str
    subscription_id: str


@final
class NotFoundProblem(TypedDict):
    """There is nothing at this address."""

    type: Literal["urn:credit-ledger:problem:not_found"]
    title: str
    status: Literal[404]
    code: Literal["not_found"]
    detail: str


@final
class NotPaidProblem(TypedDict):
    """The payment has no receipt."""

    type: Literal["urn:credit-ledger:problem:not_paid"]
    title: str
    status: Literal[409]
    code: Literal["not_paid"]
    detail: str
    payment_id: str
    payment_status: str


@final
class NotYetVisibleProblem(TypedDict):
    """The position is not visible yet."""

    type: Literal["urn:credit-ledger:problem:not_yet_visible"]
    title: str
    status: Literal[409]
    code: Literal["not_yet_visible"]
    detail: str
    min_position: int
    as_of_position: int


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
class OfferedPrice(TypedDict):
    """A price, in minor units of its currency, with the id that each provider has for it."""

    price: str
    amount_minor: int
    currency: str
    products: dict[str, str]


@final
class OnlyBody(TypedDict):
    """The usage to which a limit applies:"""

    provider: NotRequired[str | None]
    model: NotRequired[str | None]
    project: NotRequired[str | None]
    member: NotRequired[str | None]
    metric: NotRequired[str | None]
    key: NotRequired[str | None]
    agent: NotRequired[str | None]


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
class OpenInBatch(TypedDict):
    """Open an account."""

    op: Literal["open"]
    account_id: str
    idempotency_key: NotRequired[str]
    if_match: NotRequired[int]
    signup_credits: NotRequired[int | None]
    metadata: NotRequired[dict[str, Any] | None]
    description: NotRequired[str | None]
    labels: NotRequired[dict[str, Any] | None]


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
class OperatorDay(TypedDict):
    """One local day."""

    granted: int
    deducted: int
    reversed: int
    spent: int
    lapsed: int
    voided: int
    uncollected: int
    waived: int
    deductions: int
    accounts_opened: int
    outstanding: Outstanding
    refusals: dict[str, int]
    date: str
    start: str
    end: str


@final
class OperatorPeriod(TypedDict):
    """All days together, and what was measured of their usage."""

    granted: int
    deducted: int
    reversed: int
    spent: int
    lapsed: int
    voided: int
    uncollected: int
    waived: int
    deductions: int
    accounts_opened: int
    outstanding: Outstanding
    refusals: dict[str, int]
    failures: int
    timed: int
    duration_ms: int
    p50_ms: float | None
    p95_ms: float | None
    quantity: int
    metered: int


@final
class OtherSide(TypedDict):
    """Where a move is in the stream of the other account, and the balance there after it."""

    account_id: str
    version: int
    position: int | None
    recorded_at: str
    balance: BalanceFields


@final
class Outstanding(TypedDict):
    """What all accounts hold at the end of a span of time."""

    total: int
    subscription_credits: int
    permanent_credits: int


@final
class OverloadedProblem(TypedDict):
    """The ledger is busy."""

    type: Literal["urn:credit-ledger:problem:overloaded"]
    title: str
    status: Literal[503]
    code: Literal["overloaded"]
    detail: str


@final
class Package(TypedDict):
    """Permanent credits that are bought once."""

    name: str
    description: NotRequired[str]
    credits: int
    prices: NotRequired[list[Price]]
    needs_subscription: NotRequired[bool]
    listed: NotRequired[bool]
    applies_to: NotRequired[Literal["new", "all"]]


@final
class PackageAnswer(TypedDict):
    """One version of a package, and which versions there are."""

    version: int
    sha256: str
    created_by: str
    created_at: str
    name: str
    description: str
    credits: int
    listed: bool
    applies_to: Literal["new", "all"]
    package_id: str
    prices: list[OfferedPrice]
    needs_subscription: bool
    versions: list[EntryVersion]


@final
class PackageFields(TypedDict):
    """A version of a package."""

    version: int
    sha256: str
    created_by: str
    created_at: str
    name: str
    description: str
    credits: int
    listed: bool
    applies_to: Literal["new", "all"]
    package_id: str
    prices: list[OfferedPrice]
    needs_subscription: bool


@final
class PackageNotFoundProblem(TypedDict):
    """There is no such package."""

    type: Literal["urn:credit-ledger:problem:package_not_found"]
    title: str
    status: Literal[404]
    code: Literal["package_not_found"]
    detail: str
    package_id: str
    version: NotRequired[int]


@final
class PackagesAnswer(TypedDict):
    """The newest version of each package, those of the fewest credits first."""

    packages: list[PackageFields]


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
class PassedOver(TypedDict):
    """A lot, or the held part of a lot, that an event did not draw from:"""

    grant_id: str
    kind: Literal["subscription", "permanent"]
    expires_at: str | None
    amount: int
    reason: Literal["not_needed", "held", "expired", "skipped"]
    hold_id: str | None
    why: str


@final
class PasswordBody(TypedDict):
    """What is asked for is asked for by whoever knows the password."""

    password: str


@final
class PasswordTooWeakProblem(TypedDict):
    """The password is too weak."""

    type: Literal["urn:credit-ledger:problem:password_too_weak"]
    title: str
    status: Literal[422]
    code: Literal["password_too_weak"]
    detail: str


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
class PaymentDisputeBody(TypedDict):
    """Record that a dispute of a payment was opened, won or lost."""

    dispute_id: str
    state: Literal["open", "won", "lost"]
    amount_minor: NotRequired[int | None]
    provider: NotRequired[str | None]
    reason: NotRequired[str | None]


@final
class PaymentDisputeInBatch(TypedDict):
    """Record that a dispute of a payment was opened, won or lost."""

    op: Literal["payment_dispute"]
    account_id: str
    payment_id: str
    idempotency_key: NotRequired[str]
    if_match: NotRequired[int]
    dispute_id: str
    state: Literal["open", "won", "lost"]
    amount_minor: NotRequired[int | None]
    provider: NotRequired[str | None]
    reason: NotRequired[str | None]


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
class PaymentDueProblem(TypedDict):
    """A payment of the subscription is due."""

    type: Literal["urn:credit-ledger:problem:payment_due"]
    title: str
    status: Literal[409]
    code: Literal["payment_due"]
    detail: str
    subscription_id: str
    checkout_id: NotRequired[str]


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
class PaymentInBatch(TypedDict):
    """Record what a payment provider has seen."""

    op: Literal["payment"]
    account_id: str
    idempotency_key: NotRequired[str]
    if_match: NotRequired[int]
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
class PaymentRefundBody(TypedDict):
    """Refund a payment, and void in proportion the grants that it bought."""

    refund_id: str
    amount_minor: NotRequired[int | None]
    provider: NotRequired[str | None]


@final
class PaymentRefundInBatch(TypedDict):
    """Refund a payment, and void in proportion the grants that it bought."""

    op: Literal["payment_refund"]
    account_id: str
    payment_id: str
    idempotency_key: NotRequired[str]
    if_match: NotRequired[int]
    refund_id: str
    amount_minor: NotRequired[int | None]
    provider: NotRequired[str | None]


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
class PaymentsAnswer(TypedDict):
    """Payments, newest first."""

    as_of_position: int
    as_of: str | None
    next_cursor: str | None
    payments: list[Payment]


@final
class Performance(TypedDict):
    """How work went, as usage tells it; null where it tells nothing."""

    avg_response_time_ms: int | None
    p50_ms: float | None
    p95_ms: float | None
    success_rate: float | None
    uptime_percentage: float | None


@final
class PeriodBody(TypedDict):
    """The windows of a limit:"""

    every: NotRequired[Literal["hour", "day", "week", "month", "year"] | None]
    zone: NotRequired[str | None]
    starts: NotRequired[int | None]
    seconds: NotRequired[int | None]


@final
class PeriodFields(TypedDict):
    """The windows of a limit."""

    every: NotRequired[Literal["hour", "day", "week", "month", "year"]]
    zone: NotRequired[str]
    starts: NotRequired[int]
    seconds: NotRequired[int]


@final
class Plan(TypedDict):
    """What a subscriber gets, and what it costs."""

    name: str
    description: NotRequired[str]
    features: NotRequired[list[str]]
    rank: NotRequired[int]
    group: NotRequired[str]
    credits: int
    every: NotRequired[Interval]
    roll_over: NotRequired[RollOver | None]
    grace_hours: NotRequired[int]
    trial: NotRequired[Trial | None]
    prices: NotRequired[list[PlanPrice]]
    limits: NotRequired[list[PlanLimit]]
    listed: NotRequired[bool]
    applies_to: NotRequired[Literal["new", "all"]]


@final
class PlanAnswer(TypedDict):
    """One version of a plan, and which versions there are."""

    version: int
    sha256: str
    created_by: str
    created_at: str
    name: str
    description: str
    credits: int
    listed: bool
    applies_to: Literal["new", "all"]
    plan_id: str
    features: list[str]
    rank: int
    group: str
    every: IntervalFields
    roll_over: RollOverFields | None
    grace_hours: int
    trial: TrialFields | None
    prices: list[PlanPriceFields]
    limits: list[PlanLimitFields]
    versions: list[EntryVersion]


@final
class PlanCount(TypedDict):
    """How many subscriptions a plan has now."""

    plan: str | None
    active: int
    trialing: int
    past_due: int
    paused: int
    incomplete: int
    ending: int


@final
class PlanFields(TypedDict):
    """A version of a plan."""

    version: int
    sha256: str
    created_by: str
    created_at: str
    name: str
    description: str
    credits: int
    listed: bool
    applies_to: Literal["new", "all"]
    plan_id: str
    features: list[str]
    rank: int
    group: str
    every: IntervalFields
    roll_over: RollOverFields | None
    grace_hours: int
    trial: TrialFields | None
    prices: list[PlanPriceFields]
    limits: list[PlanLimitFields]


@final
class PlanLimit(TypedDict):
    """One limit of a plan."""

    limit_id: str
    amount: int
    each: NotRequired[list[Literal["provider", "model", "project", "member", "metric", "key", "agent"]]]
    only: NotRequired[dict[str, str]]
    unit: NotRequired[str]
    period: NotRequired[LimitPeriod | None]
    hard: NotRequired[bool]
    near: NotRequired[list[int]]


@final
class PlanLimitFields(TypedDict):
    """A limit that a plan sets for its subscribers."""

    limit_id: str
    amount: int
    each: list[str]
    only: dict[str, str]
    unit: str
    period: PeriodFields | None
    hard: bool
    near: list[int]


@final
class PlanNotFoundProblem(TypedDict):
    """There is no such plan."""

    type: Literal["urn:credit-ledger:problem:plan_not_found"]
    title: str
    status: Literal[404]
    code: Literal["plan_not_found"]
    detail: str
    plan_id: str
    version: NotRequired[int]


@final
class PlanPrice(TypedDict):
    """A price that is paid again and again."""

    price: str
    amount_minor: int
    currency: str
    products: NotRequired[dict[str, str]]
    interval: Interval


@final
class PlanPriceFields(TypedDict):
    """A price that is paid again and again."""

    price: str
    amount_minor: int
    currency: str
    products: dict[str, str]
    interval: IntervalFields


@final
class PlansAnswer(TypedDict):
    """The newest version of each plan, those of the lowest rank first."""

    plans: list[PlanFields]


@final
class PortalAnswer(TypedDict):
    """A link to the page of the provider."""

    url: str


@final
class PortalBody(TypedDict):
    """A link to the provider's page, where a customer sees invoices and changes how they pay."""

    return_url: str
    subscription_id: NotRequired[str | None]


@final
class PortalSessionAnswer(TypedDict):
    """A one-time link."""

    url: str
    account_id: str
    return_url: str | None
    link_expires_at: str
    expires_at: str


@final
class PortalSessionBody(TypedDict):
    """A one-time link to the dashboard for the holder of an account."""

    account_id: str
    expires_in_seconds: NotRequired[int]
    return_url: NotRequired[str | None]
    page: NotRequired[Literal["overview", "usage", "limits", "billing", "plans"] | None]
    checkout_id: NotRequired[str | None]


@final
class Price(TypedDict):
    """A price, and what providers call it."""

    price: str
    amount_minor: int
    currency: str
    products: NotRequired[dict[str, str]]


@final
class PriceBookAnswer(TypedDict):
    """One version of the price book."""

    version: int
    effective_at: str
    sha256: str
    created_by: str
    created_at: str
    rate_count: int
    rates: list[RateFields]


@final
class PriceBookBody(TypedDict):
    """A new version of the price book:"""

    rates: list[RateBody]
    effective_at: NotRequired[str | None]


@final
class PriceBookNotFoundProblem(TypedDict):
    """There is no such version of the price book."""

    type: Literal["urn:credit-ledger:problem:price_book_not_found"]
    title: str
    status: Literal[404]
    code: Literal["price_book_not_found"]
    detail: str
    version: int


@final
class PriceBooksAnswer(TypedDict):
    """All versions of the price book, the newest first, and which one is in force."""

    in_force: int | None
    price_books: list[BookVersionFields]


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
class ProductBelongsToAnotherProblem(TypedDict):
    """The product has other terms already."""

    type: Literal["urn:credit-ledger:problem:product_belongs_to_another"]
    title: str
    status: Literal[409]
    code: Literal["product_belongs_to_another"]
    detail: str
    provider: str
    product_id: str
    plan_id: NotRequired[str]
    package_id: NotRequired[str]
    version: int


@final
class Productivity(TypedDict):
    """What was done, as the product told it in usage of these metrics; null where it told nothing."""

    features_shipped: int | None
    bugs_fixed: int | None
    time_saved_hours: float | None
    deployments: int | None
    code_reviews: int | None


@final
class ProfileAnswer(TypedDict):
    """What is known of a person."""

    id: str
    email: str
    name: str
    tier: str
    avatar_url: str | None
    subscription_status: str | None
    subscription_start_date: str | None
    subscription_end_date: str | None
    created_at: str
    last_login_at: str | None
    zone: str | None
    language: str | None
    mails_off: list[str]
    deletion_at: str | None


@final
class ProfileBody(TypedDict):
    """Change what is known of a person."""

    name: NotRequired[str | None]
    avatar_url: NotRequired[str | None]
    zone: NotRequired[str | None]
    language: NotRequired[
        Literal[
            "",
            "cs",
            "da",
            "de",
            "de-AT",
            "de-CH",
            "en",
            "en-GB",
            "en-IN",
            "es",
            "es-MX",
            "fi",
            "fr",
            "fr-CA",
            "fr-CH",
            "hi",
            "hu",
            "it",
            "ja",
            "ko",
            "nb",
            "nl",
            "pl",
            "pt",
            "pt-BR",
            "ro",
            "ru",
            "sv",
            "tr",
            "uk",
            "zh",
        ]
        | None
    ]
    mails_off: NotRequired[list[Literal["credits", "keys", "teams"]] | None]


@final
class ProjectionState(TypedDict):
    """Where a projection stands."""

    within_bounds: bool
    position: int | None
    behind: int
    as_of: str | None
    stopped_at: int | None
    problem: str | None
    rebuilding: bool
    rebuilt_to: int | None


@final
class ProjectionUnavailableProblem(TypedDict):
    """A projection is being built."""

    type: Literal["urn:credit-ledger:problem:projection_unavailable"]
    title: str
    status: Literal[503]
    code: Literal["projection_unavailable"]
    detail: str


@final
class ProviderCannotProblem(TypedDict):
    """The provider has no way to do this."""

    type: Literal["urn:credit-ledger:problem:provider_cannot"]
    title: str
    status: Literal[501]
    code: Literal["provider_cannot"]
    detail: str
    provider: NotRequired[str]
    subscription_id: NotRequired[str]


@final
class ProviderFailedProblem(TypedDict):
    """The provider did not do it."""

    type: Literal["urn:credit-ledger:problem:provider_failed"]
    title: str
    status: Literal[502]
    code: Literal["provider_failed"]
    detail: str
    provider: str
    provider_status: NotRequired[int]


@final
class ProviderNotConfiguredProblem(TypedDict):
    """The provider has no secret here."""

    type: Literal["urn:credit-ledger:problem:provider_not_configured"]
    title: str
    status: Literal[404]
    code: Literal["provider_not_configured"]
    detail: str
    provider: str


@final
class PublicUrlRequiredProblem(TypedDict):
    """The public address of the service is not set."""

    type: Literal["urn:credit-ledger:problem:public_url_required"]
    title: str
    status: Literal[503]
    code: Literal["public_url_required"]
    detail: str


@final
class QueryTimeoutProblem(TypedDict):
    """The query took too long."""

    type: Literal["urn:credit-ledger:problem:query_timeout"]
    title: str
    status: Literal[503]
    code: Literal["query_timeout"]
    detail: str


@final
class QueryTooLargeProblem(TypedDict):
    """The query is too large."""

    type: Literal["urn:credit-ledger:problem:query_too_large"]
    title: str
    status: Literal[414]
    code: Literal["query_too_large"]
    detail: str
    limit: int
    parameters_limit: int


@final
class RateBody(TypedDict):
    """What usage costs that the three globs match:"""

    provider: NotRequired[str]
    model: NotRequired[str]
    metric: NotRequired[str]
    charges: list[FlatCharge | UnitCharge | TierCharge]
    minimum: NotRequired[int | str]
    free: NotRequired[list[Literal["input_tokens", "output_tokens", "cached_tokens", "quantity", "duration_ms"]]]


@final
class RateFields(TypedDict):
    """A rate:"""

    provider: str
    model: str
    metric: str
    charges: list[ChargeFields]
    minimum: str
    free: list[str]


@final
class RateGlobs(TypedDict):
    """What the rate that fits is for."""

    provider: str
    model: str
    metric: str


@final
class RateLimitedProblem(TypedDict):
    """Too many requests."""

    type: Literal["urn:credit-ledger:problem:rate_limited"]
    title: str
    status: Literal[429]
    code: Literal["rate_limited"]
    detail: str
    limit: NotRequired[int]
    remaining: NotRequired[int]
    resets_at: NotRequired[str]


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
class ReactivateAnswer(TypedDict):
    """A subscription that renews as it is."""

    subscription_id: str
    provider: str
    status: Literal["incomplete", "trialing", "active", "paused", "past_due", "ended"]
    recorded: bool


@final
class ReactivateBody(TypedDict):
    """Take back that a subscription ends, or changes, at the end of its period."""

    subscription_id: NotRequired[str | None]


@final
class ReadinessAnswer(TypedDict):
    """Whether the service can do its work."""

    status: Literal["ok", "unavailable"]
    checks: Checks
    role: Role | None
    clock: ClockState
    projections: dict[str, ProjectionState]
    checkpoints: CheckpointsState | None
    webhooks: WebhooksState | None
    restarts: dict[str, int]


@final
class ReadinessStatus(TypedDict):
    """Whether the service can do its work, without details:"""

    status: Literal["ok", "unavailable"]


@final
class ReasonBody(TypedDict):
    """Why."""

    reason: NotRequired[str | None]


@final
class ReceiptAnswer(TypedDict):
    """What became of a key."""

    account_id: str
    operation: str
    idempotency_key: str
    version: int
    position: int
    recorded_at: str
    answer: (
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


@final
class ReceiptNotFoundProblem(TypedDict):
    """The key has not been used."""

    type: Literal["urn:credit-ledger:problem:receipt_not_found"]
    title: str
    status: Literal[404]
    code: Literal["receipt_not_found"]
    detail: str


@final
class ReceivedAnswer(TypedDict):
    """A delivery is in the inbox, for good."""

    webhook_id: str
    state: Literal["new", "applied", "waiting", "ignored", "dismissed"]
    duplicate: bool


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
class Recurring(TypedDict):
    """What the active subscriptions pay for a month, in one currency."""

    currency: str
    subscriptions: int
    monthly_minor: int


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
class Refunded(TypedDict):
    """A refund."""

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
    voided: NotRequired[int]
    uncollected: NotRequired[int]
    voids: NotRequired[list[VoidedGrant]]
    payment_id: str
    refund_id: str
    refunded_minor: int


@final
class RegisterBody(TypedDict):
    """Register an address."""

    email: str
    password: str
    name: NotRequired[str]


@final
class RegisteredAnswer(TypedDict):
    """A registration, the same whether the address is known or not."""

    user: UserAnswer
    token: str


@final
class RegistrationClosedProblem(TypedDict):
    """Nobody can register here."""

    type: Literal["urn:credit-ledger:problem:registration_closed"]
    title: str
    status: Literal[403]
    code: Literal["registration_closed"]
    detail: str


@final
class ReleaseInBatch(TypedDict):
    """Nothing to say."""

    op: Literal["release"]
    account_id: str
    hold_id: str
    idempotency_key: str
    if_match: NotRequired[int]


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
class ReopenInBatch(TypedDict):
    """Why."""

    op: Literal["reopen"]
    account_id: str
    idempotency_key: str
    if_match: NotRequired[int]
    reason: NotRequired[str | None]


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
class ResetBody(TypedDict):
    """A mailed link, and a new password."""

    token: str
    password: str


@final
class RevenueAnswer(TypedDict):
    """Plans and recurring revenue now, and what happened in each month."""

    as_of_position: int
    as_of: str | None
    tz: str
    plans: list[PlanCount]
    recurring: list[Recurring]
    months: list[BillingMonth]


@final
class RevenueOf(TypedDict):
    """Money of one currency, in minor units, by the time of recording."""

    currency: str
    payments: int
    paid_minor: int
    refunded_minor: int
    lost_minor: int


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
class ReverseBody(TypedDict):
    """Undo a deduction."""

    amount: NotRequired[int | None]
    reason: NotRequired[str | None]


@final
class ReverseInBatch(TypedDict):
    """Undo a deduction."""

    op: Literal["reverse"]
    account_id: str
    deduction_id: str
    idempotency_key: str
    if_match: NotRequired[int]
    amount: NotRequired[int | None]
    reason: NotRequired[str | None]


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
class RevocationBody(TypedDict):
    """Revoke the key that is sent."""

    key: str


@final
class Roi(TypedDict):
    """What it cost and brought."""

    cost_per_month: float | None
    estimated_value: float | None
    roi_multiplier: float | None


@final
class Role(TypedDict):
    """Who is connected to the database, and what they could do more than append and read:"""

    session_user: str
    current_user: str
    append_only: bool
    could: list[str]


@final
class RollOver(TypedDict):
    """What is unused at the end of an interval stays for some more, up to a cap."""

    cap: int
    periods: NotRequired[int]


@final
class RollOverBody(TypedDict):
    """What becomes of credits that are unused at the end of their window."""

    cap: int
    periods: int


@final
class RollOverFields(TypedDict):
    """What is unused at the end of an interval stays for some more, up to a cap."""

    cap: int
    periods: int


@final
class RotationBody(TypedDict):
    """Give a key another secret."""

    grace_seconds: NotRequired[int]


@final
class SessionFields(TypedDict):
    """A session of a person."""

    session_id: int
    kind: str
    client: str | None
    created_at: str
    used_at: str
    expires_at: str
    current: bool


@final
class SessionsAnswer(TypedDict):
    """The open sessions of a person, the newest first, at most 100."""

    sessions: list[SessionFields]


@final
class SignatureInvalidProblem(TypedDict):
    """The delivery is not genuine."""

    type: Literal["urn:credit-ledger:problem:signature_invalid"]
    title: str
    status: Literal[401]
    code: Literal["signature_invalid"]
    detail: str
    provider: str


@final
class SignedInAnswer(TypedDict):
    """A new session."""

    user: UserAnswer
    token: str
    expires_at: str


@final
class StandingChanged(TypedDict):
    """A change of standing."""

    op: NotRequired[str]
    status: NotRequired[int]
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    standing: Literal["active", "frozen", "closed"]


@final
class StatementTooLongProblem(TypedDict):
    """The month has too many events."""

    type: Literal["urn:credit-ledger:problem:statement_too_long"]
    title: str
    status: Literal[422]
    code: Literal["statement_too_long"]
    detail: str
    limit: NotRequired[int]
    parts: NotRequired[list[str]]


@final
class StatisticsAnswer(TypedDict):
    """One row per local day."""

    as_of_position: int
    as_of: str | None
    tz: str
    within: float
    days: list[OperatorDay]
    totals: OperatorPeriod
    groups: list[MeasuredModel]


@final
class StorageFullProblem(TypedDict):
    """The database has no room left."""

    type: Literal["urn:credit-ledger:problem:storage_full"]
    title: str
    status: Literal[503]
    code: Literal["storage_full"]
    detail: str


@final
class StoredEvent(TypedDict):
    """One event as stored."""

    data: dict[str, Any]
    metadata: dict[str, Any]
    recorded_at: str
    schema: int
    state_digest: NotRequired[str]
    erased: NotRequired[list[str]]
    position: int
    account_id: str
    version: int
    type: str


@final
class Subscribed(TypedDict):
    """A word about a subscription, with the allowances that it led to, and what it took back."""

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
    voided: NotRequired[int]
    uncollected: NotRequired[int]
    voids: NotRequired[list[VoidedGrant]]
    subscription_id: str
    subscription_status: Literal["incomplete", "trialing", "active", "paused", "past_due", "ended"]
    plan: str
    plan_version: int


@final
class SubscriptionAnswer(TypedDict):
    """The subscriptions of an account at a moment."""

    account_id: str
    as_of: str
    version: int
    position: int
    has_active_subscription: bool
    subscription: SubscriptionNow | None
    subscriptions: list[SubscriptionNow]


@final
class SubscriptionBody(TypedDict):
    """Record what a provider says about a subscription, in any order."""

    provider: str
    status: Literal["incomplete", "trialing", "active", "paused", "past_due", "ended"]
    terms: TermsBody
    as_of: str
    quantity: NotRequired[int | None]
    period_start: NotRequired[str | None]
    period_end: NotRequired[str | None]
    ends_at: NotRequired[str | None]
    next_plan: NotRequired[str | None]
    trial_ends_at: NotRequired[str | None]
    pays: NotRequired[str | None]


@final
class SubscriptionInBatch(TypedDict):
    """Record what a provider says about a subscription, in any order."""

    op: Literal["subscription"]
    account_id: str
    subscription_id: str
    idempotency_key: NotRequired[str]
    if_match: NotRequired[int]
    provider: str
    status: Literal["incomplete", "trialing", "active", "paused", "past_due", "ended"]
    terms: TermsBody
    as_of: str
    quantity: NotRequired[int | None]
    period_start: NotRequired[str | None]
    period_end: NotRequired[str | None]
    ends_at: NotRequired[str | None]
    next_plan: NotRequired[str | None]
    trial_ends_at: NotRequired[str | None]
    pays: NotRequired[str | None]


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
class SubscriptionRequiredProblem(TypedDict):
    """The package is for subscribers."""

    type: Literal["urn:credit-ledger:problem:subscription_required"]
    title: str
    status: Literal[409]
    code: Literal["subscription_required"]
    detail: str
    account_id: str
    package_id: str


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
class SubscriptionsAnswer(TypedDict):
    """Subscriptions of all accounts, in the order of accounts and ids."""

    as_of_position: int
    as_of: str | None
    next_cursor: str | None
    subscriptions: list[ListedSubscription]


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
class SummaryAnswer(TypedDict):
    """What one screen needs."""

    as_of_position: int
    as_of: str | None
    account_id: str
    tz: str
    standing: Literal["active", "frozen", "closed"]
    successor: str | None
    balance: SummaryBalance
    last_deduction: Entry | None
    usage: UsePeriods
    average_cost_per_task: Average
    last_seven_days: list[DayOfUse]
    last_entries: list[Entry]


@final
class SummaryBalance(TypedDict):
    """The balance from the truth, what lapses when, and what starts when."""

    total: int
    held: int
    available: int
    subscription_credits: int
    permanent_credits: int
    subscription_expire_at: str | None
    as_of: str
    version: int
    position: int
    expiries: list[Expiring]
    coming: list[Coming]


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
class TierBody(TypedDict):
    """Credits for `per` units, up to a number of units; null:"""

    up_to: NotRequired[int | None]
    credits: int | str


@final
class TierCharge(TypedDict):
    """`graduated`:"""

    charge: Literal["graduated", "volume"]
    of: Literal["input_tokens", "output_tokens", "cached_tokens", "quantity", "duration_ms"]
    tiers: list[TierBody]
    per: NotRequired[int]


@final
class TierFields(TypedDict):
    """A tier:"""

    up_to: int | None
    credits: str


@final
class TimeLeftFields(TypedDict):
    """How much of the current period is left."""

    seconds: int
    of_seconds: int


@final
class TokenBody(TypedDict):
    """A mailed link."""

    token: str


@final
class TokenSpentProblem(TypedDict):
    """The link is of no use any more."""

    type: Literal["urn:credit-ledger:problem:token_spent"]
    title: str
    status: Literal[410]
    code: Literal["token_spent"]
    detail: str


@final
class TooManyStreamsProblem(TypedDict):
    """Too many open streams."""

    type: Literal["urn:credit-ledger:problem:too_many_streams"]
    title: str
    status: Literal[429]
    code: Literal["too_many_streams"]
    detail: str
    limit: int


@final
class TransferAlreadyReversedProblem(TypedDict):
    """The transfer was reversed before."""

    type: Literal["urn:credit-ledger:problem:transfer_already_reversed"]
    title: str
    status: Literal[409]
    code: Literal["transfer_already_reversed"]
    detail: str
    transfer_id: str


@final
class TransferAnswer(TypedDict):
    """One transfer."""

    account_id: str
    transfer_id: str
    to_account_id: str
    sent: int
    draws: list[DrawFields]
    description: str | None
    recorded_at: str
    reversed_at: str | None
    version: int
    position: int


@final
class TransferBody(TypedDict):
    """Move credits to another account."""

    from_account_id: str
    to_account_id: str
    amount: NotRequired[int | None]
    description: NotRequired[str | None]


@final
class TransferNotFoundProblem(TypedDict):
    """There is no such transfer."""

    type: Literal["urn:credit-ledger:problem:transfer_not_found"]
    title: str
    status: Literal[404]
    code: Literal["transfer_not_found"]
    detail: str
    transfer_id: str


@final
class TransferReversal(TypedDict):
    """A reversed transfer:"""

    op: NotRequired[str]
    status: NotRequired[int]
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    sent_back: NotRequired[OtherSide]
    transfer_id: str
    to_account_id: str
    reversed: int
    lapsed: int
    cancelled: int


@final
class TransferSpentProblem(TypedDict):
    """The receiver no longer has all of it."""

    type: Literal["urn:credit-ledger:problem:transfer_spent"]
    title: str
    status: Literal[409]
    code: Literal["transfer_spent"]
    detail: str
    transfer_id: str
    account_id: str
    amount: int
    remaining: int
    missing: int


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
class Trial(TypedDict):
    """Days before the first payment, with credits of their own."""

    days: int
    credits: int


@final
class TrialFields(TypedDict):
    """Days before the first payment, with credits of their own."""

    days: int
    credits: int


@final
class UnauthenticatedProblem(TypedDict):
    """A valid API key is required."""

    type: Literal["urn:credit-ledger:problem:unauthenticated"]
    title: str
    status: Literal[401]
    code: Literal["unauthenticated"]
    detail: str


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
class Uncollected(TypedDict):
    """A deduction that asked for more than was available."""

    account_id: str
    deduction_id: str
    hold_id: str | None
    task_id: str | None
    status: Literal["open", "waived"]
    recorded_at: str
    position: int
    collected: int
    uncollected: int
    waived: int
    outstanding: int


@final
class UncollectedAnswer(TypedDict):
    """Deductions of all accounts, or of one, newest first."""

    as_of_position: int
    as_of: str | None
    next_cursor: str | None
    uncollected: list[Uncollected]


@final
class UnfreezeInBatch(TypedDict):
    """Why."""

    op: Literal["unfreeze"]
    account_id: str
    idempotency_key: str
    if_match: NotRequired[int]
    reason: NotRequired[str | None]


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
class UnitCharge(TypedDict):
    """`per_unit`:"""

    charge: Literal["per_unit", "package"]
    of: Literal["input_tokens", "output_tokens", "cached_tokens", "quantity", "duration_ms"]
    credits: int | str
    per: NotRequired[int]


@final
class UnsupportedMediaTypeProblem(TypedDict):
    """The body must be JSON."""

    type: Literal["urn:credit-ledger:problem:unsupported_media_type"]
    title: str
    status: Literal[415]
    code: Literal["unsupported_media_type"]
    detail: str
    allowed: str


@final
class UpdateBody(TypedDict):
    """Correct the description, the metadata or the labels of an account."""

    description: NotRequired[str | None]
    metadata: NotRequired[dict[str, Any] | None]
    labels: NotRequired[dict[str, Any] | None]
    reason: NotRequired[str | None]


@final
class UpdateInBatch(TypedDict):
    """Correct the description, the metadata or the labels of an account."""

    op: Literal["update"]
    account_id: str
    idempotency_key: str
    if_match: NotRequired[int]
    description: NotRequired[str | None]
    metadata: NotRequired[dict[str, Any] | None]
    labels: NotRequired[dict[str, Any] | None]
    reason: NotRequired[str | None]


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
class Updated(TypedDict):
    """An update of the description, the metadata or the labels."""

    op: NotRequired[str]
    status: NotRequired[int]
    account_id: str
    version: int
    position: int | None
    recorded_at: str
    idempotent_replayed: NotRequired[Literal[True]]
    dry_run: NotRequired[Literal[True]]
    balance: BalanceFields
    labels: NotRequired[dict[str, str]]


@final
class UpgradeAnswer(TypedDict):
    """An upgrade:"""

    plan: str
    price: str
    quantity: int
    amount_minor: int
    currency: str
    subscription_id: str
    provider: str
    effect: Literal["now", "checkout"]
    checkout_url: str | None
    expires_at: str | None
    credits_now: int
    amount_now_minor: int | None
    time_left: TimeLeftFields | None
    recorded: bool


@final
class UpgradeBody(TypedDict):
    """Put a subscription on a better plan at once."""

    plan: str
    price: NotRequired[str | None]
    quantity: NotRequired[int | None]
    return_url: NotRequired[str | None]


@final
class UsageAnalyticsAnswer(TypedDict):
    """What the usage of a period says about work."""

    period: Literal["today", "week", "month", "all"]
    tz: str
    within: float
    productivity: Productivity
    performance: Performance
    roi: Roi


@final
class UsageAnswer(TypedDict):
    """Buckets of groups, the largest groups first."""

    as_of_position: int
    as_of: str | None
    account_id: str
    tz: str
    granularity: str
    group_by: list[str]
    by: Literal["recorded", "occurred"]
    within: float
    buckets: list[UsageBucket]
    totals: MeasuredSums
    truncated: bool


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
class UsageBucket(TypedDict):
    """One span of time."""

    start: str
    end: str
    groups: list[MeasuredGroup]


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
class UsageCounts(TypedDict):
    """How much was used, by the metrics of usage."""

    rag_queries: int
    agent_executions: int
    files_indexed: int
    deployments: int


@final
class UsageHistoryAnswer(TypedDict):
    """The usage of some days."""

    start_date: str
    end_date: str
    tz: str
    data: list[DayCounts]
    totals: UsageCounts
    credits: int


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
class UsePeriods(TypedDict):
    """Local periods, up to now."""

    today: Use
    this_week: Use
    this_month: Use


@final
class UserAnswer(TypedDict):
    """A person."""

    id: str
    email: str
    name: str
    tier: str


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
class VerificationBody(TypedDict):
    """Open the mailed link of a registration."""

    token: str
    password: str


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
class VoidBody(TypedDict):
    """Cancel what remains of a grant."""

    amount: NotRequired[int | None]
    reason: NotRequired[str | None]


@final
class VoidInBatch(TypedDict):
    """Cancel what remains of a grant."""

    op: Literal["void"]
    account_id: str
    grant_id: str
    idempotency_key: str
    if_match: NotRequired[int]
    amount: NotRequired[int | None]
    reason: NotRequired[str | None]


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
class Voided(TypedDict):
    """A void."""

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
    voided: int
    uncollected: int


@final
class VoidedGrant(TypedDict):
    """One of the grants that a refund voided."""

    grant_id: str
    voided: int
    uncollected: int


@final
class WaitingFields(TypedDict):
    """How many webhooks wait for one reason, and since when."""

    reason: str
    count: int
    oldest: str


@final
class WayOut(TypedDict):
    """A way out of a refusal for want of credits, and the page for it."""

    way: Literal["upgrade", "top_up"]
    url: str


@final
class WebhookAlreadyAppliedProblem(TypedDict):
    """The webhook was applied."""

    type: Literal["urn:credit-ledger:problem:webhook_already_applied"]
    title: str
    status: Literal[409]
    code: Literal["webhook_already_applied"]
    detail: str
    webhook_id: str


@final
class WebhookAnswer(TypedDict):
    """A webhook, with what the provider sent."""

    webhook_id: str
    provider: str
    delivery_id: str
    type: str
    state: Literal["new", "applied", "waiting", "ignored", "dismissed"]
    reason: str | None
    sentence: str | None
    received_at: str
    attempts: int
    next_try_at: str | None
    decided_at: str | None
    decided_by: str | None
    account_id: str | None
    about: list[str]
    things: list[str]
    applied_positions: list[int]
    sha256: str
    has_body: bool
    payload: Any


@final
class WebhookFields(TypedDict):
    """A webhook, without what the provider sent."""

    webhook_id: str
    provider: str
    delivery_id: str
    type: str
    state: Literal["new", "applied", "waiting", "ignored", "dismissed"]
    reason: str | None
    sentence: str | None
    received_at: str
    attempts: int
    next_try_at: str | None
    decided_at: str | None
    decided_by: str | None
    account_id: str | None
    about: list[str]
    things: list[str]
    applied_positions: list[int]
    sha256: str
    has_body: bool


@final
class WebhookNotFoundProblem(TypedDict):
    """There is no such webhook."""

    type: Literal["urn:credit-ledger:problem:webhook_not_found"]
    title: str
    status: Literal[404]
    code: Literal["webhook_not_found"]
    detail: str
    webhook_id: str


@final
class WebhooksAnswer(TypedDict):
    """Webhooks, the newest first, and how many wait."""

    webhooks: list[WebhookFields]
    waiting: list[WaitingFields]
    next_cursor: str | None


@final
class WebhooksState(TypedDict):
    """Webhooks that are not applied yet:"""

    waiting: int
    oldest_seconds: int
    too_long: bool


@final
class WrongCredentialsProblem(TypedDict):
    """The address or the password is wrong."""

    type: Literal["urn:credit-ledger:problem:wrong_credentials"]
    title: str
    status: Literal[401]
    code: Literal["wrong_credentials"]
    detail: str


@final
class WrongField(TypedDict):
    """A field that is not valid."""

    field: str
    message: str
    value: NotRequired[JsonValue]
    limits: NotRequired[dict[str, int | str]]


CaptureBody: TypeAlias = CaptureBodyUnpriced | CaptureBodyPriced
CheckoutBody: TypeAlias = CheckoutBodyPlan | CheckoutBodyPackage
DeductBody: TypeAlias = DeductBodyAmount | DeductBodyPriced
HoldBody: TypeAlias = HoldBodyAmount | HoldBodyPriced
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
