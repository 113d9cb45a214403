"""The Merkle tree over the whole log, as defined by RFC 6962: one hash that stands for all events up to a position.

The leaf at index i is made from the hash of the event at position i + 1 (store/records/chain.py). An inclusion proof is
a short list of hashes that shows that an event is in a tree of a given size and root; a consistency proof shows that a
tree is the beginning of a larger one. Proofs are made from complete subtrees, so a program that stores some of them
reads few events to make a proof: `inclusion_path` and `consistency_path` name the subtrees, and `assemble` makes the
proof.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

EMPTY_ROOT = sha256().digest()
"""The root of a tree without leaves."""

_SIZE = len(EMPTY_ROOT)


def leaf(event_hash: bytes) -> bytes:
    """The leaf of an event, 32 bytes."""
    return sha256(b"\x00" + event_hash).digest()


def leaves(event_hashes: Iterable[bytes]) -> list[bytes]:
    """The leaves of several events."""
    return [sha256(b"\x00" + event_hash).digest() for event_hash in event_hashes]


def node(left: bytes, right: bytes) -> bytes:
    """The hash of the node above two subtrees."""
    return sha256(b"\x01" + left + right).digest()


class Node(NamedTuple):
    """A complete subtree of 2**level leaves, the first of them at place << level."""

    level: int
    place: int

    @property
    def begin(self) -> int:
        """The index of its first leaf."""
        return self.place << self.level

    @property
    def end(self) -> int:
        """The index after its last leaf."""
        return (self.place + 1) << self.level


class Grown(NamedTuple):
    """A frontier after it has grown, and the subtrees that were completed: for each level their hashes, in order.

    The first hash of a level is at place size >> level, where size is the number of leaves before it grew.
    """

    frontier: "Frontier"
    completed: list[list[bytes]]


class Frontier(NamedTuple):
    """A tree reduced to what is needed to add leaves and to compute the root. Frontiers are immutable."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()
    """The roots of the complete subtrees that make up the tree, the largest first: one for each 1 bit of the size."""

    def add(self, one: bytes) -> "Frontier":
        """The tree with one more leaf."""
        return self.extend([one])

    def extend(self, more: Sequence[bytes]) -> "Frontier":
        """The tree with more leaves."""
        return self.grow(more).frontier

    def grow(self, more: Sequence[bytes]) -> Grown:
        """The tree with more leaves, and every subtree that they complete. It computes the hashes level by level."""
        before, size = self.size, self.size + len(more)
        old = list(self.peaks)
        row = list(more)
        completed, peaks = [], []
        for level in range(size.bit_length()):
            completed.append(row)
            if before >> level & 1:
                row = [old.pop(), *row]
            if len(row) & 1:
                peaks.append(row[-1])
            row = _pairs(row)
        return Grown(Frontier(size, tuple(reversed(peaks))), completed)

    def root(self) -> bytes:
        """The root of the tree."""
        return fold(self.peaks) if self.peaks else EMPTY_ROOT


def _pairs(row: Sequence[bytes]) -> list[bytes]:
    """The level above: one hash for every two, without the last one when their number is odd."""
    return [sha256(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=False)]


def fold(peaks: Sequence[bytes]) -> bytes:
    """The root over complete subtrees, the largest first; there is at least one."""
    *others, root = peaks
    for peak in reversed(others):
        root = node(peak, root)
    return root


def root(some: Sequence[bytes]) -> bytes:
    """The root of a tree of these leaves."""
    return Frontier().extend(some).root()


def subtrees(begin: int, end: int) -> Iterator[Node]:
    """The fewest complete subtrees that together cover the leaves from `begin` to before `end`, in order."""
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, _zeros(begin))
        yield Node(level, begin >> level)
        begin += 1 << level


Path = list[list[Node]]
"""A proof without hashes: each hash of the proof is the root over one list of complete subtrees, largest first."""


def inclusion_path(index: int, size: int) -> Path:
    """The path of the proof that the leaf at `index` is in the tree of `size` leaves. Raises ValueError."""
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} in a tree of {size}")
    begin, end, path = 0, size, []
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(list(subtrees(middle, end)))
            end = middle
        else:
            path.append(list(subtrees(begin, middle)))
            begin = middle
    return path[::-1]


def consistency_path(old: int, new: int) -> Path:
    """The path of the proof that the tree of `old` leaves is the beginning of the tree of `new` leaves.

    It is empty when `old` is 0 or equal to `new`. Raises ValueError when `old` is larger than `new`.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} does not begin with one of {old}")
    if old in {0, new}:
        return []
    begin, end, path = 0, new, []
    while end != old:
        middle = begin + _split(end - begin)
        if old <= middle:
            path.append(list(subtrees(middle, end)))
            end = middle
        else:
            path.append(list(subtrees(begin, middle)))
            begin = middle
    if begin:  # otherwise the part is the whole old tree, whose root the verifier has
        path.append(list(subtrees(begin, end)))
    return path[::-1]


def assemble(path: Path, hashes: Mapping[Node, bytes]) -> list[bytes]:
    """The proof of a path, from the hashes of its subtrees. Raises KeyError when a hash is missing."""
    return [fold([hashes[one] for one in part]) for part in path]


def inclusion_proof(some: Sequence[bytes], index: int, size: int) -> list[bytes]:
    """The proof that the leaf at `index` is in the tree of the first `size` leaves. Raises ValueError."""
    return _proof(some, inclusion_path(index, size))


def consistency_proof(some: Sequence[bytes], old: int, new: int) -> list[bytes]:
    """The proof that the tree of the first `old` leaves begins that of the first `new`. Raises ValueError."""
    return _proof(some, consistency_path(old, new))


def _proof(some: Sequence[bytes], path: Path) -> list[bytes]:
    return assemble(path, {one: root(some[one.begin : one.end]) for part in path for one in part})


def verify_inclusion(one: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof shows that leaf `one` is at `index` in the tree of this size and root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size or not _hashes([one, root, *proof]):
        return False
    at, last, found = index, size - 1, one
    for sibling in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node(sibling, found)
            at, last = _joined(at, last)
        else:
            found = node(found, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows that the old tree is the beginning of the new one (RFC 9162, 2.1.4.2).

    The empty tree is the beginning of every tree, and every tree of itself; the proof must then be empty.
    """
    if not 0 <= old <= new or not _hashes([old_root, new_root, *proof]):
        return False
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    if not proof:
        return False
    # When the old tree is complete, it is a node of the new one, and the proof leaves its root out.
    first, *rest = proof if old & (old - 1) else [old_root, *proof]
    rise = _zeros(old)  # levels on which the last leaf of the old tree is at the right end of a complete subtree
    at, last = (old - 1) >> rise, (new - 1) >> rise
    old_found = new_found = first
    for sibling in rest:
        if last == 0:
            return False
        if at & 1 or at == last:
            old_found, new_found = node(sibling, old_found), node(sibling, new_found)
            at, last = _joined(at, last)
        else:
            new_found = node(new_found, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and old_found == old_root and new_found == new_root


def _joined(at: int, last: int) -> tuple[int, int]:
    """Go up past the levels on which a node at the right edge has no sibling."""
    rise = _zeros(at)
    return at >> rise, last >> rise


def _zeros(number: int) -> int:
    """The number of zero bits at the end of a number that is not 0."""
    return (number & -number).bit_length() - 1


def _split(width: int) -> int:
    """The largest power of two below the width: the number of leaves left of the root."""
    return 1 << ((width - 1).bit_length() - 1)


def _hashes(values: Iterable[bytes]) -> bool:
    return all(len(value) == _SIZE for value in values)
