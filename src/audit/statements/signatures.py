"""The signatures of what the ledger gives away: that of its checkpoint, and that of the whole."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ledger.proof.checkpoint import Checkpoint
from ledger.proof.notes import BadNote, VerifyingKey, open_note
from ledger.proof.trusted_checkpoints import trust
from ledger.proof.walk import Breach, Place


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
    trusted = trust(keys, [note.encode() for note in signed.notices])
    with _named(signed.what, "the checkpoint"):
        checkpoint = trusted.checkpoint(signed.checkpoint.encode())
        if checkpoint is None:
            raise BadNote("it was signed before the trusted key was in use")
    with _named(signed.what, "the signature"):
        opened = open_note(signed.signature.encode(), [each.key for each in trusted.trusted])
        text = signed.text(checkpoint.origin)
        if opened.text != text or signed.signature.count("\n") != text.count("\n") + 2:
            raise BadNote(f"it signs another {signed.what}: the file was changed")
    return checkpoint, opened.keys[0]


@contextmanager
def _named(what: str, file: str) -> Iterator[None]:
    try:
        yield
    except BadNote as problem:
        raise Breach(what, Place(file=file), str(problem)) from problem
