"""Commands about payments."""

from dataclasses import dataclass

from ledger.domain.amounts import check_amount
from ledger.domain.commands.command import check_id
from ledger.domain.commands.grants import GrantCredits
from ledger.domain.errors import InvalidField
from ledger.domain.events import PaymentStatus


@dataclass(frozen=True, slots=True)
class RecordPayment:
    """Record a payment and, when it is paid, grant the credits that it buys: both or neither."""

    account_id: str
    payment_id: str
    provider: str
    status: PaymentStatus
    amount_minor: int
    currency: str
    plan: str | None = None
    grant: GrantCredits | None = None

    def __post_init__(self) -> None:
        check_id("payment_id", self.payment_id)
        check_id("provider", self.provider)
        check_id("currency", self.currency)
        check_id("plan", self.plan)
        check_amount(self.amount_minor, "amount_minor", least=0)
        if self.grant is not None and self.grant.account_id != self.account_id:
            raise InvalidField("grant", "must be for the account of the payment")
        if self.grant is not None and self.status != "paid":
            raise InvalidField("grant", f"must be absent: a payment that is {self.status} buys nothing")


@dataclass(frozen=True, slots=True)
class RefundPayment:
    """Refund `amount_minor` of a payment; None refunds the rest. The grant that it bought is voided proportionally."""

    account_id: str
    payment_id: str
    refund_id: str
    amount_minor: int | None = None

    def __post_init__(self) -> None:
        check_id("refund_id", self.refund_id)
        if self.amount_minor is not None:
            check_amount(self.amount_minor, "amount_minor")
