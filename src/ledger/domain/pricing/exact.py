"""Exact numbers of credits: a text outside, two integers inside, never a float.

A text is an integer (`3`), a decimal number (`0.25`) or a fraction (`1/3`). Each number has one canonical text: the
decimal number if it ends, else the fraction in lowest terms.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from math import gcd, lcm
from typing import NamedTuple

EXACT = r"^(0|[1-9][0-9]{0,15})(\.[0-9]{1,12}|/[1-9][0-9]{0,8})?$"
"""The texts of the numbers in a book: up to 16 digits, 12 decimals, or a denominator of 9 digits."""
_STORED = re.compile(r"(0|[1-9][0-9]{0,79})(?:\.([0-9]{1,80})|/([1-9][0-9]{0,79}))?", re.ASCII)


class Exact(NamedTuple):
    """A number that is not negative, in lowest terms."""

    numerator: int
    denominator: int

    @property
    def rounded_up(self) -> int:
        """The smallest integer that is not below it."""
        return -(-self.numerator // self.denominator)

    def __str__(self) -> str:
        """Its canonical text."""
        return _text(self.numerator, self.denominator)


ZERO = Exact(0, 1)


def is_exact(text: str) -> bool:
    """Whether a text is that of an exact number."""
    return _STORED.fullmatch(text) is not None


def exact(text: str) -> Exact:
    """The number of a text. Raises ValueError for any other text."""
    found = _STORED.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r:.64} is not an exact number such as 3, 0.25 or 1/3")
    whole, decimals, denominator = found.groups()
    if decimals is not None:
        return _lowest(int(whole + decimals), 10 ** len(decimals))
    return _lowest(int(whole), int(denominator or 1))


def _lowest(numerator: int, denominator: int) -> Exact:
    divisor = gcd(numerator, denominator)
    return Exact(numerator // divisor, denominator // divisor)


class Scale(NamedTuple):
    """How many `parts` of a credit make one, so that whole parts stand for the exact amounts of one rate.

    Where decimal numbers will do, the parts are a power of ten with `digits` zeros; else `digits` is None.
    """

    parts: int
    digits: int | None

    @classmethod
    def of(cls, denominators: Iterable[int]) -> "Scale":
        """The scale in which numbers with these denominators are whole."""
        parts = lcm(*denominators)
        twos, fives = _power_of(2, parts), _power_of(5, parts)
        if parts != 2**twos * 5**fives:
            return cls(parts, None)
        digits = max(twos, fives)
        return cls(10**digits, digits)

    def text(self, parts: int) -> str:
        """The canonical text of an amount in parts."""
        whole, rest = divmod(parts, self.parts)
        if not rest:
            return str(whole)
        if self.digits is None:
            lowest = _lowest(parts, self.parts)
            return f"{parts}/{self.parts}" if lowest.denominator == self.parts else str(lowest)
        return f"{whole}.{rest:0{self.digits}}".rstrip("0")

    def rounded_up(self, parts: int) -> int:
        """An amount in parts as whole credits."""
        return -(-parts // self.parts)


@lru_cache(4_096)
def _text(numerator: int, denominator: int) -> str:
    scale = Scale.of([denominator])
    return scale.text(numerator * (scale.parts // denominator))


def _power_of(prime: int, number: int) -> int:
    """How often a prime divides a number."""
    times = 0
    while number % prime == 0:
        number, times = number // prime, times + 1
    return times
