"""Which payments are those of other accounts: a payment of a provider belongs to one account of the whole ledger.

It is read under the append lock, where a payment is decided, so no other process can record one in between. What is
decided in the same transaction is added.
"""

from collections.abc import Iterable
from dataclasses import replace

from ledger.domain.commands import Command, RecordPayment
from ledger.domain.related_events import RelatedEvents, payment_subject
from ledger.store.reader import Payment, Reader


class PaymentClaims:
    """The payments that some commands record, as far as other accounts have them."""

    def __init__(self, others: dict[Payment, str], decided: dict[tuple[str, str], str] | None = None) -> None:
        self._others = others
        self._decided = decided or {}
        """The account of each payment that was decided since, by provider and subject."""

    @classmethod
    async def read(cls, reader: Reader, commands: Iterable[Command]) -> "PaymentClaims":
        """Read which payments of some commands other accounts have."""
        payments = [_payment(command) for command in commands if isinstance(command, RecordPayment)]
        return cls(await reader.payments_of_others(payments) if payments else {})

    def copy(self) -> "PaymentClaims":
        """These, without what is added later."""
        return PaymentClaims(self._others, dict(self._decided))

    def added_to(self, related: RelatedEvents, command: Command) -> RelatedEvents:
        """Some related events, with the other account that has the payment which a command records."""
        if not isinstance(command, RecordPayment):
            return related
        payment = _payment(command)
        other = self._others.get(payment) or self._decided.get(payment[1:], payment.account_id)
        return related if other == payment.account_id else replace(related, claimed_by=other)

    def add(self, command: Command) -> None:
        """Add the payment that a decided command records."""
        if isinstance(command, RecordPayment):
            payment = _payment(command)
            self._decided.setdefault(payment[1:], payment.account_id)


def _payment(command: RecordPayment) -> Payment:
    return Payment(command.account_id, command.provider, payment_subject(command.payment_id))
