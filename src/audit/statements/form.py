"""A statement: one account's events in a period with all that proves them, where there is neither ledger nor database.

As a file it is exactly one text, canonical JSON: {"signature": ..., "statement": {...}}. What is in it proves itself by
the hash chain, the Merkle tree and the checkpoint; the period and the readable texts are the word of the ledger, which
signs the whole. This file gives it its form; judging.py judges one.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from ledger.domain.amounts import Balance
from ledger.proof.lines import members_of, record_of
from ledger.proof.walk import Breach, Place
from ledger.store import Record, balance_from_json, balance_to_json, to_json

FORMAT = "credit-ledger statement 1"
BEGIN = b'{"signature":"'
"""What every file begins with."""
MOST_EVENTS = 100_000
"""Events of one statement: every one brings a proof of about a kilobyte."""

Texts = Mapping[int, Mapping[str, Any]]
"""What people may read of the events, by version and name. It is beside the proof: the log has it sealed."""


class Period(NamedTuple):
    """Moments from the first on and before the second; None: without that end."""

    begin: datetime | None
    end: datetime | None

    def has(self, moment: datetime) -> bool:
        """Whether a moment lies in it."""
        return (self.begin is None or self.begin <= moment) and (self.end is None or moment < self.end)

    def ends_before(self, moment: datetime) -> bool:
        """Whether a moment lies behind it."""
        return self.end is not None and moment >= self.end


class Proven(NamedTuple):
    """An event with the proof that it is in the checkpoint's tree."""

    record: Record
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """Everything that a statement says."""

    account_id: str
    period: Period
    opening: Balance
    closing: Balance
    previous_hash: bytes
    """The hash before the first event that is here."""
    before: Proven | None
    """The last event before the period, whose balance is the opening one; None when there was none."""
    events: tuple[Proven, ...]
    after: Proven | None
    """The first event after the period, if there is one already."""
    checkpoint: str
    notices: tuple[str, ...]
    """All notices of the ledger: they lead from an older key to the one that signed."""
    verifying_key: str
    texts: Texts
    made_at: datetime

    @property
    def chain(self) -> tuple[Proven, ...]:
        """All events that are here, in order."""
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
        "before": _proven_to_json(statement.before),
        "events": [_proven_to_json(event) for event in statement.events],
        "after": _proven_to_json(statement.after),
        "checkpoint": statement.checkpoint,
        "notices": statement.notices,
        "verifying_key": statement.verifying_key,
        "texts": {str(version): texts for version, texts in statement.texts.items()},
        "made_at": statement.made_at,
    }
    return to_json(body)


def note_text(origin: str, body: bytes) -> str:
    """What the ledger signs: that this is a statement of its own. No checkpoint can be taken for it, nor it for one."""
    return f"{origin}/statement\n{sha256(body).hexdigest()}\n"


def to_file(body: bytes, signature: str) -> bytes:
    """A statement as a file; `signature` is the signed note over `note_text`."""
    return b'{"signature":' + to_json(signature) + b',"statement":' + body + b"}\n"


class Parsed(NamedTuple):
    """A file that has the form of a statement."""

    statement: Statement
    body: bytes
    signature: str


def from_file(text: bytes) -> Parsed:
    """Read a statement. Raises Breach for whatever is not, to the byte, the form that `to_file` gives it."""
    try:
        whole = orjson.loads(text)
        signature, members = whole["signature"], whole["statement"]
        if type(signature) is not str or members["format"] != FORMAT:
            raise ValueError("it is of another format")
        statement = _statement(members)
        body = body_of(statement)
    except Exception as error:  # a file that somebody has touched may fail in any way
        raise Breach("file", Place(), f"this is not a statement that can be read: {_why(error)}") from error
    if to_file(body, signature) != text:
        problem = "the file is not spelled as this program spells it: somebody has touched it"
        raise Breach("file", Place(), problem)
    return Parsed(statement, body, signature)


def _statement(members: dict[str, Any]) -> Statement:
    period = members["period"]
    return Statement(
        account_id=_text(members["account_id"]),
        period=Period(_moment(period["from"]), _moment(period["to"])),
        opening=balance_from_json(members["opening"]),
        closing=balance_from_json(members["closing"]),
        previous_hash=bytes.fromhex(members["previous_hash"]),
        before=_proven(members["before"]),
        events=tuple(filter(None, map(_proven, members["events"]))),
        after=_proven(members["after"]),
        checkpoint=_text(members["checkpoint"]),
        notices=tuple(map(_text, members["notices"])),
        verifying_key=_text(members["verifying_key"]),
        texts={int(version): texts for version, texts in members["texts"].items()},
        made_at=datetime.fromisoformat(members["made_at"]),
    )


def _proven_to_json(event: Proven | None) -> dict[str, Any] | None:
    if event is None:
        return None
    return members_of(event.record) | {"proof": [b64encode(one).decode() for one in event.proof]}


def _proven(members: dict[str, Any] | None) -> Proven | None:
    if members is None:
        return None
    proof: Sequence[str] = members.pop("proof")
    return Proven(record_of(members), tuple(b64decode(one, validate=True) for one in proof))


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError(f"{value!r} is not a text")
    return value


def _why(error: Exception) -> str:
    return f"it has no member {error}" if isinstance(error, KeyError) else str(error)
