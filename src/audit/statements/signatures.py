"""The signatures of what the ledger gives away: that of its checkpoint, and that of the whole."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

from ledger.proof.checkpoint import Checkpoint
from ledger.proof.notes import BadNote, VerifyingKey, open_note
from ledger.proof.trusted_checkpoints import Trust, trust
from ledger.proof.walk import Breach, Place

_CHECKPOINTS = 16
"""The verified checkpoints that are remembered: many documents have the same one."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What is signed, and with what. `what` names it in one word; `text` makes its signed text from the origin."""

    what: str
    text: Callable[[str], str]
    signature: str
    checkpoint: str
    notices: tuple[str, ...]


def check_signatures(signed: Signed, keys: Sequence[VerifyingKey]) -> tuple[Checkpoint, VerifyingKey]:
    """The checkpoint, and the key that signed the whole. Raises Breach."""
    with _named(signed.what, "the checkpoint"):
        trusted, checkpoint = _trusted(tuple(keys), signed.notices, signed.checkpoint)
    with _named(signed.what, "the signature"):
        opened = open_note(signed.signature.encode(), [each.key for each in trusted.trusted])
        text = signed.text(checkpoint.origin)
        if opened.text != text or signed.signature.count("\n") != text.count("\n") + 2:
            raise BadNote(f"it signs another {signed.what}: the file was changed")
    return checkpoint, opened.keys[0]


@lru_cache(_CHECKPOINTS)
def _trusted(keys: tuple[VerifyingKey, ...], notices: tuple[str, ...], note: str) -> tuple[Trust, Checkpoint]:
    """The keys to trust, and a checkpoint that one of them signed. Raises Breach for a notice, else BadNote."""
    trusted = trust(keys, [notice.encode() for notice in notices])
    checkpoint = trusted.checkpoint(note.encode())
    if checkpoint is None:
        raise BadNote("it was signed before the trusted key was in use")
    return trusted, checkpoint


@contextmanager
def _named(what: str, file: str) -> Iterator[None]:
    try:
        yield
    except BadNote as problem:
        raise Breach(what, Place(file=file), str(problem)) from problem
