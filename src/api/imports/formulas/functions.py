"""The functions of formulas: exact, and bounded whatever a cell holds."""

import math
import operator
from collections.abc import Callable, Sequence
from fractions import Fraction

from api.imports.files.cell_numbers import MAX_VALUE, Number
from api.imports.files.row import RowProblem

MAX_TEXT = 10_000
"""The most characters of a text that a function makes."""


def divide(left: Number, right: Number) -> Number:
    """The exact quotient. Raises ZeroDivisionError."""
    if isinstance(left, int) and isinstance(right, int):
        whole, rest = divmod(left, right)
        return Fraction(left, right) if rest else whole  # most prices are whole, and integers are faster
    return Fraction(left) / right


def rounded(value: Number) -> int:
    """The nearest integer; a half goes away from zero, as on a bill."""
    if isinstance(value, int):
        return value
    whole = (2 * abs(value.numerator) + value.denominator) // (2 * value.denominator)
    return whole if value > 0 else -whole


def _absolute(value: Number) -> Number:
    return -value if value < 0 else value


OPERATORS: dict[str, Callable[[Number, Number], Number]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mult": operator.mul,
    "Div": divide,
    "FloorDiv": operator.floordiv,
    "Mod": operator.mod,
}
"""By the names of Python's nodes."""
DIVISIONS = frozenset({"Div", "FloorDiv", "Mod"})

OF_ONE: dict[str, Callable[[Number], Number]] = {
    "abs": _absolute,
    "ceil": math.ceil,
    "floor": math.floor,
    "round": rounded,
}
OF_MANY: dict[str, Callable[[list[Number]], Number]] = {"max": max, "min": min}


def replaced(text: str, changes: Sequence[str]) -> str:
    """A text with each odd one of `changes` replaced by the one after it, from the first to the last."""
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        if not old:
            raise RowProblem("replace() has an empty text to replace")
        if len(text) + text.count(old) * len(new) > MAX_TEXT:
            raise RowProblem(f"replace() makes a text of more than {MAX_TEXT:,} characters")
        text = text.replace(old, new)
    return text


def shown_number(value: Number) -> str:
    """A number for messages."""
    if abs(value.numerator) >= MAX_VALUE or value.denominator >= MAX_VALUE:
        return "a number of more than 40 digits"
    return str(value)


def integer_of(name: str, value: Number) -> int:
    """A number that must be an integer; messages call it `name`. Raises RowProblem."""
    if value.denominator != 1:
        raise RowProblem(f"{name} is {shown_number(value)}, not an integer: use ceil(), floor() or round()")
    if not -MAX_VALUE < value < MAX_VALUE:
        raise RowProblem(f"{name} is {shown_number(value)}, which is too large")
    return int(value)
