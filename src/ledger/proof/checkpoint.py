"""A checkpoint of the log, in the format of C2SP (tlog-checkpoint): which ledger, how many events, and their root.

It has no further lines, because nobody could verify them. A signed checkpoint is a note (notes.py).
"""

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass

from ledger.proof.notes import BadNote

LARGEST_SIZE = 2**63 - 1
_TEXT = re.compile(r"([^\n]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)\n")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The whole log up to one position, as one hash."""

    origin: str
    """The ledger: `credit-ledger/` and its id."""
    size: int
    """The number of events, which is the position of the last one."""
    root: bytes
    """The root of their Merkle tree, 32 bytes (merkle.py)."""

    @property
    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


def read_checkpoint(text: str) -> Checkpoint:
    """Parse the text of a checkpoint. Raises BadNote unless it is exactly in the format."""
    found = _TEXT.fullmatch(text)
    if found is None:
        raise BadNote("this is not a checkpoint: an origin, a size and a root, a line each, and nothing after them")
    checkpoint = Checkpoint(found[1], int(found[2]), b64decode(found[3]))
    if checkpoint.size > LARGEST_SIZE or checkpoint.text != text:
        raise BadNote("this is not a checkpoint: its size or its root is not written as the format asks")
    return checkpoint


def origin_of(ledger_id: str) -> str:
    """The origin of a ledger, which is also the name of its keys."""
    return f"credit-ledger/{ledger_id}"
