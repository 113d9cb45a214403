"""Makes a statement: reads the events, proves them, signs the statement, and verifies it before it returns it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson

from audit.statements.form import MOST_EVENTS, Period, Proven, Statement, Texts, body_of, note_text, to_file
from audit.statements.signing import Keys, newest_checkpoint, oldest_checkpoint, read_keys
from audit.statements.verifying import VerifiedStatement, check_statement
from ledger.domain.amounts import NO_CREDITS, Balance
from ledger.domain.texts import SEALED
from ledger.proof.notes import sign
from ledger.proof.signing_key import CheckpointKeys
from ledger.proof.tree import Tree
from ledger.store import GENESIS, EventLog, Reader, Record, decode_event, unseal

PAGE = 1_000
_INSTANT = timedelta(microseconds=1)
_TEXTS = ("description", "metadata", "reason")


class CannotMake(Exception):
    """No statement can be made. The message says why."""


class TooLong(CannotMake):
    """The period has more events than a statement may have."""


@dataclass(frozen=True, slots=True)
class StatementRequest:
    """The account and the period of a statement."""

    account_id: str
    period: Period
    texts: bool
    """Whether the statement has the readable texts."""
    most: int = MOST_EVENTS
    """The most events."""


class NewStatement(NamedTuple):
    """A statement as a file, and verified."""

    file: bytes
    verified: VerifiedStatement
    left_out: int
    """The number of events of the period that are newer than the newest checkpoint."""


class _Records(NamedTuple):
    """The records of an account in and around a period. Of `earlier` only the hash is used."""

    earlier: Record | None
    before: Record | None
    events: list[Record]
    after: Record | None

    @property
    def chain(self) -> list[Record]:
        return [*filter(None, [self.before]), *self.events, *filter(None, [self.after])]

    def up_to(self, position: int) -> "_Records":
        """The records at or before a position."""
        before, after = (each if each and each.position <= position else None for each in (self.before, self.after))
        return _Records(self.earlier, before, [each for each in self.events if each.position <= position], after)


async def make(
    log: EventLog, checkpoint_keys: CheckpointKeys, wanted: StatementRequest, now: datetime | None
) -> NewStatement:
    """Make a statement. If the newest checkpoint does not cover all its events, sign a new checkpoint first.

    With None for `now`, it takes the oldest checkpoint that has all events, and the time of the last one: then the same
    events make the same statement as long as that checkpoint is kept.

    Raises TooLong, CannotMake, Breach when the log is not intact, and what the checkpointer raises when it must not.
    """
    async with log.reader() as reader:
        found = await _find(reader, wanted)
        texts = await _texts(reader, wanted.account_id, found.events) if wanted.texts else {}
    if not found.chain:
        raise CannotMake(f"there is no account {wanted.account_id!r}")
    keys, last = await read_keys(checkpoint_keys), found.chain[-1]
    if now is None:
        signed = await oldest_checkpoint(log, checkpoint_keys, last.position, keys.since)
    else:
        signed = await newest_checkpoint(log, checkpoint_keys, last.position)
    if signed is None:
        raise CannotMake("the log is empty")
    checkpoint, note = signed
    covered = found.up_to(checkpoint.size)
    if not covered.chain:
        raise CannotMake(f"no checkpoint covers an event of {wanted.account_id} yet")
    async with log.connection() as connection:
        indices = [record.position - 1 for record in covered.chain]
        proofs = await Tree(connection).inclusion_proofs(indices, checkpoint.size)
    proven = [Proven(record, tuple(proof)) for record, proof in zip(covered.chain, proofs, strict=True)]
    statement = _statement(wanted, covered, proven, texts, now or _recorded_at(last), note, keys)
    file, verified = await asyncio.to_thread(_signed, statement, checkpoint.origin, keys)
    return NewStatement(file, verified, len(found.events) - len(covered.events))


def _signed(statement: Statement, origin: str, keys: Keys) -> tuple[bytes, VerifiedStatement]:
    """The file of a statement, verified. It takes a second for some thousand events, so others run meanwhile."""
    body = body_of(statement)
    file = to_file(body, sign(note_text(origin, body), [keys.signing]).decode())
    return file, check_statement(file, [keys.first])


async def _find(reader: Reader, wanted: StatementRequest) -> _Records:
    account_id, period = wanted.account_id, wanted.period
    newest = await reader.newest_event_at(account_id, period.begin - _INSTANT) if period.begin is not None else None
    earlier = before = after = None
    events: list[Record] = []
    version = max(0, newest.version - 2) if newest else 0
    while after is None and (records := await reader.records_of(account_id, version, PAGE)):
        for record in records:
            if newest is not None and record.version <= newest.version:
                earlier, before = before, record
            elif not period.ends_before(_recorded_at(record)):
                events.append(record)
            else:
                after = record
                break
        if len(events) > wanted.most:
            raise TooLong(f"there are more than {wanted.most:,} events in this period; choose a shorter one")
        version = records[-1].version
    return _Records(earlier, before, events, after)


def _recorded_at(record: Record) -> datetime:
    return decode_event(record.topic, record.state).recorded_at


def _statement(
    wanted: StatementRequest,
    covered: _Records,
    proven: Sequence[Proven],
    texts: Texts,
    now: datetime,
    note: str,
    keys: Keys,
) -> Statement:
    begin, end = int(covered.before is not None), len(proven) - int(covered.after is not None)
    opening = _balance(covered.before, NO_CREDITS)
    versions = {one.record.version for one in proven[begin:end]}
    return Statement(
        account_id=wanted.account_id,
        period=wanted.period,
        opening=opening,
        closing=_balance(covered.events[-1], opening) if covered.events else opening,
        previous_hash=covered.earlier.hash if covered.earlier else GENESIS,
        before=proven[0] if begin else None,
        events=tuple(proven[begin:end]),
        after=proven[-1] if end < len(proven) else None,
        checkpoint=note,
        notices=keys.notices,
        verifying_key=keys.first.text,
        texts={version: text for version, text in texts.items() if version in versions},
        made_at=now,
    )


def _balance(record: Record | None, otherwise: Balance) -> Balance:
    return otherwise if record is None else decode_event(record.topic, record.state).balance


async def _texts(reader: Reader, account_id: str, records: Sequence[Record]) -> Texts:
    """The readable texts of some events. Erased texts are not among them."""
    key = (await reader.text_keys([account_id])).get(account_id)
    read = {record.version: _readable(account_id, record.state, key) for record in records}
    return {version: texts for version, texts in read.items() if texts}


def _readable(account_id: str, state: bytes, key: bytes | None) -> dict[str, Any]:
    data = orjson.loads(state)["data"]
    sealed = {name: said for name in _TEXTS if isinstance(said := data.get(name), str) and said.startswith(SEALED)}
    opened = {name: unseal(key, account_id, said) for name, said in sealed.items()}
    return {name: text for name, text in opened.items() if text is not None}
