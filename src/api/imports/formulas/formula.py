"""Formulas over the columns of a file, and templates for text: they give an import its amounts, accounts and ids.

A formula has column names, `row` (the number of the row, from 0), numbers such as 3 and 0.0025, texts in quotes,
+ - * / // %, a minus sign, parentheses, and functions. It is exact: `/` makes a fraction, 0.1 is one tenth, and there
are no floats; only ceil(), floor() and round() round. A column whose name is not a plain word is written in
`backticks`; so is a column named `row`, or like a keyword of Python.

`a or b` and or(a, b) are the first value that is not empty. lower(text), upper(text) and replace(text, old, new, ...)
change a text. lookup(name, 'column') finds a value in the price file; lookup(name, 'column', 0) is 0 without the name.

A template is text with formulas in {braces}. A formula that is only a column stands for the text of that column.

Python's parser reads the formula. `parser.py` accepts only the parts named above, and nothing ever calls eval. The
length and depth of a formula are limited, and there are no powers, so no formula is expensive.
"""

import re

from api.imports.files.cell_numbers import Number
from api.imports.files.row import Row, RowProblem
from api.imports.formulas.errors import FormulaError, check_length
from api.imports.formulas.functions import integer_of
from api.imports.formulas.parser import ComputeText, FormulaParser
from api.imports.formulas.vocabulary import Vocabulary

MAX_MADE = 100_000
"""The most characters that a template makes of a row: it can name a large cell hundreds of times."""

_PIECES = re.compile(r"(?P<brace>\{\{|\}\})|\{(?P<formula>(?:`[^`]*`|[^`{}])*)\}|(?P<text>[^{}]+)|(?P<stray>[{}])")


class Formula:
    """A formula for the rows of a file. Messages call it `name`. Raises FormulaError."""

    def __init__(self, name: str, text: str, vocabulary: Vocabulary) -> None:
        parser = FormulaParser(name, text, vocabulary, 0, len(text))
        self.name = name
        self._compute = parser.number(parser.parse())
        self._columns = frozenset(parser.columns)

    def value(self, row: Row) -> Number:
        """The result for a row. Raises RowProblem: a cell is not a number, or a division by zero."""
        return self._compute(row)

    def integer(self, row: Row) -> int:
        """The result for a row, which must be an integer. Raises RowProblem."""
        return integer_of(self.name, self._compute(row))

    def is_empty(self, row: Row) -> bool:
        """Whether it has columns, and all of them are empty in a row."""
        return bool(self._columns) and not any(row.cells[index] for index in self._columns)


class Template:
    """A text with formulas in braces, for the rows of a file. Raises FormulaError."""

    def __init__(self, name: str, text: str, vocabulary: Vocabulary) -> None:
        check_length(name, text)
        self._name = name
        self._parts = [_part(name, text, vocabulary, piece) for piece in _PIECES.finditer(text)]

    def text(self, row: Row) -> str:
        """The text for a row. Raises RowProblem."""
        text = "".join([part if isinstance(part, str) else part(row) for part in self._parts])
        if len(text) > MAX_MADE:
            raise RowProblem(f"{self._name} makes a text of more than {MAX_MADE:,} characters")
        return text


def literal_template(text: str) -> str:
    """A template whose text is the same for every row."""
    return text.replace("{", "{{").replace("}", "}}")


def _part(name: str, text: str, vocabulary: Vocabulary, piece: re.Match[str]) -> str | ComputeText:
    if piece["stray"]:
        problem = "this brace has no partner; write a brace twice to have it in the text"
        raise FormulaError(name, problem, text, piece.start())
    if piece["formula"] is None:
        return piece["text"] or piece["brace"][0]
    parser = FormulaParser(name, text, vocabulary, *piece.span("formula"))
    return parser.text(parser.parse())
