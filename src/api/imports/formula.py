"""Formulas over the columns of a file, and templates for text: they give an import its amounts, accounts and ids.

A formula has column names, `row` (the number of the row, from 0), integers, + - * / // %, a minus sign, parentheses,
and ceil() floor() abs() min() max(). It is exact: `/` makes a fraction, and there are no floats. A column whose name
is not a plain word is written in `backticks`; so is a column named `row`, or like a keyword of Python.

A template is text with formulas in {braces}. A formula that is only a column stands for the text of that column.

Python's parser reads the formula. This file accepts only the parts named above, and never calls eval. The length and
depth of a formula are limited, and there are no powers, so no formula is expensive.
"""

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable, Sequence
from fractions import Fraction

from api.imports.usage_file import Row, RowProblem, shown

MAX_LENGTH = 1_000
"""The most characters of a formula or template."""
MAX_DEPTH = 100
MAX_VALUE = 10**40
"""Every number in a cell or a formula, and every result, must be below."""

Number = int | Fraction
Compute = Callable[[Row], Number]

_QUOTED = re.compile(r"`((?:[^`]|``)+)`")
_INTEGER = re.compile(r"[+-]?[0-9]{1,40}")
_PIECES = re.compile(r"(?P<brace>\{\{|\}\})|\{(?P<formula>(?:`[^`]*`|[^`{}])*)\}|(?P<text>[^{}]+)|(?P<stray>[{}])")
_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]")


class FormulaError(Exception):
    """A formula or template cannot be used. The message says why, with a mark under the place."""

    def __init__(self, name: str, problem: str, text: str, position: int) -> None:
        self.problem = problem
        self.position = position
        where = f"\n    {_SPACE.sub(' ', text)}\n    {' ' * position}^"
        super().__init__(f"{name}, position {position + 1}: {problem}{where if len(text) <= MAX_LENGTH else ''}")


def _divide(left: Number, right: Number) -> Number:
    if isinstance(left, int) and isinstance(right, int):
        whole, rest = divmod(left, right)
        return Fraction(left, right) if rest else whole  # most prices are whole, and integers are faster
    return Fraction(left) / right


def _absolute(value: Number) -> Number:
    return -value if value < 0 else value


_OPERATORS: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: _divide,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_OF_ONE: dict[str, Callable[[Number], Number]] = {
    "abs": _absolute,
    "ceil": math.ceil,
    "floor": math.floor,
}
_OF_MANY: dict[str, Callable[[list[Number]], Number]] = {"max": max, "min": min}
_FUNCTIONS = sorted([*_OF_ONE, *_OF_MANY])
_LANGUAGE = (
    f"a formula has columns, row, integers, + - * / // %, ( ) and {' '.join(f'{name}()' for name in _FUNCTIONS)}"
)


class Formula:
    """A formula for the rows of a file with the given columns. Messages call it `name`.

    `start` and `end` are the place of the formula in a longer text. Raises FormulaError.
    """

    def __init__(self, name: str, text: str, columns: Sequence[str], start: int = 0, end: int | None = None) -> None:
        parser = _FormulaParser(name, text, columns, start, len(text) if end is None else end)
        node = parser.parse()
        self.name = name
        self.column = parser.column_alone(node)
        """The index of the column that is the whole formula; None if the formula has more."""
        self._compute = parser.compile(node, 1)

    def value(self, row: Row) -> Number:
        """The result for a row. Raises RowProblem: a cell is not an integer, or a division by zero."""
        return self._compute(row)

    def integer(self, row: Row) -> int:
        """The result for a row, which must be an integer. Raises RowProblem."""
        value = self._compute(row)
        if value.denominator != 1:
            raise RowProblem(f"{self.name} is {_shown(value)}, not an integer: use ceil() or floor()")
        if not -MAX_VALUE < value < MAX_VALUE:
            raise RowProblem(f"{self.name} is {_shown(value)}, which is too large")
        return int(value)


class Template:
    """A text with formulas in braces, for the rows of a file with the given columns. Raises FormulaError."""

    def __init__(self, name: str, text: str, columns: Sequence[str]) -> None:
        _check_length(name, text)
        self._parts = [_part(name, text, columns, piece) for piece in _PIECES.finditer(text)]

    def text(self, row: Row) -> str:
        """The text for a row. Raises RowProblem."""
        return "".join([part if isinstance(part, str) else part(row) for part in self._parts])


def literal_template(text: str) -> str:
    """A template whose text is the same for every row."""
    return text.replace("{", "{{").replace("}", "}}")


def _part(name: str, text: str, columns: Sequence[str], piece: re.Match[str]) -> str | Callable[[Row], str]:
    if piece["stray"]:
        problem = "this brace has no partner; write a brace twice to have it in the text"
        raise FormulaError(name, problem, text, piece.start())
    if piece["formula"] is None:
        return piece["text"] or piece["brace"][0]
    formula = Formula(name, text, columns, *piece.span("formula"))
    column = formula.column
    if column is None:
        return lambda row: str(formula.integer(row))
    return lambda row: row.cells[column]


class _FormulaParser:
    """Parses one formula inside its text, so that every message can point at a place in the text."""

    def __init__(self, name: str, text: str, columns: Sequence[str], start: int, end: int) -> None:
        _check_length(name, text)
        self._name, self._text, self._columns = name, text, columns
        formula = text[start:end]
        self._start = start + len(formula) - len(formula.lstrip())
        self._source, self._quoted = _without_quotes(text[self._start : end].rstrip())

    def error(self, problem: str, position: int) -> FormulaError:
        """An error at a position of the source."""
        return FormulaError(self._name, problem, self._text, self._start + position)

    def parse(self) -> ast.expr:
        """The formula as a Python expression. Python would ignore a comment, so a comment is refused first."""
        for stray in re.finditer(r"[`#\x00\ud800-\udfff]", self._source):
            problem = "this backtick has no partner" if stray[0] == "`" else f"{stray[0]!r} is not allowed in a formula"
            raise self.error(problem, stray.start())
        if not self._source:
            raise self.error("a formula is missing", 0)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse(self._source, mode="eval").body
        except SyntaxError as error:
            position = error.offset - 1 if error.offset else len(self._source)  # no offset: at the end
            raise self.error(f"{error.msg}{self._hint()}", min(position, len(self._source))) from None
        except (RecursionError, MemoryError):
            raise self.error(f"it is nested more than {MAX_DEPTH} levels deep", 0) from None

    def column_alone(self, node: ast.expr) -> int | None:
        """The index of the column, if the formula is only a column."""
        if isinstance(node, ast.Name) and not self._is_row(node):
            return self._index(node)
        return None

    def compile(self, node: ast.expr, depth: int) -> Compute:
        """A function that computes a part of the formula for a row. Raises FormulaError."""
        if depth > MAX_DEPTH:
            raise self.error(f"it is nested more than {MAX_DEPTH} levels deep", self._span(node)[0])
        match node:
            case ast.Constant(value=value) if type(value) is int and value < MAX_VALUE:
                return lambda row: value
            case ast.Name():
                return (lambda row: row.number) if self._is_row(node) else _cell(self._index(node), self._columns)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self.compile(operand, depth + 1)
                return lambda row: -inner(row)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return self._operation(op, self.compile(left, depth + 1), self.compile(right, depth + 1), right)
            case ast.Call(func=ast.Name() as function, args=arguments, keywords=[]):
                return self._call(function, arguments, [self.compile(part, depth + 1) for part in arguments])
            case _:
                raise self.error(self._problem(node), self._span(node)[0])

    def _operation(self, op: ast.operator, left: Compute, right: Compute, divisor: ast.expr) -> Compute:
        apply = _OPERATORS[type(op)]
        if not isinstance(op, ast.Div | ast.FloorDiv | ast.Mod):
            return lambda row: apply(left(row), right(row))
        start, end = self._span(divisor)
        problem = f"{self._name} divides by zero: {self._slice(start, end)} is 0 here"

        def division(row: Row) -> Number:
            try:
                return apply(left(row), right(row))
            except ZeroDivisionError:
                raise RowProblem(problem) from None

        return division

    def _call(self, function: ast.Name, nodes: list[ast.expr], arguments: list[Compute]) -> Compute:
        start, end = self._span(function)
        name = self._slice(start, end)
        if name in _OF_MANY and arguments:
            choose = _OF_MANY[name]
            return lambda row: choose([argument(row) for argument in arguments])
        if name in _OF_ONE and len(arguments) == 1:
            apply, inner = _OF_ONE[name], arguments[0]
            return lambda row: apply(inner(row))
        if name in _FUNCTIONS:
            needed = "exactly one value" if name in _OF_ONE else "at least one value"
            raise self.error(f"{name}() takes {needed}, not {len(nodes)}", start)
        raise self.error(f"there is no function {name!r}; there are {', '.join(_FUNCTIONS)}", start)

    # Names -----------------------------------------------------------------------------------------------------

    def _is_row(self, node: ast.Name) -> bool:
        return self._slice(*self._span(node)) == "row"

    def _index(self, node: ast.Name) -> int:
        span = self._span(node)
        name = self._quoted.get(span) or self._slice(*span)
        if name not in self._columns:
            raise self.error(f"there is no column {name!r}{self._hint()}; there are {shown(self._columns)}", span[0])
        return self._columns.index(name)

    # Places ----------------------------------------------------------------------------------------------------

    def _span(self, node: ast.expr) -> tuple[int, int]:
        """The start and end of a part, in characters: the parser counts bytes."""
        source = self._source.encode()
        start = len(source[: node.col_offset].decode())
        return start, start + len(source[node.col_offset : node.end_col_offset].decode())

    def _slice(self, start: int, end: int) -> str:
        return self._text[self._start + start : self._start + end]

    def _problem(self, node: ast.expr) -> str:
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            return "numbers must be integers; write a price of 0.25 as 1 / 4"
        if isinstance(node, ast.Constant) and type(node.value) is int:
            return "this number is too large"
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return "text is not allowed in a formula; write the name of a column plainly or in `backticks`"
        return f"this is not understood; {_LANGUAGE}"

    def _hint(self) -> str:
        """A hint at the most likely cause: the name of a column that needs backticks and has none."""
        for name in self._columns:
            if name and not name.isidentifier() and name in self._source:
                return f" (write the column {name!r} as `{name}`)"
        return ""


def _cell(index: int, columns: Sequence[str]) -> Compute:
    def integer(row: Row) -> int:
        cell = row.cells[index]
        if not _INTEGER.fullmatch(cell):
            raise RowProblem(f"column {columns[index]!r} is {_short(cell)}, not an integer")
        return int(cell)

    return integer


def _without_quotes(text: str) -> tuple[str, dict[tuple[int, int], str]]:
    """The formula with a word of equal length for each quoted name, and the names by their places."""
    names = {match.span(): match[1].replace("``", "`") for match in _QUOTED.finditer(text)}
    masked = _QUOTED.sub(lambda match: "x" * len(match[0]), text)
    return re.sub(r"\s", " ", masked), names


def _check_length(name: str, text: str) -> None:
    if len(text) > MAX_LENGTH:
        raise FormulaError(
            name, f"it has {len(text):,} characters; at most {MAX_LENGTH:,} are allowed", text, MAX_LENGTH
        )


def _short(cell: str) -> str:
    return repr(cell) if len(cell) <= 60 else repr(cell[:60]) + "..."


def _shown(value: Number) -> str:
    if abs(value.numerator) >= MAX_VALUE or value.denominator >= MAX_VALUE:
        return "a number of more than 40 digits"
    return str(value)
