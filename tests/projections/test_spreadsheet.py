"""What the program writes as CSV is run by no spreadsheet, whatever callers put into it, and stays what it was."""

import csv
import io
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from projections.models.spreadsheet import csv_line, harmless

SOURCES = Path(__file__).parents[2] / "src"
SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212\u2010\u2013\u2014\u207a\u208b\u2795\u2796\ua78a"
BLANKS = (
    *(" ", "\t", "\r", "\n", "\v", "\f", "\x00", "\x1b", "\x1f", "\x7f", "\x85", "\xa0", "\xad", "\u1680", "\u180e"),
    *("\u2003", "\u200b", "\u200d", "\u200e", "\u2028", "\u2029", "\u202e", "\u2060", "\u2063", "\u2800", "\u3000"),
    *("\u3164", "\uffa0", "\ufeff", "\ufe0f", "\u034f", "\u0301", '"'),
)
HOSTILE = st.text(st.sampled_from([*SIGNS, *BLANKS, *";,'|!a1", *';;""==']), max_size=12)
TEXTS = HOSTILE | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.integers(-(2**53), 2**53)

_SKIPPED = re.compile(r'[\s\x00-\x1f\x7f-\x9f"\xad\u034f\u0301\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\u2800\u3000'
                      r"\u3164\ufe0f\ufeff\uffa0]*")  # fmt: skip


def runs(cell: str) -> bool:
    """Whether some spreadsheet may run a cell."""
    shown = cell[_SKIPPED.match(cell).end() :]  # type: ignore[union-attr]  # it matches nothing, too
    return shown.startswith(tuple(SIGNS)) or normalize("NFKC", shown).startswith(tuple("=+-@"))


def divided(line: str) -> Iterator[str]:
    """The cells of programs that do not know our separator: with another one, with and without regard for quotes."""
    yield from re.split("[;\t\r\n\v\f\x85\u2028\u2029]", line)
    for separator in ";\t":
        for row in csv.reader(io.StringIO(line, newline=""), delimiter=separator):
            yield from row


@pytest.mark.parametrize("before", ["", "a;", "a\t", "a\n", "a\r\n", "a;;", 'a;"'])
def test_a_sign_is_never_the_first_of_a_cell(before: str) -> None:
    for blank, sign in product(("", *BLANKS), SIGNS):
        text = f"{before}{blank}{sign}1+1"
        line = csv_line([7, text, -5])
        [row] = csv.reader([line] if "\n" not in line[:-2] else io.StringIO(line, newline=""))
        cells = [row[1], *divided(line)]
        assert not any(map(runs, cells)), (text, cells)


@given(st.lists(TEXTS | NUMBERS | st.none(), min_size=1, max_size=4))
@example(["x;", -5, ';"=1'])
@example(["x\n", "", '"=1";'])
def test_no_cell_runs_and_nothing_else_changes(values: list[str | int | None]) -> None:
    line = csv_line([1, *values])
    [[first, *row]] = csv.reader(io.StringIO(line, newline=""))
    assert first == "1"
    for value, cell in zip(values, row, strict=True):
        if isinstance(value, str):
            assert not runs(cell)
            assert cell.replace("'", "") == value.replace("'", "")
        else:
            assert cell == ("" if value is None else str(value))
    ours = {str(value) for value in values if isinstance(value, int)}
    assert [cell for cell in divided(line) if runs(cell) and cell not in ours] == []


@given(TEXTS)
def test_a_text_that_is_harmless_stays(text: str) -> None:
    assert harmless(harmless(text)) == harmless(text)


@pytest.mark.parametrize("text", ["", "task-abc", "50% off", "café", "a, -b", "x = y", "'=1", "2026-11-29", "a;b", "½"])
def test_what_is_no_formula_is_written_as_it_is(text: str) -> None:
    assert list(csv.reader([csv_line([text, "end"])])) == [[text, "end"]]


def test_numbers_of_ours_stay_numbers() -> None:
    assert csv_line([-5, None, 0, 2**53, "-5"]) == f'-5,,0,{2**53},"\'-5"\r\n'


def test_no_other_file_writes_csv() -> None:
    written = re.compile(r"csv\.(?:writer|DictWriter)|from csv import|to_csv|write_csv")
    found = {path.name for path in SOURCES.rglob("*.py") if written.search(path.read_text(encoding="utf-8"))}
    assert found == {"bad_rows.py"}, "which gives rows of an imported file back as they were, to be imported again"
