"""Files that cannot be imported: the error and its place are reported, and nothing is recorded."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.cli import progress as progress_module
from api.cli.progress import Lines
from api.contract.operations import Defaults
from api.imports.checking import check
from api.imports.files.row import FileProblem
from api.imports.files.usage_file import UsageFile, _split, open_file
from api.imports.formulas.errors import FormulaError
from api.imports.rating import Opening, OptionProblem, Options
from ledger.domain.amounts import MAX_AMOUNT

PLAIN = Options(job="job", account="{who}", amount="n")


def checked(folder: Path, content: bytes, options: Options = PLAIN) -> tuple[int, int, int]:
    """Rows, credits and skipped rows of a file."""
    path = folder / "usage.csv"
    path.write_bytes(content)
    tally = asyncio.run(check(path, options, Defaults(), Lines())).tally
    return tally.rows, tally.credits_deducted, tally.skipped


def cells(folder: Path, content: bytes) -> list[list[str]]:
    path = folder / "usage.csv"
    path.write_bytes(content)
    with open_file(path) as opened:
        return [row.cells for row in UsageFile(opened).rows()]


@pytest.mark.parametrize(
    "content",
    [
        b"who,n\nann,1\nbob,2\n",
        b"who,n\r\nann,1\r\nbob,2",
        b"\xef\xbb\xbfwho,n\nann,1\nbob,2\n",
        b"n, who \n1, ann\n\n\n2,bob \n\n",
        b"who,n\nann,1\n   \n\t\nbob,2\n \xc2\xa0",
        b"who,n\rann,1\rbob,2",
        b"\xef\xbb\xbfwho,n\r\rann,1\r  \rbob,2\r",
        b"who,n\r\r\nann,1\r\r\nbob,2\r\r\n",
        b"who,n\rann,1\nbob,2\r\n",
        b'"who","n"\n"ann","1"\n"bob","2"\n',
        b'who,n,note\nann,1,"two\nlines, and ""quotes"""\nbob,2,\n',
    ],
)
def test_files_that_are_good(tmp_path: Path, content: bytes) -> None:
    assert checked(tmp_path, content) == (2, 3, 0)


def test_values_are_kept_without_the_spaces_around_them(tmp_path: Path) -> None:
    assert cells(tmp_path, 'who,n\n "a b" , 1\n"größe\n2",\n'.encode()) == [['"a b"', "1"], ["größe\n2", ""]]


@given(st.lists(st.sampled_from(["who,n", "ann,1", '"a', 'b"', " ", "\n", "\r", "\r\n"])).map("".join))
def test_lines_end_wherever_a_block_does(text: str) -> None:
    """A file is read in blocks, and a CR may be in one and its LF in the next."""
    whole = text.encode()
    blocks = [whole[start : start + 3] for start in range(0, len(whole), 3)]
    assert list(_split(blocks)) == whole.splitlines(keepends=True)


def test_line_ends_within_quotes_are_kept(tmp_path: Path) -> None:
    assert cells(tmp_path, b'who,n\r"a\rb\n \r\nc",1\r""\r" ",2') == [["a\rb\n \r\nc", "1"], [""], ["", "2"]]


PROGRAMS = {
    "Excel, CSV UTF-8": b'\xef\xbb\xbfcustomer,n,note\r\nann,1,\r\n\xc3\xbcmit,2,"one, two"\r\n',
    "Excel, CSV for Macintosh": b'customer,n,note\rann,1,\remit,2,"one, two"\r',
    "LibreOffice": b'customer,n,note\nann,1,\nemit,2,"one, two"\n',
    "pandas": b'customer,n,note\nann,1,\nemit,2,"one, two"\n',
    "PostgreSQL, COPY": b'customer,n,note\nann,1,""\nemit,2,"one, two"\n',
    "by hand": b"customer, n, note\r\n\r\nann, 1,\r\n      \r\nemit, 2, one and two\r\n\t\r\n  ",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_programs_write_is_understood(tmp_path: Path, program: str) -> None:
    rows = cells(tmp_path, PROGRAMS[program])
    assert [row[1] for row in rows] == ["1", "2"]
    assert [len(row) for row in rows] == [3, 3]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the first line must name the columns, and it is empty"),
        (b"\nann,1\n", "the first line must name the columns, and it is empty"),
        (b"who,n,who\nann,1,2\n", "the first line names a column more than once: 'who'"),
        (b",".join([b"c%d" % n for n in range(1_001)]), "the first line names 1,001 columns; at most 1,000 are read"),
        (b"who,n\nann,1\nbob\n", "row 1 (line 3): 1 value, and the first line names 2 columns"),
        (b"who,n\n\nann,1,5\n", "row 0 (line 3): 3 values, and the first line names 2 columns"),
        (
            b"who,n\nann,1\nb\xfcrger,2\n",
            "line 3 is not UTF-8 (byte 2 of the line is 0xfc): save it again as 'CSV UTF-8', or say --encoding",
        ),
        ("who,n\nann,1\n".encode("utf-16-le"), "it looks like UTF-16 without a byte order mark: say --encoding utf-16"),
        ("\ufeffwho,n\nann,1\n".encode("utf-16-le")[:-1], "it is not UTF-16-LE: "),
        (
            b'who,n\nann,1\n"bob"x,2\n',
            "line 3 is not CSV: a value continues after its closing quote; write a quote within a value twice",
        ),
        (b'who,n\nann,1\n"bob,2\n', "line 3 is not CSV: a quoted value has no end"),
        (b"who,n\rann,1\r  \rann,1.5\r", "row 1 (line 4): --amount is 3/2, not an integer: use ceil()"),
        (b"who,n\r" + b"x" * 2_000_000, "line 2 has more than 1,048,576 bytes: is this a CSV file?"),
        (
            b'who,n\n"' + b'ab\n","' * 200_000,
            "has more than 1,048,576 bytes: is a closing quote missing?",
        ),
        (b"   \nann,1\n", "the first line must name the columns, and it is empty"),
        (b"who,n\n" + b"x" * 2_000_000, "line 2 has more than 1,048,576 bytes: is this a CSV file?"),
        (b"who,n\n" + b"x" * 200_000 + b",1\n", "line 2 is not CSV: a value has more than 131,072 characters"),
        (b"who,n\nann,1\nann,1.5\n", "row 1 (line 3): --amount is 3/2, not an integer: use ceil()"),
        (b"who,n\nann,-1\n", "row 0 (line 2): amount input should be greater than or equal to 1; it is -1"),
        (b"who,n\nann,9007199254740992\n", "amount input should be less than or equal to 9007199254740991"),
        (b"who,n\n,1\n", "row 0 (line 2): account_id must have 1 to 128 characters; it is ''"),
        (
            b"who,n\na/../b,1\n",
            "account_id must not have a dot segment: '.' or '..', alone or between slashes; it is 'a/../b'",
        ),
        (b"who,n\na\x00b,1\n", "account_id must not contain control characters"),
        (b"who,n\na/..,0\n", "account_id must not have a dot segment"),
    ],
)
def test_files_that_are_bad(tmp_path: Path, content: bytes, problem: str) -> None:
    with pytest.raises(FileProblem) as caught:
        checked(tmp_path, content)
    assert problem in str(caught.value)


def test_bad_rows_are_listed_together(tmp_path: Path) -> None:
    with pytest.raises(FileProblem) as caught:
        checked(tmp_path, b"who,n\nann,one\nann,2\nann,three\n")
    assert str(caught.value) == (
        "it has rows that cannot be used; nothing is recorded:\n"
        "  row 0 (line 2): column 'n' is 'one', not a number\n"
        "  row 2 (line 4): column 'n' is 'three', not a number"
    )
    with pytest.raises(FileProblem) as caught:
        checked(tmp_path, b"who,n\n" + b"ann,x\n" * 100)
    assert str(caught.value).count("not a number") == 20
    assert str(caught.value).endswith("and maybe more")


def test_a_header_that_looks_like_data_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(FormulaError, match=r"there are 'ann', '5' \(is the line that names the columns missing\?\)"):
        checked(tmp_path, b"ann,5\nbob,6\n")


@pytest.mark.parametrize("folder", [".", "nothing.csv"])
def test_what_is_no_file(tmp_path: Path, folder: str) -> None:
    with pytest.raises(FileProblem, match="it cannot be opened: "):
        asyncio.run(check(tmp_path / folder, PLAIN, Defaults(), Lines()))


@pytest.mark.parametrize(
    ("time", "problem"),
    [
        ("2023-11-16 18:15:46.6805900", None),
        ("2026-01-31T12:00:00Z", None),
        ("2026-01-31T12:00:00.123+01:00", None),
        ("2026-01-31", None),
        ("31.01.2026", "'31.01.2026', not a time: is the month or the day first? Say --time-format us or"),
        ("yesterday", "'yesterday', not a time such as 2026-01-31T12:00:00Z; for another form give --time-format"),
        ("", "empty"),
        ("2026-02-30", "'2026-02-30', not a time such as"),
    ],
)
def test_times(tmp_path: Path, time: str, problem: str | None) -> None:
    content = f"who,n,when\nann,1,{time}\n".encode()
    options = replace(PLAIN, time="when")
    if problem is None:
        assert checked(tmp_path, content, options) == (1, 1, 0)
    else:
        with pytest.raises(FileProblem, match=re.escape(f"row 0 (line 2): column 'when' is {problem}")):
            checked(tmp_path, content, options)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (replace(PLAIN, time="when"), "--time: there is no column 'when'; there are 'who', 'n'"),
        (replace(PLAIN, usage={"colour": "red"}), "--usage: there is no field 'colour'; there are provider, model,"),
        (replace(PLAIN, job=""), "'' cannot be the name of a job"),
        (replace(PLAIN, job="x" * 101), "cannot be the name of a job: a name has 1 to 100 printable characters"),
        (replace(PLAIN, job="ü" * 20), "and each outside of ASCII counts as several; give a name with --job"),
        (replace(PLAIN, job="a\nb"), "cannot be the name of a job"),
        (replace(PLAIN, job="\udcff"), "cannot be the name of a job"),
    ],
)
def test_options_that_are_bad(tmp_path: Path, options: Options, problem: str) -> None:
    with pytest.raises(OptionProblem) as caught:
        checked(tmp_path, b"who,n\nann,1\n", options)
    assert problem in str(caught.value)


def test_an_account_cannot_be_opened_with_more_than_a_balance_may_be() -> None:
    with pytest.raises(OptionProblem, match="may have a sum of at most 9007199254740991"):
        Opening(signup=1, permanent=MAX_AMOUNT)


@pytest.mark.parametrize(
    ("usage", "problem"),
    [
        ({"model": "{who}" * 100}, "usage.model string should have at most 128 characters"),
        ({"input_tokens": "0 - n"}, "usage.input_tokens input should be greater than or equal to 0; it is -1"),
        ({"output_tokens": "who"}, "column 'who' is 'ann', not a number"),
        ({"success": "{n}"}, "--usage success gives '1', not true or false"),
        ({"output_tokens": "n / 2"}, "--usage output_tokens is 1/2, not an integer"),
    ],
)
def test_usage_that_is_bad(tmp_path: Path, usage: dict[str, str], problem: str) -> None:
    with pytest.raises(FileProblem) as caught:
        checked(tmp_path, b"who,n\nann,1\n", replace(PLAIN, usage=usage))
    assert f"row 0 (line 2): {problem}" in str(caught.value)


def test_without_a_terminal_there_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for every, line in ((3_600.0, ""), (0.0, "recording: 12,000 of 19,366 rows\n")):
        monkeypatch.setattr(progress_module, "EVERY", every)
        progress = Lines(every)
        progress.begin("recording", 19_366, "rows")
        progress.reach(12_000)
        assert capsys.readouterr().err == line
