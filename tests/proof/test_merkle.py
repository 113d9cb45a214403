"""The tree against the definition of RFC 6962, which shares no code with it; and every wrong proof is refused."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.proof.merkle import (
    EMPTY_ROOT,
    Frontier,
    Node,
    assemble,
    consistency_path,
    consistency_proof,
    inclusion_path,
    inclusion_proof,
    leaf,
    leaves,
    node,
    root,
    subtrees,
    verify_consistency,
    verify_inclusion,
)
from tests.long_form import times
from tests.proof import naive

LARGEST = 130
EVERY = times(67, LARGEST)
"""The largest tree of which every proof is made. Its highest node has a few leaves on its right."""
INPUTS = [naive.sha(bytes([number % 256, number // 256])) for number in range(LARGEST)]
LEAVES = leaves(INPUTS)
ROOTS = [naive.tree_hash(INPUTS[:size]) for size in range(LARGEST + 1)]

VECTORS = [b"", b"\x00", b"\x10", b"\x20\x21", b"\x30\x31", b"\x40\x41\x42\x43", bytes(range(0x50, 0x58))]
VECTORS += [bytes(range(0x60, 0x70))]
"""What Certificate Transparency's reference tests put into a tree, and the roots that come of it."""
VECTOR_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def test_known_roots() -> None:
    assert [root(leaves(VECTORS[:size])).hex() for size in range(9)] == VECTOR_ROOTS
    assert EMPTY_ROOT.hex() == VECTOR_ROOTS[0]


def test_every_root() -> None:
    frontier = Frontier()
    for size, expected in enumerate(ROOTS):
        assert frontier.root() == root(LEAVES[:size]) == expected
        assert (frontier.size, len(frontier.peaks)) == (size, size.bit_count())
        if size < LARGEST:
            frontier = frontier.add(leaf(INPUTS[size]))


def test_every_inclusion_proof() -> None:
    for size in range(1, EVERY + 1):
        for index in range(size):
            proof = inclusion_proof(LEAVES, index, size)
            assert proof == naive.audit_path(index, INPUTS[:size])
            assert verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])


def test_every_consistency_proof() -> None:
    for new in range(1, EVERY + 1):
        for old in range(1, new + 1):
            proof = consistency_proof(LEAVES, old, new)
            assert proof == naive.consistency(old, INPUTS[:new])
            assert verify_consistency(old, new, ROOTS[old], ROOTS[new], proof)


@given(st.lists(st.integers(0, 300), max_size=12))
def test_a_frontier_grows_in_any_steps_and_tells_what_it_completes(steps: list[int]) -> None:
    inputs = [naive.sha(bytes([number % 256, number // 256, 7])) for number in range(sum(steps))]
    frontier, told = Frontier(), dict[Node, bytes]()
    for step in steps:
        before = frontier.size
        frontier, completed = frontier.grow(leaves(inputs[before : before + step]))
        for level, hashes in enumerate(completed):
            told |= {Node(level, (before >> level) + number): one for number, one in enumerate(hashes)}
    size = len(inputs)
    assert frontier == Frontier().extend(leaves(inputs))
    assert frontier.root() == naive.tree_hash(inputs)
    expected = {Node(level, index) for level in range(size.bit_length()) for index in range(size >> level)}
    assert told.keys() == expected
    for one in random.Random(size).sample(sorted(told), min(20, len(told))):
        assert told[one] == naive.tree_hash(inputs[one.begin : one.end])


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_subtrees_cover_a_stretch_without_overlap(one: int, other: int) -> None:
    begin, end = sorted([one, other])
    found = list(subtrees(begin, end))
    assert [part.begin for part in found] == [begin, *(part.end for part in found)][: len(found)]
    assert (found[-1].end if found else begin) == end
    assert len(found) <= 2 * 41


@given(st.integers(1, 2**40), st.integers(0))
def test_a_proof_in_a_large_log_needs_few_subtrees(size: int, index: int) -> None:
    path = inclusion_path(index % size, size)
    assert len(path) <= size.bit_length()
    assert sum(len(part) for part in path) <= 2 * size.bit_length()


@given(st.data())
def test_wrong_proofs_of_inclusion_are_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, LARGEST))
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(LEAVES, index, size)
    right = (LEAVES[index], index, size, proof, ROOTS[size])
    for wrong in _wrongs_of_inclusion(*right, data.draw(st.randoms(use_true_random=False))):
        one, at, of, changed, top = wrong
        agreed = 0 <= at < of and naive.root_from_inclusion(one, at, of, changed) == top
        assert verify_inclusion(*wrong) == agreed
        assert not agreed or wrong == right


def _wrongs_of_inclusion(
    one: bytes, index: int, size: int, proof: list[bytes], top: bytes, chance: random.Random
) -> Iterator[tuple[bytes, int, int, list[bytes], bytes]]:
    yield flipped(one, chance), index, size, proof, top
    yield one, index, size, proof, flipped(top, chance)
    for at in {-1, 0, index - 1, index + 1, index ^ 1, size - 1, size} - {index}:
        yield one, at, size, proof, top
    # Another size of which the proof has the same shape leads to the same root: the size is signed with it.
    for of in {-1, 0, index, size // 2} - set(range(index + 1, size + 1)):
        yield one, index, of, proof, top
    for changed in _wrong_lists(proof, chance):
        yield one, index, size, changed, top


def _wrong_lists(proof: list[bytes], chance: random.Random) -> Iterator[list[bytes]]:
    yield [*proof, bytes(32)]
    yield [bytes(32), *proof]
    if proof:
        yield proof[1:]
        yield proof[:-1]
        yield [*proof, proof[-1]]
        place = chance.randrange(len(proof))
        yield [*proof[:place], flipped(proof[place], chance), *proof[place + 1 :]]
        if len(set(proof)) > 1:
            yield proof[::-1]


def flipped(value: bytes, chance: random.Random) -> bytes:
    """One bit of it is another."""
    place = chance.randrange(len(value))
    return value[:place] + bytes([value[place] ^ 1 << chance.randrange(8)]) + value[place + 1 :]


@given(st.data())
def test_wrong_proofs_of_consistency_are_refused(data: st.DataObject) -> None:
    new = data.draw(st.integers(2, LARGEST))
    old = data.draw(st.integers(1, new - 1))
    chance = data.draw(st.randoms(use_true_random=False))
    proof = consistency_proof(LEAVES, old, new)
    for changed in _wrong_lists(proof, chance):
        assert not verify_consistency(old, new, ROOTS[old], ROOTS[new], changed)
    assert not verify_consistency(old, new, flipped(ROOTS[old], chance), ROOTS[new], proof)
    assert not verify_consistency(old, new, ROOTS[old], flipped(ROOTS[new], chance), proof)
    assert not verify_consistency(new, old, ROOTS[new], ROOTS[old], proof)
    for other in set(range(1, new)) - {old}:
        assert not verify_consistency(other, new, ROOTS[other], ROOTS[new], proof)


@given(st.data())
def test_what_was_changed_before_cannot_be_shown_consistent(data: st.DataObject) -> None:
    """Whatever is changed in the old part of a log, no list of its own hashes makes the new root follow the old one."""
    new = data.draw(st.integers(2, LARGEST))
    old = data.draw(st.integers(1, new))
    place = data.draw(st.integers(0, old - 1))
    changed = [*LEAVES[:place], leaf(b"another"), *LEAVES[place + 1 :]]
    assert not verify_consistency(old, new, ROOTS[old], root(changed[:new]), consistency_proof(changed, old, new))


def test_the_empty_tree_and_the_same_tree() -> None:
    assert verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    assert verify_consistency(0, 5, EMPTY_ROOT, ROOTS[5], consistency_proof(LEAVES, 0, 5))
    assert not verify_consistency(0, 5, ROOTS[1], ROOTS[5], [])
    assert not verify_consistency(0, 5, EMPTY_ROOT, ROOTS[5], [bytes(32)])
    assert verify_consistency(5, 5, ROOTS[5], ROOTS[5], consistency_proof(LEAVES, 5, 5))
    assert not verify_consistency(5, 5, ROOTS[5], ROOTS[4], [])
    assert not verify_consistency(5, 5, ROOTS[5], ROOTS[5], [bytes(32)])
    assert not verify_consistency(5, 6, ROOTS[5], ROOTS[6], [])


@pytest.mark.parametrize("size", [31, 33, 0])
def test_hashes_of_another_size_are_refused(size: int) -> None:
    proof = inclusion_proof(LEAVES, 2, 5)
    assert not verify_inclusion(bytes(size), 2, 5, proof, ROOTS[5])
    assert not verify_inclusion(LEAVES[2], 2, 5, [*proof[:-1], bytes(size)], ROOTS[5])
    assert not verify_consistency(4, 5, ROOTS[4] + b"\x00", ROOTS[5], consistency_proof(LEAVES, 4, 5))


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 5), (5, 5), (6, 5)])
def test_there_is_no_proof_of_what_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match=f"no leaf {index} in a tree of {size}"):
        inclusion_proof(LEAVES, index, size)


@pytest.mark.parametrize(("old", "new"), [(6, 5), (-1, 5)])
def test_a_tree_does_not_begin_with_a_larger_one(old: int, new: int) -> None:
    with pytest.raises(ValueError, match=f"a tree of {new} does not begin with one of {old}"):
        consistency_proof(LEAVES, old, new)


def test_a_proof_is_made_from_any_kept_subtrees() -> None:
    size = 100
    levels = Frontier().grow(LEAVES[:size]).completed
    hashes = {Node(level, index): one for level, row in enumerate(levels) for index, one in enumerate(row)}
    assert assemble(inclusion_path(37, size), hashes) == inclusion_proof(LEAVES, 37, size)
    assert assemble(consistency_path(37, size), hashes) == consistency_proof(LEAVES, 37, size)
    assert hashes[Node(1, 0)] == node(LEAVES[0], LEAVES[1])


@given(st.data())
def test_a_proof_does_not_fit_a_tree_of_another_height(data: st.DataObject) -> None:
    """A smaller tree's proof leads to its root, which must not pass for a larger one's; nor the other way round."""
    size = data.draw(st.integers(1, LARGEST))
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    other = data.draw(st.integers(index + 1, 4 * LARGEST).filter(lambda other: _height(other) != _height(size)))
    assert not verify_inclusion(LEAVES[index], index, other, inclusion_proof(LEAVES, index, size), ROOTS[size])
    if other > old:
        assert not verify_consistency(old, other, ROOTS[old], ROOTS[size], consistency_proof(LEAVES, old, size))


def _height(size: int) -> int:
    return (size - 1).bit_length()
