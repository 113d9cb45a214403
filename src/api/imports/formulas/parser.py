"""Makes functions of formulas: parses one inside its text, so that every message can point at a place in the text."""

import ast
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

from api.imports.files.cell_numbers import MAX_VALUE, Number, number_reader
from api.imports.files.row import Row, RowProblem
from api.imports.files.usage_file import shown
from api.imports.formulas.errors import FormulaError, check_length
from api.imports.formulas.functions import DIVISIONS, OF_MANY, OF_ONE, OPERATORS, integer_of, replaced
from api.imports.formulas.vocabulary import Vocabulary

MAX_DEPTH = 100

Value = Number | str
Compute = Callable[[Row], Number]
ComputeText = Callable[[Row], str]
ComputeValue = Callable[[Row], Value]

_QUOTED = re.compile(r"`((?:[^`]|``)+)`")
_TEXTS = re.compile(r"'[^'\\\n]*'|\"[^\"\\\n]*\"")
_OR_FUNCTION = re.compile(r"(?:^|[(,+\-*/%]|\bor\b)\s*\b(or)\s*\(")

TEXT_FUNCTIONS = {"lower": 1, "upper": 1, "replace": 3, "lookup": 2, "or": 1}
"""The functions of texts and values, with the fewest values that they take."""
FUNCTIONS = sorted([*OF_ONE, *OF_MANY, *TEXT_FUNCTIONS])
_LANGUAGE = (
    f"a formula has columns, row, numbers, + - * / // %, ( ), or, and {' '.join(f'{name}()' for name in FUNCTIONS)}"
)
_read_literal = number_reader(".")


class FormulaParser:
    """Parses one formula. `number` and `text` make the functions that compute it for a row."""

    def __init__(self, name: str, text: str, vocabulary: Vocabulary, start: int, end: int) -> None:
        check_length(name, text)
        self._name, self._text, self._vocabulary = name, text, vocabulary
        formula = text[start:end]
        self._start = start + len(formula) - len(formula.lstrip())
        self._source, self._quoted = _without_quotes(text[self._start : end].rstrip())
        self.columns: set[int] = set()
        """The indexes of the columns that were named so far."""

    def error(self, problem: str, position: int) -> FormulaError:
        """An error at a position of the source."""
        return FormulaError(self._name, problem, self._text, self._start + position)

    def parse(self) -> ast.expr:
        """The formula as a Python expression. Python would ignore a comment, so a comment is refused first."""
        plain = _TEXTS.sub(lambda found: "x" * len(found[0]), self._source)
        for stray in re.finditer(r"[`#\x00\ud800-\udfff\\]", plain):
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
        except (RecursionError, MemoryError, ValueError):
            raise self.error(f"it is nested more than {MAX_DEPTH} levels deep", 0) from None

    def number(self, node: ast.expr, depth: int = 0) -> Compute:
        """A function that computes a part of the formula for a row, as a number. Raises FormulaError."""
        depth = self._deeper(node, depth)
        match node:
            case ast.Constant(value=int() | float()):
                constant = self._constant(node)
                return lambda row: constant
            case ast.Name() if self._is_row(node):
                return lambda row: row.number
            case ast.Name() if (inner := self._of_profile(node)) is not None:
                return inner.number(inner.parse(), depth)
            case ast.Name():
                return self._cell(self._index(node))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                positive = self.number(operand, depth)
                return lambda row: -positive(row)
            case ast.BinOp(left=left, op=op, right=right) if type(op).__name__ in OPERATORS:
                return self._operation(type(op).__name__, self.number(left, depth), self.number(right, depth), right)
            case ast.Call(func=ast.Name() as function, args=arguments, keywords=[]) if self._is_numeric(function):
                return self._numeric_call(function, arguments, depth)
            case _:
                return self._read(node, self.value(node, depth - 1))

    def text(self, node: ast.expr, depth: int = 0) -> ComputeText:
        """The same as a text. A number must be an integer."""
        compute, name = self.value(node, depth), self._name

        def text(row: Row) -> str:
            value = compute(row)
            if isinstance(value, str):
                return value
            return str(integer_of(name, value))

        return text

    def value(self, node: ast.expr, depth: int = 0) -> ComputeValue:
        """The same as it is: a column is its text."""
        match node:
            case ast.Constant(value=str() as constant):
                return lambda row: constant
            case ast.Name() if not self._is_row(node):
                if (inner := self._of_profile(node)) is not None:
                    return inner.value(inner.parse(), depth)
                index = self._index(node)
                return lambda row: row.cells[index]
            case ast.BoolOp(op=ast.Or(), values=values):
                return self._first_given(values, self._deeper(node, depth))
            case ast.Call(func=ast.Name() as function, args=arguments, keywords=[]) if not self._is_numeric(function):
                return self._text_call(function, arguments, self._deeper(node, depth))
            case ast.Name() | ast.UnaryOp(op=ast.USub()) | ast.Call(func=ast.Name(), keywords=[]):
                return self.number(node, depth)
            case ast.BinOp(op=op) if type(op).__name__ in OPERATORS:
                return self.number(node, depth)
            case ast.Constant(value=int() | float()):
                return self.number(node, depth)
            case _:
                raise self.error(self._problem(node), self._span(node)[0])

    # Numbers ---------------------------------------------------------------------------------------------------

    def _constant(self, node: ast.Constant) -> Number:
        """A number as it is written, and not as a float."""
        start, end = self._span(node)
        written = self._source[start:end].replace("_", "")
        try:
            return node.value if type(node.value) is int and node.value < MAX_VALUE else _read_literal(written)
        except RowProblem:
            raise self.error(self._problem(node), start) from None

    def _operation(self, name: str, left: Compute, right: Compute, divisor: ast.expr) -> Compute:
        apply = OPERATORS[name]
        if name not in DIVISIONS:
            return lambda row: apply(left(row), right(row))
        start, end = self._span(divisor)
        problem = f"{self._name} divides by zero: {self._slice(start, end)} is 0 here"

        def division(row: Row) -> Number:
            try:
                return apply(left(row), right(row))
            except ZeroDivisionError:
                raise RowProblem(problem) from None

        return division

    def _numeric_call(self, function: ast.Name, nodes: Sequence[ast.expr], depth: int) -> Compute:
        start, end = self._span(function)
        name = self._slice(start, end)
        arguments = [self.number(node, depth) for node in nodes]
        if name in OF_MANY and arguments:
            choose = OF_MANY[name]
            return lambda row: choose([argument(row) for argument in arguments])
        if name in OF_ONE and len(arguments) == 1:
            apply, inner = OF_ONE[name], arguments[0]
            return lambda row: apply(inner(row))
        needed = "exactly one value" if name in OF_ONE else "at least one value"
        raise self.error(f"{name}() takes {needed}, not {len(nodes)}", start)

    def _read(self, node: ast.expr, compute: ComputeValue) -> Compute:
        """The number in a text that the formula makes."""
        if isinstance(node, ast.Constant):
            raise self.error(self._problem(node), self._span(node)[0])
        read, name = self._vocabulary.read_number, self._slice(*self._span(node))

        def number(row: Row) -> Number:
            value = compute(row)
            if not isinstance(value, str):
                return value
            try:
                return read(value)
            except RowProblem as problem:
                raise RowProblem(f"{name} {problem}") from None

        return number

    def _cell(self, index: int) -> Compute:
        read, name = self._vocabulary.read_number, self._vocabulary.columns[index]

        def number(row: Row) -> Number:
            try:
                return read(row.cells[index])
            except RowProblem as problem:
                hint = "; write `or 0` after it if empty means 0" if not row.cells[index] else ""
                raise RowProblem(f"column {name!r} {problem}{hint}") from None

        return number

    # Texts -----------------------------------------------------------------------------------------------------

    def _text_call(self, function: ast.Name, nodes: Sequence[ast.expr], depth: int) -> ComputeValue:
        start, end = self._span(function)
        name = self._slice(start, end)
        if name not in TEXT_FUNCTIONS:
            raise self.error(f"there is no function {name!r}; there are {', '.join(FUNCTIONS)}", start)
        if len(nodes) < TEXT_FUNCTIONS[name]:
            fewest = TEXT_FUNCTIONS[name]
            needed = f"at least {fewest} values" if fewest > 1 else "at least one value"
            raise self.error(f"{name}() takes {needed}, not {len(nodes)}", start)
        if name == "or":
            return self._first_given(nodes, depth)
        if name == "lookup":
            return self._lookup(nodes, start, depth)
        texts = [self.text(node, depth) for node in nodes]
        if name == "replace" and len(nodes) % 2:
            return lambda row: replaced(texts[0](row), [text(row) for text in texts[1:]])
        if name == "replace" or len(nodes) != 1:
            needed = "a text, then pairs of an old and a new text" if name == "replace" else "exactly one value"
            raise self.error(f"{name}() takes {needed}, not {len(nodes)} values", start)
        change = str.lower if name == "lower" else str.upper
        return lambda row: change(texts[0](row))

    def _first_given(self, nodes: Sequence[ast.expr], depth: int) -> ComputeValue:
        values = [self.value(node, depth) for node in nodes]

        def first(row: Row) -> Value:
            return next((found for value in values if (found := value(row)) != ""), "")

        return first

    def _lookup(self, nodes: Sequence[ast.expr], start: int, depth: int) -> ComputeValue:
        prices, column_node = self._vocabulary.prices, nodes[1]
        if prices is None:
            raise self.error("lookup() needs a file of prices: name it with --prices", start)
        if len(nodes) > 3 or not (isinstance(column_node, ast.Constant) and isinstance(column_node.value, str)):
            raise self.error("lookup() takes a name, a column of the price file in quotes, and maybe a value", start)
        column = column_node.value
        if not prices.has(column):
            known = shown(prices.columns[1:])
            raise self.error(f"the price file has no column {column!r}; it has {known}", self._span(column_node)[0])
        name = self.text(nodes[0], depth)
        otherwise = self.value(nodes[2], depth) if len(nodes) == 3 else None

        def lookup(row: Row) -> Value:
            looked_up = name(row)
            found = prices.value(looked_up, column)
            if found is not None:
                return found
            if otherwise is None:
                raise RowProblem(f"the price file has no {looked_up[:60]!r}")
            return otherwise(row)

        return lookup

    # Names -----------------------------------------------------------------------------------------------------

    def _is_row(self, node: ast.Name) -> bool:
        return self._slice(*self._span(node)) == "row"

    def _is_numeric(self, function: ast.Name) -> bool:
        return self._slice(*self._span(function)) in OF_ONE.keys() | OF_MANY.keys()

    def _column_name(self, node: ast.Name) -> str:
        span = self._span(node)
        return self._quoted.get(span) or self._slice(*span)

    def _index(self, node: ast.Name) -> int:
        columns, name = self._vocabulary.columns, self._column_name(node)
        if name not in columns:
            known = shown([*columns, *self._vocabulary.names])
            raise self.error(f"there is no column {name!r}{self._hint()}; there are {known}", self._span(node)[0])
        index = columns.index(name)
        self.columns.add(index)
        return index

    def _of_profile(self, node: ast.Name) -> "FormulaParser | None":
        """The parser of what a profile calls so; None if it is another name. A column of the name counts before."""
        name, known = self._column_name(node), self._vocabulary
        if name in known.columns or name not in known.names:
            return None
        text = known.names[name]
        inner = FormulaParser(name, text, replace(known, names={}), 0, len(text))
        inner.columns = self.columns
        return inner

    # Places ----------------------------------------------------------------------------------------------------

    def _deeper(self, node: ast.expr, depth: int) -> int:
        if depth >= MAX_DEPTH:
            raise self.error(f"it is nested more than {MAX_DEPTH} levels deep", self._span(node)[0])
        return depth + 1

    def _span(self, node: ast.expr) -> tuple[int, int]:
        """The start and end of a part, in characters: the parser counts bytes."""
        source = self._source.encode()
        start = len(source[: node.col_offset].decode())
        return start, start + len(source[node.col_offset : node.end_col_offset].decode())

    def _slice(self, start: int, end: int) -> str:
        return self._text[self._start + start : self._start + end]

    def _problem(self, node: ast.expr) -> str:
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            return "this number is too large or has too many digits"
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return "a text is no number here; write the name of a column plainly or in `backticks`"
        return f"this is not understood; {_LANGUAGE}"

    def _hint(self) -> str:
        """A hint at the most likely cause: the name of a column that needs backticks and has none."""
        for name in self._vocabulary.columns:
            if name and not name.isidentifier() and name in self._source:
                return f" (write the column {name!r} as `{name}`)"
        return ""


def _without_quotes(text: str) -> tuple[str, dict[tuple[int, int], str]]:
    """The formula with a word of equal length for each quoted name and each or(), and the names by their places."""
    names = {match.span(): match[1].replace("``", "`") for match in _QUOTED.finditer(text)}
    masked = _QUOTED.sub(lambda match: "x" * len(match[0]), text)
    masked = re.sub(r"\s", " ", masked)
    plain = _TEXTS.sub(lambda found: "'" + "x" * (len(found[0]) - 2) + "'", masked)
    for found in reversed(list(_OR_FUNCTION.finditer(plain))):
        masked = masked[: found.start(1)] + "Or" + masked[found.end(1) :]
    return masked, names
