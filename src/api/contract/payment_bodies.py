"""The bodies about payments, refunds and disputes."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from api.contract.bodies import (
    Amount,
    AmountOrNone,
    Body,
    Currency,
    EffectiveAt,
    GrantBody,
    Id,
    Metadata,
    Text,
    Time,
)
from api.contract.defaults import Defaults
from api.contract.subscription_bodies import PaidSubscriptionBody
from ledger.domain.amounts import Kind
from ledger.domain.commands import MAX_BOUGHT, GrantCredits, RecordPayment
from ledger.domain.events import DisputeState, PaymentStatus, Source


class PaymentGrant(Body):
    """The credits that a payment buys."""

    kind: Kind
    amount: Amount
    expires_at: Time | None = None
    source: Source | None = None
    description: Text | None = None
    metadata: Metadata | None = None
    effective_at: EffectiveAt = None


class PaymentBody(Body):
    """Record what a payment provider has seen. A payment that failed may be recorded once more, as paid."""

    payment_id: Id = Field(
        description="the provider's id; the idempotency key, with provider and status, when there is no header"
    )
    provider: Id
    status: PaymentStatus
    amount_minor: AmountOrNone = Field(description="in minor units of the currency, such as cents")
    currency: Currency = Field(description="ISO 4217")
    plan: Id | None = None
    grant: PaymentGrant | None = Field(None, description="what it buys; only with status paid")
    grants: Annotated[list[PaymentGrant], Field(min_length=1, max_length=MAX_BOUGHT)] | None = Field(
        None, description="what it buys, when that is several grants; only with status paid"
    )
    subscription: PaidSubscriptionBody | None = Field(
        None, description="the subscription that it is for, whose allowances it buys; in place of grants"
    )

    @property
    def bought(self) -> Sequence[PaymentGrant]:
        """All grants that it buys: `grant` comes first."""
        return [*([self.grant] if self.grant is not None else []), *(self.grants or ())]


class PaymentRefundBody(Body):
    """Refund a payment, and void in proportion the grants that it bought."""

    refund_id: Id = Field(
        description="the provider's id; the idempotency key, with the provider if that is said, when there is no header"
    )
    amount_minor: Amount | None = Field(None, description="default: all that is not yet refunded")
    provider: Id | None = Field(None, description="whose payment it is, if several providers have used the id")


class PaymentDisputeBody(Body):
    """Record that a dispute of a payment was opened, won or lost. An open one holds what is left of what it bought."""

    dispute_id: Id = Field(
        description="the provider's id; `dispute:<dispute_id>:<state>` is the idempotency key when there is no header"
    )
    state: DisputeState
    amount_minor: Amount | None = Field(
        None, description="the disputed money; default: what was said at the opening, or else all that is left"
    )
    provider: Id | None = Field(None, description="whose payment it is, if several providers have used the id")
    reason: Text | None = None


def grant_of(account_id: str, body: GrantBody | PaymentGrant, defaults: Defaults) -> GrantCredits:
    """The grant that a body asks for, alone or with a payment."""
    return GrantCredits(
        account_id,
        body.kind,
        body.amount,
        body.source,
        body.expires_at,
        defaults.subscription_lifetime,
        getattr(body, "transaction_id", None),
        body.description,
        body.metadata,
        body.effective_at,
    )


def payment_of(account_id: str, body: PaymentBody, defaults: Defaults) -> RecordPayment:
    """The payment that a body records, with the grants that it buys."""
    return RecordPayment(
        account_id,
        body.payment_id,
        body.provider,
        body.status,
        body.amount_minor,
        body.currency,
        body.plan,
        tuple(grant_of(account_id, grant, defaults) for grant in body.bought),
        body.subscription.payment() if body.subscription is not None else None,
    )
