"""A statement: the events of one account in a period, with their proofs. It can be verified without the ledger.

A statement has exactly one spelling as a file, canonical JSON: {"signature": ..., "statement": {...}}. The hash chain,
the Merkle tree and the checkpoint prove the events. The period and the readable texts are claims of the ledger, which
signs the statement. This file defines the form; verifying.py verifies a statement.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

from audit.statements.envelope import Envelope, Opened
from ledger.domain.amounts import Balance
from ledger.proof.lines import members_of, record_of
from ledger.store import Record, balance_from_json, balance_to_json, to_json

FORMAT = "credit-ledger statement 1"
BEGIN = b'{"signature":"'
"""The beginning of every file."""
MOST_EVENTS = 100_000
"""The most events of a statement. The proof of each has about a kilobyte."""
LARGEST = 512 * 1024 * 1024
"""The size of the largest file of a statement, in bytes."""

Texts = Mapping[int, Mapping[str, Any]]
"""The readable texts of events, by version and name. No proof covers them: the log has them sealed."""


class Period(NamedTuple):
    """The time from one moment on and before another. None: without that end."""

    begin: datetime | None
    end: datetime | None

    def has(self, moment: datetime) -> bool:
        """Whether a moment is in the period."""
        return (self.begin is None or self.begin <= moment) and (self.end is None or moment < self.end)

    def ends_before(self, moment: datetime) -> bool:
        """Whether a moment is after the period."""
        return self.end is not None and moment >= self.end


class Proven(NamedTuple):
    """An event, and the proof that the tree of the checkpoint has it."""

    record: Record
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """The content of a statement."""

    account_id: str
    period: Period
    opening: Balance
    closing: Balance
    previous_hash: bytes
    """The hash of the event before the first one in the statement."""
    before: Proven | None
    """The last event before the period, if there is one. Its balance is the opening balance."""
    events: tuple[Proven, ...]
    after: Proven | None
    """The first event after the period, if there is one."""
    checkpoint: str
    notices: tuple[str, ...]
    """All notices of the ledger. They connect an older key with the one that signed."""
    verifying_key: str
    texts: Texts
    made_at: datetime

    @property
    def chain(self) -> tuple[Proven, ...]:
        """All events of the statement, in order."""
        return (*filter(None, [self.before]), *self.events, *filter(None, [self.after]))


def body_of(statement: Statement) -> bytes:
    """The bytes that are signed."""
    period = {"from": statement.period.begin, "to": statement.period.end}
    body = {
        "format": FORMAT,
        "account_id": statement.account_id,
        "period": period,
        "opening": balance_to_json(statement.opening),
        "closing": balance_to_json(statement.closing),
        "previous_hash": statement.previous_hash.hex(),
        "before": _maybe_to_json(statement.before),
        "events": [proven_to_json(event) for event in statement.events],
        "after": _maybe_to_json(statement.after),
        "checkpoint": statement.checkpoint,
        "notices": statement.notices,
        "verifying_key": statement.verifying_key,
        "texts": {str(version): texts for version, texts in statement.texts.items()},
        "made_at": statement.made_at,
    }
    return to_json(body)


def note_text(origin: str, body: bytes) -> str:
    """The text that the ledger signs. It cannot be mistaken for a checkpoint, nor a checkpoint for it."""
    return f"{origin}/statement\n{sha256(body).hexdigest()}\n"


def to_file(body: bytes, signature: str) -> bytes:
    """A statement as a file. `signature` is the signed note over `note_text`."""
    return b'{"signature":' + to_json(signature) + b',"statement":' + body + b"}\n"


def from_file(text: bytes) -> Opened[Statement]:
    """Read a statement. Raises Breach unless the text is, byte for byte, what `to_file` writes."""
    return _ENVELOPE.opened(text, "file", "the statement")


def _statement(members: dict[str, Any]) -> Statement:
    period = members["period"]
    return Statement(
        account_id=_text(members["account_id"]),
        period=Period(_moment(period["from"]), _moment(period["to"])),
        opening=balance_from_json(members["opening"]),
        closing=balance_from_json(members["closing"]),
        previous_hash=bytes.fromhex(members["previous_hash"]),
        before=_maybe_proven(members["before"]),
        events=tuple(map(proven_from_json, members["events"])),
        after=_maybe_proven(members["after"]),
        checkpoint=_text(members["checkpoint"]),
        notices=tuple(map(_text, members["notices"])),
        verifying_key=_text(members["verifying_key"]),
        texts={int(version): texts for version, texts in members["texts"].items()},
        made_at=datetime.fromisoformat(members["made_at"]),
    )


def proven_to_json(event: Proven) -> dict[str, Any]:
    """The members of an event with its proof."""
    return members_of(event.record) | {"proof": [b64encode(one).decode() for one in event.proof]}


def proven_from_json(members: dict[str, Any]) -> Proven:
    """The event with these members, which are used up. Raises ValueError and KeyError."""
    proof: Sequence[str] = members.pop("proof")
    return Proven(record_of(members), tuple(b64decode(one, validate=True) for one in proof))


def _maybe_to_json(event: Proven | None) -> dict[str, Any] | None:
    return None if event is None else proven_to_json(event)


def _maybe_proven(members: dict[str, Any] | None) -> Proven | None:
    return None if members is None else proven_from_json(members)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError(f"{value!r} is not a text")
    return value


_ENVELOPE = Envelope("statement", (FORMAT,), to_file, body_of, _statement)
