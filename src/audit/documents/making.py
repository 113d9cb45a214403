"""Makes the document of a payment: its events with their proofs, the claims, and the signature over all of it.

It takes the oldest checkpoint that has all of the events, so the same question gives the same bytes as long as the
folder keeps that checkpoint.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from audit.documents.document import (
    Claims,
    Document,
    EnclosedStatement,
    Evidence,
    Kind,
    Linked,
    PaymentEvents,
    body_of,
    note_text,
    to_attachment,
)
from audit.documents.verifying import VerifiedDocument, check_opened
from audit.statements.envelope import Opened
from audit.statements.form import Period, Proven
from audit.statements.making import CannotMake, NewStatement, StatementRequest, make
from audit.statements.signing import Keys, SignedCheckpoint, oldest_checkpoint, read_keys
from ledger.proof.notes import sign
from ledger.proof.signing_key import CheckpointKeys
from ledger.proof.tree import Tree
from ledger.store import EventLog, Record

MOST_EVENTS = 5_000
"""The most events of a monthly statement as PDF. Its proof has about a kilobyte for each."""


@dataclass(frozen=True, slots=True)
class PaymentWanted:
    """The payment of a document, and its events in their order, each with the hash of the event before it."""

    account_id: str
    provider: str
    payment_id: str
    events: Sequence[tuple[Record, bytes]]


@dataclass(frozen=True, slots=True)
class Evident:
    """The evidence of a document, and with what it is signed."""

    account_id: str
    evidence: Evidence
    origin: str
    keys: Keys


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed document: the attachment, and what it was verified to be."""

    attachment: bytes
    verified: VerifiedDocument


async def payment_evidence(log: EventLog, checkpoint_keys: CheckpointKeys, wanted: PaymentWanted) -> Evident:
    """The events of a payment with their proofs.

    Raises CannotMake, Breach when the log is not intact, and what the checkpointer raises when it must not sign.
    """
    keys, newest = await read_keys(checkpoint_keys), wanted.events[-1][0]
    checkpoint = await oldest_checkpoint(log, checkpoint_keys, newest.position, keys.since)
    if checkpoint is None:
        raise CannotMake("the log is empty")
    evidence = PaymentEvents(
        wanted.provider,
        wanted.payment_id,
        await _linked(log, wanted.events, checkpoint),
        checkpoint.note,
        keys.notices,
        keys.first.text,
    )
    return Evident(wanted.account_id, evidence, checkpoint.checkpoint.origin, keys)


async def statement_evidence(
    log: EventLog, checkpoint_keys: CheckpointKeys, account_id: str, period: Period, most: int
) -> Evident:
    """The signed statement of a period, of at most `most` events. Raises TooLong and what `payment_evidence` raises."""
    wanted = StatementRequest(account_id, period, texts=False, most=most)
    return enclosed(await make(log, checkpoint_keys, wanted, None), await read_keys(checkpoint_keys))


def enclosed(made: NewStatement, keys: Keys) -> Evident:
    """A statement as the evidence of a document."""
    verified = made.verified
    return Evident(verified.statement.account_id, EnclosedStatement(made.file), verified.checkpoint.origin, keys)


async def _linked(
    log: EventLog, found: Sequence[tuple[Record, bytes]], checkpoint: SignedCheckpoint
) -> tuple[Linked, ...]:
    async with log.connection() as connection:
        indices = [record.position - 1 for record, _ in found]
        proofs = await Tree(connection).inclusion_proofs(indices, checkpoint.checkpoint.size)
    return tuple(
        Linked(Proven(record, tuple(proof)), previous) for (record, previous), proof in zip(found, proofs, strict=True)
    )


def sign_document(kind: Kind, of: Evident, claims: Claims) -> Signed:
    """Sign a document, and verify it as its reader will. Raises Breach when the log is not intact."""
    document = Document(kind, of.account_id, claims, of.evidence)
    body = body_of(document)
    signature = sign(note_text(of.origin, body), [of.keys.signing]).decode()
    verified = check_opened(Opened(document, body, signature), [of.keys.first])
    return Signed(to_attachment(body, signature), verified)
