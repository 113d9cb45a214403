"""Verifies a document: its signatures, and each of its events. It needs the attachment and the trusted keys alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from audit.documents.document import Document, EnclosedStatement, PaymentEvents, from_attachment, note_text
from audit.statements.envelope import Opened
from audit.statements.form import Statement, from_file
from audit.statements.signatures import Signed, check_signatures
from audit.statements.verifying import check_inclusion, check_statement
from ledger.domain.events import CreditsGranted, DisputeRecorded, Event, PaymentRecorded, PaymentRefunded
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.notes import VerifyingKey
from ledger.proof.walk import Breach, Head, Place, follow
from ledger.store import decode_event


@dataclass(frozen=True, slots=True)
class VerifiedDocument:
    """A verified document: its events, its checkpoint and the key that signed it.

    `statement` is the enclosed one of a monthly statement; None for a payment.
    """

    document: Document
    events: tuple[Event, ...]
    checkpoint: Checkpoint
    signed_by: VerifyingKey
    statement: Statement | None = None

    @property
    def verifying_key(self) -> str:
        """The first key of the ledger, which the document names."""
        evidence = self.document.evidence
        if isinstance(evidence, PaymentEvents):
            return evidence.verifying_key
        assert self.statement is not None, "the evidence is a statement"
        return self.statement.verifying_key


def check_document(attachment: bytes, trusted: Sequence[VerifyingKey]) -> VerifiedDocument:
    """Verify an attachment. Raises Breach for the first fault."""
    return check_opened(from_attachment(attachment), trusted)


def check_opened(parsed: Opened[Document], trusted: Sequence[VerifyingKey]) -> VerifiedDocument:
    """Verify what an attachment has: the signatures and the events. Raises Breach for the first fault."""
    document, evidence = parsed.content, parsed.content.evidence
    _check_kind(document)
    statement = check_statement(evidence.file, trusted).statement if isinstance(evidence, EnclosedStatement) else None
    source = evidence if isinstance(evidence, PaymentEvents) else statement
    assert source is not None, "the evidence is either"
    text = partial(note_text, body=parsed.body)
    signed = Signed("document", text, parsed.signature, source.checkpoint, source.notices)
    checkpoint, key = check_signatures(signed, trusted)
    if isinstance(source, PaymentEvents):
        return VerifiedDocument(document, _checked_events(document.account_id, source, checkpoint), checkpoint, key)
    if source.account_id != document.account_id:
        raise _wrong("its statement is of another account")
    events = tuple(decode_event(one.record.topic, one.record.state) for one in source.events)
    return VerifiedDocument(document, events, checkpoint, key, source)


def named_key(attachment: bytes) -> str:
    """The verifying key that a document names. Raises Breach."""
    evidence = from_attachment(attachment).content.evidence
    if isinstance(evidence, PaymentEvents):
        return evidence.verifying_key
    return from_file(evidence.file).content.verifying_key


def _check_kind(document: Document) -> None:
    if isinstance(document.evidence, EnclosedStatement) != (document.kind == "statement"):
        raise _wrong(f"it has not the proof of a {document.kind}")
    if (document.claims.number is not None) != (document.kind == "invoice"):
        raise _wrong("an invoice has a number, and nothing else has one")


def _checked_events(account_id: str, evidence: PaymentEvents, checkpoint: Checkpoint) -> tuple[Event, ...]:
    """The events of a payment, each with a valid hash and in the tree of the checkpoint."""
    for one in evidence.events:
        record = one.proven.record
        if record.account_id != account_id:
            place = Place(record.position, record.account_id, record.version)
            raise Breach("document", place, "it is of another account", account_id, record.account_id)
        follow(record, Head(record.version - 1, one.previous, 0, None))
        check_inclusion(one.proven, checkpoint)
    for before, after in pairwise(one.proven.record for one in evidence.events):
        if (before.version, before.position) >= (after.version, after.position):
            raise _at(after.position, "its events are not in their order")
    events = tuple(decode_event(one.proven.record.topic, one.proven.record.state) for one in evidence.events)
    for one, event in zip(evidence.events, events, strict=True):
        if not _is_about(event, evidence):
            raise _at(one.proven.record.position, "it is not about the payment")
    _check_paid(events)
    return events


def _is_about(event: Event, evidence: PaymentEvents) -> bool:
    match event:
        case PaymentRecorded() | DisputeRecorded():
            return (event.provider, event.payment_id) == (evidence.provider, evidence.payment_id)
        case PaymentRefunded():
            return event.payment_id == evidence.payment_id and event.provider in (None, evidence.provider)
        case CreditsGranted():
            return event.payment_id == evidence.payment_id
        case _:
            return False


def _check_paid(events: Sequence[Event]) -> None:
    if [event.status for event in events if isinstance(event, PaymentRecorded)] != ["paid"]:
        raise _wrong("it has not exactly one payment that is paid")


def _wrong(problem: str) -> Breach:
    return Breach("document", Place(), problem)


def _at(position: int, problem: str) -> Breach:
    return Breach("document", Place(position), problem)
