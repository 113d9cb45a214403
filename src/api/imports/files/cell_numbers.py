"""Reads the numbers in cells exactly, as people and programs write them: 0.0123, 1.2e-05, 1,396, $0.42 or 0,42 €.

A number is an integer or a fraction, never a float. A cell costs little whatever it holds: its length, its digits and
its exponent are limited before anything is computed.
"""

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Literal

from api.imports.files.row import RowProblem, short

MAX_VALUE = 10**40
"""Every number in a cell or a formula, and every result, must be below."""
MAX_DIGITS = 60
"""The most digits after the decimal sign, and the largest exponent."""
_MAX_LENGTH = 140
_MOST_PLAIN = 40

Number = int | Fraction
Decimal = Literal[".", ","]
ReadNumber = Callable[[str], Number]

_CURRENCY = r"(?:(?:US|AU|CA)?[$]|[€£¥₹]|[A-Z]{3})"
_GROUPS = {".": r",'’\u00a0\u202f ", ",": r".'’\u00a0\u202f "}


def _pattern(decimal: Decimal) -> re.Pattern[str]:
    groups = rf"[0-9]{{1,3}}(?P<group>[{_GROUPS[decimal]}])[0-9]{{3}}(?:(?P=group)[0-9]{{3}}){{0,12}}"
    return re.compile(
        rf"(?P<minus>[-−]|[+])?\s?(?:{_CURRENCY}\s?(?P<inner>[-−]|[+])?)?"
        rf"(?:(?P<whole>{groups}|[0-9]{{1,40}})(?:[{decimal}](?P<part>[0-9]{{0,60}}))?|[{decimal}](?P<only>[0-9]{{1,60}}))"
        rf"(?:[eE](?P<exponent>[+-]?[0-9]{{1,3}}))?(?:\s?{_CURRENCY})?"
    )


_PATTERNS: dict[Decimal, re.Pattern[str]] = {".": _pattern("."), ",": _pattern(",")}
_NOT_DIGITS = re.compile("[^0-9]")


def number_reader(decimal: Decimal | None) -> ReadNumber:
    """A function that reads the number in a cell; it raises RowProblem, whose message follows on the name of the cell.

    Without a decimal sign, a number that could be meant in two ways is a problem.
    """
    if decimal is None:
        return _read_unsure
    pattern = _PATTERNS[decimal]

    def read(text: str) -> Number:
        if text.isdecimal() and text.isascii() and len(text) <= 40:
            return int(text)
        whole, sign, part = text.partition(decimal)
        if sign and part and text.isascii() and len(text) <= _MOST_PLAIN and (whole + part).isdecimal():
            return _scaled(int(whole + part), -len(part))  # as programs write nearly all of them
        value = _value(pattern, text)
        if value is None:
            raise RowProblem(_why_none(text, decimal))
        return value

    return read


def readings(text: str) -> tuple[Number | None, Number | None]:
    """A text as a number with a decimal point, and with a decimal comma; None where it is none."""
    return _value(_PATTERNS["."], text), _value(_PATTERNS[","], text)


def _read_unsure(text: str) -> Number:
    point, comma = readings(text)
    if point is None and comma is None:
        raise RowProblem(_why_none(text, "."))
    if point is not None and comma is not None and point != comma:
        raise RowProblem(
            f"is {short(text)}, which can be {_plain(point)} or {_plain(comma)}: say --decimal . or --decimal ,"
        )
    found = comma if point is None else point
    assert found is not None
    return found


def _value(pattern: re.Pattern[str], text: str) -> Number | None:
    if len(text) > _MAX_LENGTH:
        return None
    negative = text[:1] == "(" and text[-1:] == ")"  # as accountants write it
    found = pattern.fullmatch(text[1:-1] if negative else text)
    if found is None:
        return None
    signs = [sign for sign in (found["minus"], found["inner"]) if sign] + ["-"] * negative
    if len(signs) > 1:
        return None
    part = found["part"] or found["only"] or ""
    digits = int(_NOT_DIGITS.sub("", found["whole"] or "") + part or "0")
    exponent = int(found["exponent"] or 0)
    if abs(exponent) > MAX_DIGITS:
        return None
    value = _scaled(-digits if signs and signs[0] in "-−" else digits, exponent - len(part))
    return value if -MAX_VALUE < value < MAX_VALUE else None


def _scaled(digits: int, exponent: int) -> Number:
    if exponent >= 0:
        return int(digits * 10**exponent)
    value = Fraction(digits, 10**-exponent)
    return value.numerator if value.denominator == 1 else value


def _why_none(text: str, decimal: Decimal) -> str:
    if not text:
        return "is empty"
    other: Decimal = "," if decimal == "." else "."
    if _value(_PATTERNS[other], text) is not None:
        return f"is {short(text)}, and the decimal sign is {decimal!r}: if it is another one, say --decimal {other}"
    if len(text) <= _MAX_LENGTH and re.fullmatch(r"[-+]?[0-9.,]+(?:[eE][+-]?[0-9]+)?", text):
        return f"is {short(text)}, which has too many digits or is not one number"
    return f"is {short(text)}, not a number"


def _plain(value: Number) -> str:
    if isinstance(value, int):
        return str(value)
    return f"{float(value):.12g}"  # for people only
