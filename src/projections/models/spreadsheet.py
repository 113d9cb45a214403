"""Lines of CSV for spreadsheets: the one place that writes CSV, so that no text of a caller is ever run as a formula.

A spreadsheet runs a cell that begins with a sign: = + - or @. Some skip blanks and invisible characters before it, and
take look-alikes for it, such as the fullwidth signs. With `;` or a tab as the separator of its locale, a spreadsheet
does not know our quotes, and begins a cell or a line in the middle of a text. At each of these places the text gets an
apostrophe, which makes a cell a text. Numbers are written as they are: the negative ones are ours.
"""

import re
from collections.abc import Iterable
from unicodedata import category, normalize

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ .:/@+=-]*")
"""A text that no spreadsheet runs or divides. Most texts are plain, and this is the quickest way to see it."""
_BREAKS = re.compile("([;\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+)")
"""Where a spreadsheet of another locale begins a cell or a line."""
_AT_THE_START = ("\t", "\r")
"""A text that begins with one of these is marked, whatever follows."""
_IGNORED = frozenset({"Cc", "Cf", "Cn", "Co", "Zs", "Zl", "Zp", "Mn", "Me"})
"""The categories of characters that may be skipped before a sign: blanks, controls, marks, and what has no glyph."""
_FILLERS = frozenset('"\u115f\u1160\u2800\u3164\uffa0')
"""More of them: quotes, which a spreadsheet takes away, and letters that look like blanks."""
_SIGNS = frozenset("=+-@")
_LOOK_ALIKES = frozenset("\u02d7\u2043\u2212\u2795\u2796\ua78a")
"""Signs that are neither dashes nor compatible with a sign: some minus signs, the heavy plus, and an equals sign."""


def csv_line(values: Iterable[object]) -> str:
    """A line with its end. None is an empty cell, a text is made harmless, and other values are written as they are."""
    return ",".join([_cell(value) for value in values]) + "\r\n"


def _cell(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return str(value)
    if not value or _PLAIN.fullmatch(value):
        return value
    return '"' + harmless(value).replace('"', '""') + '"'


def harmless(text: str) -> str:
    """The text with an apostrophe before everything that a spreadsheet would run. It adds nothing else."""
    first, *others = _BREAKS.split(text)
    marked = first + "".join([_marked(part) for part in others])
    return f"'{marked}" if text.startswith(_AT_THE_START) or _is_formula(text) else marked


def _marked(part: str) -> str:
    return f"'{part}" if _is_formula(part) else part


def _is_formula(text: str) -> bool:
    """Whether the first character that a spreadsheet may look at is a sign."""
    for character in text:
        if character not in _FILLERS and category(character) not in _IGNORED:
            return _is_sign(character)
    return False


def _is_sign(character: str) -> bool:
    compatible = normalize("NFKC", character)[:1]
    return compatible in _SIGNS or category(compatible) == "Pd" or compatible in _LOOK_ALIKES
