"""Notices: what a ledger publishes about its keys and its checkpoints. They are notes, numbered from 1, kept for ever.

A *rotation* hands over from one key to the next. Both keys sign it, so a reader who trusts the first key can follow to
the newest. A *replacement* is a rotation after the old key was lost: only the new key signs it, and no reader has to
accept it. An *abandonment* says that the checkpoints beyond some size no longer count, and why.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from ledger.proof.checkpoint import Checkpoint, read_checkpoint
from ledger.proof.notes import BadNote, VerifyingKey, open_note, text_of

LONGEST_REASON = 500
"""The length of the longest reason, in characters."""

_TIME = "%Y-%m-%dT%H:%M:%SZ"
_HEAD = r"([^\n]+)\nnotice ([1-9]\d{0,8})\n"
_AT = r"at (\S+)\n"
_SIZE = r"(0|[1-9]\d{0,18})"
_KEYS = re.compile(rf"{_HEAD}key (rotation|replacement)\n{_AT}size {_SIZE}\nold ([^\n]+)\nnew ([^\n]+)\n")
_FORSAKEN = re.compile(
    rf"{_HEAD}checkpoints forsaken\n{_AT}beyond {_SIZE}\nnewest {_SIZE} ([A-Za-z0-9+/]{{43}}=)\nreason ([^\n]+)\n"
)


@dataclass(frozen=True, slots=True)
class Rotation:
    """From checkpoints of this size on the new key signs, and the old key no longer does."""

    number: int
    at: datetime
    size: int
    """The size of the newest checkpoint at that moment; both keys have signed it."""
    old: VerifyingKey
    new: VerifyingKey
    old_lost: bool = False
    """Whether this is a replacement of a lost key."""

    @property
    def text(self) -> str:
        """The text that is signed."""
        kind = "replacement" if self.old_lost else "rotation"
        return _text(
            self.new.name, self, f"key {kind}", f"size {self.size}", f"old {self.old.text}", f"new {self.new.text}"
        )


@dataclass(frozen=True, slots=True)
class Abandonment:
    """An operator has accepted a log that ends earlier than its checkpoints, or has other events."""

    number: int
    at: datetime
    beyond: int
    """The size of the newest checkpoint that still counts; 0 when none does."""
    newest: Checkpoint
    """The newest of the abandoned checkpoints."""
    reason: str
    """One line of at most LONGEST_REASON characters."""

    @property
    def text(self) -> str:
        """The text that is signed. Its format keeps the word "forsaken"."""
        newest = f"newest {self.newest.size} {b64encode(self.newest.root).decode()}"
        return _text(
            self.newest.origin,
            self,
            "checkpoints forsaken",
            f"beyond {self.beyond}",
            newest,
            f"reason {self.reason}",
        )


Notice = Rotation | Abandonment


def read_notice(text: str) -> Notice:
    """Parse the text of a notice. Raises BadNote unless it is exactly in the format."""
    try:
        notice = _read(text)
    except (ValueError, BadNote):
        notice = None
    if notice is None or notice.text != text:
        raise BadNote("this is not a notice about keys or checkpoints")
    return notice


def _text(origin: str, notice: Notice, kind: str, *lines: str) -> str:
    at = notice.at.astimezone(UTC).strftime(_TIME)
    return "\n".join([origin, f"notice {notice.number}", kind, f"at {at}", *lines, ""])


def _read(text: str) -> Notice | None:
    if found := _KEYS.fullmatch(text):
        _, number, kind, at, size, old, new = found.groups()
        keys = VerifyingKey.parse(old), VerifyingKey.parse(new)
        return Rotation(int(number), _moment(at), int(size), *keys, old_lost=kind == "replacement")
    if found := _FORSAKEN.fullmatch(text):
        origin, number, at, beyond, size, root, reason = found.groups()
        newest = Checkpoint(origin, int(size), b64decode(root))
        return Abandonment(int(number), _moment(at), int(beyond), newest, reason)
    return None


def _moment(text: str) -> datetime:
    return datetime.strptime(text, _TIME).replace(tzinfo=UTC)


class Trusted(NamedTuple):
    """A key, and the sizes of the checkpoints that it may have signed: from `first` to `last` (None: it is in use)."""

    key: VerifyingKey
    first: int
    last: int | None

    def covers(self, size: int) -> bool:
        """Whether the key may have signed a checkpoint of this size."""
        return self.first <= size and (self.last is None or size <= self.last)


def trusted_keys(first: VerifyingKey, notices: Sequence[bytes]) -> list[Trusted]:
    """The keys that a reader who trusts the key `first` may trust, in the order of their use.

    `notices` are all notices of the ledger, in order. `first` may be any key that was ever in use; keys before it are
    left out. Raises BadNote when a notice is missing, lacks a signature, or names the wrong keys.
    """
    read = [read_notice(text_of(note)) for note in notices]
    for number, notice in enumerate(read, 1):
        if notice.number != number:
            raise BadNote(f"notice {number} is missing: there is notice {notice.number} in its place")
    begin = next((n for n, notice in enumerate(read, 1) if isinstance(notice, Rotation) and notice.new == first), 0)
    introduced_by = read[begin - 1] if begin else None
    keys = [Trusted(first, introduced_by.size if isinstance(introduced_by, Rotation) else 0, None)]
    for note, notice in zip(notices[begin:], read[begin:], strict=True):
        if isinstance(notice, Rotation) and notice.old_lost and notice.old == keys[-1].key:
            break  # the notices after it are signed by a key for which no trusted key has signed
        keys = _follow(keys, note, notice)
    return keys


def _follow(keys: list[Trusted], note: bytes, notice: Notice) -> list[Trusted]:
    """The trusted keys after one more notice. Raises BadNote."""
    newest = keys[-1]
    if isinstance(notice, Abandonment):
        _check_signed(note, notice, [newest.key])
        end = notice.beyond
        earlier = [key._replace(last=min(key.last or 0, end)) for key in keys[:-1] if key.first <= end]
        return [*earlier, newest._replace(first=min(newest.first, end))]
    if notice.old != newest.key:
        raise BadNote(f"notice {notice.number} is not about the key {newest.key.text}")
    _check_signed(note, notice, [notice.old, notice.new])
    return [*keys[:-1], newest._replace(last=notice.size), Trusted(notice.new, notice.size, None)]


def _check_signed(note: bytes, notice: Notice, keys: list[VerifyingKey]) -> None:
    if len(open_note(note, keys).keys) != len(set(keys)):
        raise BadNote(f"notice {notice.number} is not signed by both keys")


def open_checkpoint(note: bytes, trusted: Sequence[Trusted]) -> Checkpoint:
    """The checkpoint in a note, signed by a key that may have signed it. Raises BadNote."""
    opened = open_note(note, [each.key for each in trusted])
    checkpoint = read_checkpoint(opened.text)
    signers = [each for each in trusted if each.key in opened.keys]
    if checkpoint.origin not in {each.key.name for each in signers}:
        raise BadNote(f"it is a checkpoint of {checkpoint.origin}, but a key of another ledger has signed it")
    if not any(each.covers(checkpoint.size) for each in signers):
        raise BadNote(f"the key that signed it was not in use for a checkpoint of size {checkpoint.size:,}")
    return checkpoint
