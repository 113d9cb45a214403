"""The Merkle tree as RFC 6962, section 2.1, defines it: recursions over lists, slow, and nothing shared with ours."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

SMALL = 256
"""Hashes of trees up to this size are kept: thousands of proofs ask for the same ones."""


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def tree_hash(inputs: Sequence[bytes]) -> bytes:
    return _small_tree_hash(tuple(inputs)) if len(inputs) <= SMALL else _tree_hash(inputs)


def _tree_hash(inputs: Sequence[bytes]) -> bytes:
    if not inputs:
        return sha(b"")
    if len(inputs) == 1:
        return sha(b"\x00" + inputs[0])
    k = largest_power_below(len(inputs))
    return sha(b"\x01" + tree_hash(inputs[:k]) + tree_hash(inputs[k:]))


_small_tree_hash = lru_cache(50_000)(_tree_hash)


def audit_path(m: int, inputs: list[bytes]) -> list[bytes]:
    if len(inputs) == 1:
        return []
    k = largest_power_below(len(inputs))
    if m < k:
        return [*audit_path(m, inputs[:k]), tree_hash(inputs[k:])]
    return [*audit_path(m - k, inputs[k:]), tree_hash(inputs[:k])]


def consistency(m: int, inputs: list[bytes]) -> list[bytes]:
    return _subproof(m, inputs, complete=True)


def _subproof(m: int, inputs: list[bytes], *, complete: bool) -> list[bytes]:
    if m == len(inputs):
        return [] if complete else [tree_hash(inputs)]
    k = largest_power_below(len(inputs))
    if m <= k:
        return [*_subproof(m, inputs[:k], complete=complete), tree_hash(inputs[k:])]
    return [*_subproof(m - k, inputs[k:], complete=False), tree_hash(inputs[:k])]


def largest_power_below(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def root_from_inclusion(leaf_hash: bytes, m: int, n: int, proof: list[bytes]) -> bytes | None:
    """The root that a proof leads to, by the recursion again; None when it has too many or too few hashes."""
    if n == 1:
        return leaf_hash if not proof else None
    if not proof:
        return None
    k = largest_power_below(n)
    *lower, sibling = proof
    if m < k:
        below = root_from_inclusion(leaf_hash, m, k, lower)
        return None if below is None else sha(b"\x01" + below + sibling)
    below = root_from_inclusion(leaf_hash, m - k, n - k, lower)
    return None if below is None else sha(b"\x01" + sibling + below)
