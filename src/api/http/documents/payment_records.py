"""The events behind a receipt. One statement reads them, and those in which the account describes its holder."""

from collections.abc import Mapping, Sequence

from api.http.documents.parties import party_of, profile_at
from api.http.queries.reads import Reads
from audit.documents.document import Party
from audit.statements.making import CannotMake
from ledger.domain.events import DisputeRecorded, Event, PaymentRecorded, PaymentRefunded
from ledger.domain.profile import Profile
from ledger.domain.related_events import payment_subject
from ledger.readable_texts import text_versions, texts_in
from ledger.service import Ledger
from ledger.store import Record, decode_event
from projections.models.payments.queries import DocumentedPayment


async def payment_records(
    reads: Reads, account_id: str, payment_id: str, payment: DocumentedPayment
) -> tuple[Sequence[tuple[Record, bytes]], Party]:
    """The events of a payment in their order, each with the hash before it; and the holder when it was paid.

    They are the payment, its grants, its refunds, and its disputes as they were reported. Raises CannotMake.
    """
    profile = await _profile_when_paid(reads.ledger, account_id, payment.version)
    bought, subject = {payment.version, *payment.grants}, payment_subject(payment_id)
    async with reads.ledger.log.reader() as reader:
        found = await reader.records_about(account_id, bought | text_versions(profile), subject)
        events = {record.version: decode_event(record.topic, record.state) for record, _ in found}
        holder = party_of(account_id, *await texts_in(reader, account_id, profile, events))
    if not bought <= events.keys():
        raise CannotMake("some events of the payment do not exist")
    theirs = bought | _later(events, payment.provider)
    return [one for one in found if one[0].version in theirs], holder


async def _profile_when_paid(ledger: Ledger, account_id: str, version: int) -> Profile:
    """The profile after the event of a payment. Most often memory has it, and the log is not asked."""
    remembered = ledger.current.remembered(account_id)
    if remembered is None or remembered.version < version:
        now = await ledger.current.of(account_id)
        remembered = now.account if now else None
    return await profile_at(ledger.log, account_id, version, remembered.profile if remembered else None)


def _later(events: Mapping[int, Event], provider: str) -> set[int]:
    """The versions of the refunds and disputes that a provider reported."""
    first = next(event.provider for event in events.values() if isinstance(event, PaymentRecorded))
    return {version for version, event in events.items() if _reported_provider(event, first) == provider}


def _reported_provider(event: Event, first: str) -> str | None:
    """The provider that reported a refund or a dispute; an old refund is of the `first` one. None for other events."""
    match event:
        case PaymentRefunded():
            return event.provider or first
        case DisputeRecorded(changed_by=None):
            return event.provider
        case _:
            return None
