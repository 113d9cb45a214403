"""Globs: texts in which each `*` stands for any characters, also for none. Two can be compared by what they match."""

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
    """Whether a text exists that both globs match.

    Two with `*` have one unless they begin or end differently: what one has in the middle comes after that of the
    other.
    """
    if "*" not in one or "*" not in other:
        return matches(one, other) if "*" not in other else matches(other, one)
    return all(map(agree, ends(one), ends(other)))


def ends(glob: str) -> tuple[str, str]:
    """The text before the first `*` of a glob, and the one after its last `*`, backwards; for a text it is the text."""
    return glob.partition("*")[0], glob.rpartition("*")[2][::-1]


def agree(one: str, other: str) -> bool:
    """Whether one of two texts begins with the other."""
    return one.startswith(other) or other.startswith(one)
