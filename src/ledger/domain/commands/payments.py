"""Commands about payments."""

from dataclasses import dataclass
from typing import Literal

from ledger.domain.amounts import check_amount
from ledger.domain.commands.command import check_id
from ledger.domain.commands.grants import GrantCredits
from ledger.domain.commands.subscriptions import check_payment
from ledger.domain.errors import InvalidField
from ledger.domain.events import DisputeState, PaymentStatus
from ledger.domain.plans.subscribed import SubscriptionPayment
from ledger.domain.texts import check_text

MAX_BOUGHT = 100
"""The largest number of grants that one payment buys."""


@dataclass(frozen=True, slots=True)
class RecordPayment:
    """Record a payment and, when it is paid, grant the credits that it buys: all of it or nothing.

    A payment is one of a provider: two providers may use the same id. One for a `subscription` buys no grants of its
    own, but the allowances of the time that it pays for.
    """

    account_id: str
    payment_id: str
    provider: str
    status: PaymentStatus
    amount_minor: int
    currency: str
    plan: str | None = None
    grants: tuple[GrantCredits, ...] = ()
    subscription: SubscriptionPayment | None = None

    def __post_init__(self) -> None:
        check_id("payment_id", self.payment_id)
        check_id("provider", self.provider)
        check_id("currency", self.currency)
        check_id("plan", self.plan)
        check_amount(self.amount_minor, "amount_minor", least=0)
        if len(self.grants) > MAX_BOUGHT:
            raise InvalidField("grants", f"must be at most {MAX_BOUGHT}", len(self.grants))
        if self.subscription is not None:
            check_payment(self.subscription)
            if self.grants:
                raise InvalidField("grants", "must be absent: a payment for a subscription buys its allowances")
        said = "grant" if len(self.grants) == 1 else "grants"
        if any(grant.account_id != self.account_id for grant in self.grants):
            raise InvalidField(said, "must be for the account of the payment")
        if self.grants and self.status != "paid":
            raise InvalidField(said, f"must be absent: a payment that is {self.status} buys nothing")


def payment_key(command: RecordPayment) -> str:
    """The idempotency key of a payment whose caller gives none: its provider, its id and its status."""
    provider = command.provider.replace("%", "%25").replace(":", "%3A")
    return f"{provider}:{command.payment_id}:{command.status}"


@dataclass(frozen=True, slots=True)
class RefundPayment:
    """Refund `amount_minor` of a payment; None refunds the rest. The grants that it bought are voided in proportion.

    `total_minor` in its place refunds as much as is missing until so much is refunded in all: providers tell totals.

    `provider` says whose payment it is; it may be absent while one provider only has used the id in this account.
    """

    account_id: str
    payment_id: str
    refund_id: str
    amount_minor: int | None = None
    provider: str | None = None
    total_minor: int | None = None

    def __post_init__(self) -> None:
        check_id("refund_id", self.refund_id)
        check_id("provider", self.provider)
        if self.amount_minor is not None:
            check_amount(self.amount_minor, "amount_minor")
        if self.total_minor is not None:
            check_amount(self.total_minor, "total_minor")
            if self.amount_minor is not None:
                raise InvalidField("total_minor", "must be absent when there is an `amount_minor`")


OnDispute = Literal["hold", "freeze", "record"]


@dataclass(frozen=True, slots=True)
class RecordDispute:
    """Record that a dispute of a payment was opened, won or lost.

    `amount_minor` is the disputed money; None is what was said when it was opened, or else all that is left of the
    payment. `provider` is as in a refund. `effect` says what an open dispute does: it holds what the payment bought,
    freezes the account as well, or is only recorded.
    """

    account_id: str
    payment_id: str
    dispute_id: str
    state: DisputeState
    amount_minor: int | None = None
    provider: str | None = None
    reason: str | None = None
    effect: OnDispute = "hold"

    def __post_init__(self) -> None:
        check_id("dispute_id", self.dispute_id)
        check_id("provider", self.provider)
        check_text("reason", self.reason)
        if self.amount_minor is not None:
            check_amount(self.amount_minor, "amount_minor")
