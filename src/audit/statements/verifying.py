"""Verifies a statement. It needs the bytes of the statement and the keys that the reader trusts, and nothing else."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from audit.statements.envelope import Opened
from audit.statements.form import Proven, Statement, from_file, note_text
from audit.statements.signatures import Signed, check_signatures
from ledger.domain.amounts import NO_CREDITS, Balance
from ledger.domain.changes import changes_of
from ledger.domain.events import Event
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.merkle import leaf, verify_inclusion
from ledger.proof.notes import VerifyingKey
from ledger.proof.walk import Breach, Head, Place, follow
from ledger.store import GENESIS, Record, decode_event


class VerifiedStatement(NamedTuple):
    """A verified statement, with its checkpoint and the key that signed it."""

    statement: Statement
    checkpoint: Checkpoint
    signed_by: VerifyingKey


def check_statement(text: bytes, trusted: Sequence[VerifyingKey]) -> VerifiedStatement:
    """Verify the file of a statement. Raises Breach for the first fault."""
    parsed = from_file(text)
    statement = parsed.content
    checkpoint, key = _signed(parsed, trusted)
    _check_chain(statement, checkpoint)
    _check_period(statement)
    _check_balances(statement)
    _check_texts(statement)
    return VerifiedStatement(statement, checkpoint, key)


def _signed(parsed: Opened[Statement], keys: Sequence[VerifyingKey]) -> tuple[Checkpoint, VerifyingKey]:
    """The checkpoint, and the key that signed the statement."""
    statement = parsed.content
    text = partial(note_text, body=parsed.body)
    return check_signatures(Signed("statement", text, parsed.signature, statement.checkpoint, statement.notices), keys)


def _check_chain(statement: Statement, checkpoint: Checkpoint) -> None:
    """Check that every event follows the one before it and is in the tree of the checkpoint."""
    records = [proven.record for proven in statement.chain]
    if not records:
        raise _wrong("it has no event")
    begins = records[0].version == 1
    if begins != (statement.previous_hash == GENESIS):
        raise _wrong("the hash before the first event does not fit its version")
    head = Head(records[0].version - 1, statement.previous_hash, 0, None)
    for proven in statement.chain:
        record = proven.record
        if record.account_id != statement.account_id:
            place = Place(record.position, record.account_id, record.version)
            raise Breach("statement", place, "it is of another account", statement.account_id, record.account_id)
        head = follow(record, head)
        check_inclusion(proven, checkpoint)
    for before, record in pairwise(records):
        if record.position <= before.position:
            raise _at(record, "position", "its position is not after that of the event before it")


def check_inclusion(proven: Proven, checkpoint: Checkpoint) -> None:
    """Check that an event is in the tree of the checkpoint. Raises Breach."""
    record = proven.record
    one, index = leaf(record.hash), record.position - 1
    if not verify_inclusion(one, index, checkpoint.size, proven.proof, checkpoint.root):
        raise _at(record, "root", f"it is not one of the {checkpoint.size} events of the checkpoint")


def _check_period(statement: Statement) -> None:
    """Check that no event of the period is missing, as far as the events themselves can prove it."""
    period = statement.period
    if period.begin is not None and period.end is not None and period.begin >= period.end:
        raise _wrong("its period ends before it begins")
    for proven in statement.events:
        if not period.has(_event(proven).recorded_at):
            raise _at(proven.record, "statement", "it was recorded outside of the period")
    before, after = statement.before, statement.after
    if before is None and statement.chain[0].record.version != 1:
        raise _wrong("it begins neither with the first event of the account nor with the last one before the period")
    if before is not None and (period.begin is None or _event(before).recorded_at >= period.begin):
        raise _at(before.record, "statement", "it is listed as before the period, and is not")
    if after is not None and (period.end is None or _event(after).recorded_at < period.end):
        raise _at(after.record, "statement", "it is listed as after the period, and is not")


def _check_balances(statement: Statement) -> None:
    """Check event by event that the opening balance and the changes add up to the closing balance."""
    now = _event(statement.before).balance if statement.before else NO_CREDITS
    if statement.opening != now:
        raise _wrong("the opening balance is not the one of the event before the period")
    for proven in statement.events:
        event = _event(proven)
        expected = _total(now, event)
        now = event.balance
        if (now.subscription, now.permanent) != expected:
            found = f"{now.subscription} and {now.permanent}"
            wanted = f"{expected[0]} subscription and {expected[1]} permanent credits"
            raise _at(
                proven.record, "statement", "its balance is not the one before it plus its changes", wanted, found
            )
    if statement.closing != now:
        raise _wrong("the closing balance is not the one of the last event of the period")


def _total(before: Balance, event: Event) -> tuple[int, int]:
    changes = changes_of(event)
    return (
        before.subscription + sum(change.subscription for change in changes),
        before.permanent + sum(change.permanent for change in changes),
    )


def _check_texts(statement: Statement) -> None:
    """Check that readable texts belong to events of the statement. Their content is a claim of the ledger."""
    versions = {proven.record.version for proven in statement.events}
    if not statement.texts.keys() <= versions:
        raise _wrong("it has a text of an event that it does not have")


def _event(proven: Proven) -> Event:
    return decode_event(proven.record.topic, proven.record.state)


def _wrong(problem: str) -> Breach:
    return Breach("statement", Place(), problem)


def _at(
    record: Record, what: str, problem: str, expected: str | int | None = None, found: str | int | None = None
) -> Breach:
    return Breach(what, Place(record.position, record.account_id, record.version), problem, expected, found)
