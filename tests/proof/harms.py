"""What somebody who can write to everything may do to a log, and where an auditor has to be sent to look.

Every harm says by itself where it is; `first_place` says the same a second time, from the rules of docs/proof.md and
nothing else: it shares no code with what it judges.
"""

import hashlib
import random
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ledger.store.records.chain import Record
from tests.proof import naive

Records = list[Record]


class Where(NamedTuple):
    """A position; with `last`, somewhere from one position to another."""

    first: int
    last: int | None = None


class Harmed(NamedTuple):
    """A log after the harm, in the order of its positions."""

    records: Records
    where: set[Where]
    """One of these has to be named; none: `first_place` alone says which."""
    told: str
    other_order: Records | None = None
    """The same where two events have one position: who comes first is the database's choice."""


# Where it has to be found ----------------------------------------------------------------------------------------


def link(previous: bytes, record: Record) -> bytes:
    """The hash of an event, written down from the documentation."""
    version = struct.pack(">q", record.version)
    events = None if record.command_events is None else struct.pack(">i", record.command_events)
    texts = [None if text is None else text.encode() for text in (record.subject, record.receipt)]
    fields = (previous, record.account_id.encode(), version, record.topic.encode(), record.state)
    whole = b""
    for field in (*fields, *texts, record.fingerprint, events):
        whole += struct.pack(">i", -1) if field is None else struct.pack(">i", len(field)) + field
    return hashlib.sha256(whole).digest()


def first_place(records: Records, roots: Mapping[int, bytes]) -> Where | None:
    """The first place that does not hold; `roots` are those of the checkpoints, by their sizes."""
    ends: dict[str, tuple[int, bytes]] = {}
    hashes: list[bytes] = []
    signed = 0
    for expected, record in enumerate(records, 1):
        version, previous = ends.get(record.account_id, (0, bytes(32)))
        if record.position != expected or record.version != version + 1 or record.hash != link(previous, record):
            return Where(expected)
        ends[record.account_id] = record.version, record.hash
        hashes.append(record.hash)
        if expected in roots:
            if naive.tree_hash(hashes) != roots[expected]:
                return Where(signed + 1, expected)
            signed = expected
    return Where(len(records) + 1) if roots and max(roots) > len(records) else None


# One value ---------------------------------------------------------------------------------------------------------

_TEXTS = ("account_id", "topic", "subject", "receipt")
_BYTES = ("state", "fingerprint", "hash")
_NULLABLE: Mapping[str, Any] = {"subject": "x", "receipt": "op:x", "fingerprint": bytes(16), "command_events": 1}


def one_byte(chance: random.Random, records: Records, sizes: Sequence[int]) -> Harmed:
    """Another byte in a text, or in bytes."""
    column = chance.choice((*_TEXTS, *_BYTES))
    index = chance.choice([n for n, record in enumerate(records) if getattr(record, column)])
    value = getattr(records[index], column)
    return _set(records, index, column, _other_text(chance, value) if column in _TEXTS else other_byte(chance, value))


def one_number(chance: random.Random, records: Records, sizes: Sequence[int]) -> Harmed:
    """Another bit in a version or a number of events."""
    column = chance.choice(("version", "command_events"))
    index = chance.choice([n for n, record in enumerate(records) if getattr(record, column) is not None])
    return _set(records, index, column, getattr(records[index], column) ^ 1 << chance.randrange(20))


def one_position(chance: random.Random, records: Records, sizes: Sequence[int]) -> Harmed:
    """Another position, which may be taken."""
    index = chance.randrange(len(records))
    position = chance.choice([chance.randint(1, len(records) * 2), chance.randint(1, 2**40), index, index + 2])
    position = position if position not in {0, index + 1} else len(records) + 7
    moved = records[index]._replace(position=position)
    rest = records[:index] + records[index + 1 :]
    first = sorted([moved, *rest], key=lambda record: record.position)
    second = sorted([*rest, moved], key=lambda record: record.position)
    return Harmed(first, set(), f"position {index + 1} is {position}", second)


def one_null(chance: random.Random, records: Records, sizes: Sequence[int]) -> Harmed:
    """A null where something was, or something where a null was."""
    index, column = chance.randrange(len(records)), chance.choice(list(_NULLABLE))
    return _set(records, index, column, None if getattr(records[index], column) is not None else _NULLABLE[column])


def _set(records: Records, index: int, column: str, value: Any) -> Harmed:
    changed = records[index]._replace(**{column: value})
    told = f"{column} at position {index + 1}: {getattr(records[index], column)!r:.60} is {value!r:.60}"
    return Harmed([*records[:index], changed, *records[index + 1 :]], {Where(index + 1)}, told)


def other_byte(chance: random.Random, value: bytes) -> bytes:
    """The same but for one byte."""
    at = chance.randrange(len(value))
    return value[:at] + bytes([value[at] ^ chance.randint(1, 255)]) + value[at + 1 :]


def _other_text(chance: random.Random, value: str) -> str:
    at = chance.randrange(len(value))
    letter = chance.choice([c for c in "abcxyzABC019-_:" if c != value[at]])
    return value[:at] + letter + value[at + 1 :]


# Whole events ------------------------------------------------------------------------------------------------------


def removed(chance: random.Random, records: Records, sizes: Sequence[int]) -> Harmed:
    """An event is gone."""
    index = chance.randrange(max(sizes))
    return Harmed(records[:index] + records[index + 1 :], {Where(index + 1)}, f"no event at position {index + 1}")


def removed_and_closed_up(chance: random.Random, records: Records, sizes: Sequence[int]) -> Harmed:
    """An event is gone, and the positions after it are moved up, so that there is no hole."""
    index = chance.randrange(max(sizes))
    return Harmed(_numbered(records[:index] + records[index + 1 :]), set(), f"position {index + 1} left out")


def cut_off(chance: random.Random, records: Records, sizes: Sequence[int]) -> Harmed:
    """The end is gone, from before a checkpoint on."""
    end = chance.randrange(max(sizes))
    return Harmed(records[:end], set() if end in sizes else {Where(end + 1)}, f"nothing after position {end}")


def swapped(chance: random.Random, records: Records, sizes: Sequence[int]) -> Harmed:
    """Two events have each other's position, of which at least one is under a checkpoint."""
    one, other = chance.sample(range(max(sizes)), 2)
    if chance.random() < 0.5:
        other = min(one + 1, max(sizes) - 1) if one + 1 < max(sizes) else one - 1
    result = list(records)
    result[one], result[other] = result[other], result[one]
    return Harmed(_numbered(result), set(), f"positions {one + 1} and {other + 1} swapped")


def appended(chance: random.Random, records: Records, sizes: Sequence[int]) -> Harmed:
    """A copy of an account's last event at the next version and position, with a hash out of the air."""
    account = chance.choice(records).account_id
    last = [record for record in records if record.account_id == account][-1]
    hash_ = chance.choice([last.hash, chance.randbytes(32), link(last.hash, last)])
    more = last._replace(position=len(records) + 1, version=last.version + 1, hash=hash_, receipt=None)
    return Harmed([*records, more], {Where(len(records) + 1)}, f"an event of {account} at the end")


def inserted(chance: random.Random, records: Records, sizes: Sequence[int]) -> Harmed:
    """A copy of an event behind it, with everything after it moved and every hash computed anew."""
    index = chance.randrange(max(sizes) - 1)
    more = records[index]._replace(version=records[index].version + 1, receipt=None, fingerprint=None)
    later = [
        record._replace(version=record.version + 1) if record.account_id == more.account_id else record
        for record in records[index + 1 :]
    ]
    forged = _chained([*records[: index + 1], more._replace(command_events=None), *later])
    return Harmed(forged, {_span(index + 2, sizes)}, f"an event inserted after position {index + 1}, chained anew")


def rewritten(chance: random.Random, records: Records, sizes: Sequence[int]) -> Harmed:
    """Some digit of an event is another, and its account's hashes are computed anew from there on."""
    places = [n for n in range(max(sizes)) if b'"permanent_credits":' in records[n].state]
    index = chance.choice(places)
    state = records[index].state.replace(b'"permanent_credits":', b'"permanent_credits":9', 1)
    harmed = _set(records, index, "state", state)
    told = f"credits at position {index + 1} are others, chained anew"
    return Harmed(_chained(harmed.records), {_span(index + 1, sizes)}, told)


def asked_twice(chance: random.Random, records: Records, sizes: Sequence[int]) -> Harmed:
    """A command is recorded a second time, under its own receipt: every hash is right."""
    again = chance.choice([record for record in records if record.receipt and record.command_events == 1])
    last = [record for record in records if record.account_id == again.account_id][-1]
    state = _at_the_time_of(again.state, last.state)
    more = again._replace(position=len(records) + 1, version=last.version + 1, state=state)
    forged = more._replace(hash=link(last.hash, more))
    return Harmed([*records, forged], {Where(len(records) + 1)}, f"{again.receipt} of {again.account_id} once more")


HARMS: Sequence[Callable[[random.Random, Records, Sequence[int]], Harmed]] = (
    one_byte,
    one_number,
    one_position,
    one_null,
    removed,
    removed_and_closed_up,
    cut_off,
    swapped,
    appended,
    inserted,
    rewritten,
    asked_twice,
)


# What nobody can find ----------------------------------------------------------------------------------------------


def chained_at_the_end(chance: random.Random, records: Records, sizes: Sequence[int]) -> Harmed:
    """An event behind the newest checkpoint, with the right hash: as good as one of the service's own."""
    last = chance.choice([record for record in records if record.receipt])
    last = [record for record in records if record.account_id == last.account_id][-1]
    more = last._replace(position=len(records) + 1, version=last.version + 1)
    more = more._replace(receipt=None, fingerprint=None, command_events=None)
    return Harmed([*records, more._replace(hash=link(last.hash, more))], set(), "a chained event at the end")


def forgotten_at_the_end(chance: random.Random, records: Records, sizes: Sequence[int]) -> Harmed:
    """What came after the newest checkpoint is gone, or some of it."""
    return Harmed(records[: chance.randint(max(sizes), len(records) - 1)], set(), "the unsigned end is gone")


BEYOND_PROOF = (chained_at_the_end, forgotten_at_the_end)


def _numbered(records: Records) -> Records:
    return [record._replace(position=position) for position, record in enumerate(records, 1)]


def _chained(records: Records) -> Records:
    """The same with positions and hashes as they have to be."""
    ends: dict[str, bytes] = {}
    result = []
    for record in _numbered(records):
        ends[record.account_id] = link(ends.get(record.account_id, bytes(32)), record)
        result.append(record._replace(hash=ends[record.account_id]))
    return result


def _span(position: int, sizes: Sequence[int]) -> Where:
    """Between which checkpoints a position is."""
    return Where(
        max([size for size in sizes if size < position], default=0) + 1, min(s for s in sizes if s >= position)
    )


def _at_the_time_of(state: bytes, other: bytes) -> bytes:
    mark = b'"recorded_at":"'
    time = other.partition(mark)[2].partition(b'"')[0]
    before, _, after = state.partition(mark)
    return before + mark + time + b'"' + after.partition(b'"')[2]
