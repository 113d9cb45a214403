"""Globs: texts in which each `*` stands for any characters, also for none. Two can be compared by what they match."""

from functools import cache

ANY = "*"
"""Matches every text, and also where there is none."""


def matches(glob: str, text: str | None) -> bool:
    """Whether a glob matches a text; None: there is none, which only `*` matches."""
    if glob == ANY:
        return True
    if text is None:
        return False
    first, *middle = glob.split("*")
    if not middle:
        return glob == text
    *middle, last = middle
    at, end = len(first), len(text) - len(last)
    if at > end or not text.startswith(first) or not text.endswith(last):
        return False
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def specificity(glob: str) -> tuple[bool, int]:
    """How narrow a glob is, for comparison: a text without `*` is narrowest, then more characters are."""
    return "*" not in glob, len(glob) - glob.count("*")


def overlap(one: str, other: str) -> bool:
    """Whether a text exists that both globs match."""
    if "*" not in one or "*" not in other:
        return matches(one, other) if "*" not in other else matches(other, one)

    @cache
    def meet(i: int, j: int) -> bool:
        """Whether a text exists that what is left of both matches."""
        if i == len(one) or j == len(other):
            return not one[i:].strip("*") and not other[j:].strip("*")
        if one[i] == "*":
            return meet(i + 1, j) or meet(i, j + 1)
        if other[j] == "*":
            return meet(i, j + 1) or meet(i + 1, j)
        return one[i] == other[j] and meet(i + 1, j + 1)

    return meet(0, 0)
