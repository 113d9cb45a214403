"""Whether a statement holds: judged from nothing but its own bytes and the keys that whoever asks trusts."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple

from audit.statements.form import Parsed, Proven, Statement, from_file, note_text
from ledger.domain.amounts import NO_CREDITS, Balance
from ledger.domain.changes import changes_of
from ledger.domain.events import Event
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.merkle import leaf, verify_inclusion
from ledger.proof.notes import BadNote, VerifyingKey, open_note
from ledger.proof.vouching import trust
from ledger.proof.walk import Breach, Head, Place, follow
from ledger.store import GENESIS, Record, decode_event


class Held(NamedTuple):
    """A statement that holds, and what it rests on."""

    statement: Statement
    checkpoint: Checkpoint
    signed_by: VerifyingKey


def check_statement(text: bytes, trusted: Sequence[VerifyingKey]) -> Held:
    """Judge a statement as it is in a file. Raises Breach at the first thing that does not hold."""
    parsed = from_file(text)
    statement = parsed.statement
    checkpoint, key = _signed(parsed, trusted)
    _check_chain(statement, checkpoint)
    _check_period(statement)
    _check_balances(statement)
    _check_texts(statement)
    return Held(statement, checkpoint, key)


def _signed(parsed: Parsed, keys: Sequence[VerifyingKey]) -> tuple[Checkpoint, VerifyingKey]:
    """The checkpoint, and the key that signed the statement."""
    statement = parsed.statement
    whom = trust(keys, [note.encode() for note in statement.notices])
    with _signatures("the checkpoint"):
        checkpoint = whom.checkpoint(statement.checkpoint.encode())
        if checkpoint is None:
            raise BadNote("it was signed before the key that is trusted was in use")
    with _signatures("the signature"):
        signed = open_note(parsed.signature.encode(), [each.key for each in whom.trusted])
        text = note_text(checkpoint.origin, parsed.body)
        if signed.text != text or parsed.signature.count("\n") != text.count("\n") + 2:
            raise BadNote("what was signed is not this statement: somebody has touched it")
    return checkpoint, signed.keys[0]


@contextmanager
def _signatures(file: str) -> Iterator[None]:
    try:
        yield
    except BadNote as problem:
        raise Breach("statement", Place(file=file), str(problem)) from problem


def _check_chain(statement: Statement, checkpoint: Checkpoint) -> None:
    """Every event follows from the one before it, and is in the checkpoint's tree."""
    records = [proven.record for proven in statement.chain]
    if not records:
        raise _wrong("it has no event at all")
    begins = records[0].version == 1
    if begins != (statement.previous_hash == GENESIS):
        raise _wrong("the hash before the first event is not what it has to be")
    head = Head(records[0].version - 1, statement.previous_hash, 0, None)
    for proven in statement.chain:
        record = proven.record
        if record.account_id != statement.account_id:
            place = Place(record.position, record.account_id, record.version)
            raise Breach("statement", place, "it is of another account", statement.account_id, record.account_id)
        head = follow(record, head)
        _check_inclusion(proven, checkpoint)
    for before, record in pairwise(records):
        if record.position <= before.position:
            raise _at(record, "position", "it stands before the event that it follows")


def _check_inclusion(proven: Proven, checkpoint: Checkpoint) -> None:
    record = proven.record
    one, index = leaf(record.hash), record.position - 1
    if not verify_inclusion(one, index, checkpoint.size, proven.proof, checkpoint.root):
        raise _at(record, "root", f"it is not among the {checkpoint.size} events that the checkpoint was made of")


def _check_period(statement: Statement) -> None:
    """What is here of the period is all that there is of it, as far as the events themselves can say."""
    period = statement.period
    if period.begin is not None and period.end is not None and period.begin >= period.end:
        raise _wrong("its period ends before it begins")
    for proven in statement.events:
        if not period.has(_event(proven).recorded_at):
            raise _at(proven.record, "statement", "it was recorded outside of the period")
    before, after = statement.before, statement.after
    if before is None and statement.chain[0].record.version != 1:
        raise _wrong("it does not begin with the account, and does not say what came before the period")
    if before is not None and (period.begin is None or _event(before).recorded_at >= period.begin):
        raise _at(before.record, "statement", "it is said to come before the period, and does not")
    if after is not None and (period.end is None or _event(after).recorded_at < period.end):
        raise _at(after.record, "statement", "it is said to come after the period, and does not")


def _check_balances(statement: Statement) -> None:
    """Opening balance and changes add up to the closing one, event by event."""
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
            raise _at(proven.record, "statement", "its balance is not what its credits come to", wanted, found)
    if statement.closing != now:
        raise _wrong("the closing balance is not the one of the last event of the period")


def _total(before: Balance, event: Event) -> tuple[int, int]:
    changes = changes_of(event)
    return (
        before.subscription + sum(change.subscription for change in changes),
        before.permanent + sum(change.permanent for change in changes),
    )


def _check_texts(statement: Statement) -> None:
    """Readable texts are of events that are here. What they say is the word of the ledger, which signs it."""
    versions = {proven.record.version for proven in statement.events}
    if not statement.texts.keys() <= versions:
        raise _wrong("it has a text of an event that is not in it")


def _event(proven: Proven) -> Event:
    return decode_event(proven.record.topic, proven.record.state)


def _wrong(problem: str) -> Breach:
    return Breach("statement", Place(), problem)


def _at(
    record: Record, what: str, problem: str, expected: str | int | None = None, found: str | int | None = None
) -> Breach:
    return Breach(what, Place(record.position, record.account_id, record.version), problem, expected, found)
