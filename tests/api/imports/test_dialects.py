"""Dialects: what is found in a file and what is told, and records that are no usage."""

from pathlib import Path
from typing import Any

import pytest

from api.imports.files.dialect import DialectOptions
from api.imports.files.row import FileProblem
from api.imports.files.usage_file import UsageFile, open_file

TABLE = [["name", "größe"], ["ann", "1,5"], ["bob; x", '2,5 "']]


def read(folder: Path, content: bytes, **told: Any) -> UsageFile:
    path = folder / "usage.csv"
    path.write_bytes(content)
    with open_file(path) as opened:
        file = UsageFile(opened, DialectOptions(**told))
        file.__dict__["read"] = [row.cells for row in file.rows()]
        return file


def rows(file: UsageFile) -> list[list[str]]:
    found: list[list[str]] = file.__dict__["read"]
    return found


def written(delimiter: str, end: str) -> str:
    def cell(text: str) -> str:
        quoted = text.replace('"', '""')
        return f'"{quoted}"' if {delimiter, '"'} & set(text) else text

    return "".join(delimiter.join(map(cell, record)) + end for record in TABLE)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    ("encoding", "told"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", None),
        ("utf-16-be", "utf-16-be"),
        ("utf-16-le", "utf-16"),
        ("cp1252", "windows-1252"),
    ],
)
@pytest.mark.parametrize("separator", [False, True])
def test_every_dialect_says_the_same(
    tmp_path: Path,
    end: str,
    delimiter: str,
    encoding: str,
    told: str | None,
    separator: bool,  # noqa: FBT001
) -> None:
    text = (f"sep={delimiter}{end}" if separator else "") + written(delimiter, end)
    file = read(tmp_path, text.encode(encoding), encoding=told)
    assert [file.columns, *rows(file)] == TABLE
    assert file.dialect.delimiter == delimiter
    assert file.dialect.line_end == end
    assert file.bytes_read == file.size
    if delimiter != ",":
        assert file.dialect.decimal == ","


@pytest.mark.parametrize(
    ("content", "told", "delimiter", "decimal"),
    [
        ("a;b\n1;2,5\n", {}, ";", ","),
        ("a;b\n1;2.5\n", {}, ";", "."),
        ("a;b\n1;1.396\n", {}, ";", None),
        ("a;b\n1;1.396\n2;0,5\n", {}, ";", ","),
        ("a;b\n1;02.11.2026 10:00\n", {}, ";", "."),
        ('a,b\n1,"1,396"\n', {}, ",", "."),
        ('a,b\n1,"0,5"\n', {}, ",", "."),
        ('a,b\n1,"0,5"\n', {"decimal": ","}, ",", ","),
        ("a b\n1 2\n", {"delimiter": " "}, " ", "."),
        ("a;b,c\n1;2\n", {}, ",", "."),
        ("a;b,c\n1;2\n", {"delimiter": ";"}, ";", "."),
        ('"a,b,c,d";e\n1;2\n', {}, ";", "."),
        ("sep=\na\tb\n1\t2\n", {}, "\t", "."),
        ("sep=;;;\na;b\n1;2\n", {}, ";", "."),
        ("one\n1\n", {}, ",", "."),
    ],
)
def test_delimiter_and_decimal_sign_are_found_or_told(
    tmp_path: Path, content: str, told: dict[str, Any], delimiter: str, decimal: str | None
) -> None:
    file = read(tmp_path, content.encode(), **told)
    assert (file.dialect.delimiter, file.dialect.decimal) == (delimiter, decimal)


def test_a_dialect_in_words(tmp_path: Path) -> None:
    assert str(read(tmp_path, b"\xef\xbb\xbfa;b\r\n1;0,5\r\n").dialect) == "UTF-8, delimiter semicolon, decimal comma"


def test_lines_count_from_the_line_that_names_the_delimiter(tmp_path: Path) -> None:
    path = tmp_path / "usage.csv"
    path.write_text("sep=;\na;b\n1;2\n\n3;4\n")
    with open_file(path) as opened:
        assert [row.place for row in UsageFile(opened).rows()] == ["row 0 (line 3)", "row 1 (line 5)"]


@pytest.mark.parametrize(
    ("content", "told", "problem"),
    [
        (b"a,b\n\x81,1\n", "windows-1252", "line 2 is not Windows-1252 (byte 1 of the line is 0x81)"),
        ("a,b\n".encode("utf-16"), "utf-8", "it begins with the byte order mark of UTF-16-LE, and --encoding says"),
        (b"\xef\xbb\xbfa,b\n", "utf-16", "it begins with the byte order mark of UTF-8, and --encoding says utf-16"),
        ("a,b\n\ud800,1".encode("utf-16-le", "surrogatepass"), "utf-16", "it is not UTF-16-LE: "),
        (b"a,b\n" + b'1,"' + b"x" * 200_000, None, "a value has more than 131,072 characters"),
    ],
)
def test_what_no_dialect_can_read(tmp_path: Path, content: bytes, told: str | None, problem: str) -> None:
    with pytest.raises(FileProblem) as caught:
        read(tmp_path, content, encoding=told)
    assert problem in str(caught.value)


def test_records_that_are_no_usage_are_left_out_and_counted(tmp_path: Path) -> None:
    content = (
        "day,who,n\n2026-01-01,ann,1\n\n , ,\n,,\nday,who,n\n2026-01-02,bob,2\n"
        "Total,,3\n   \nGrand total:,,3\nSumme,3\nTotal,ann,4\ntotals,,\n"
    )
    file = read(tmp_path, content.encode())
    assert [cells[1] for cells in rows(file)] == ["ann", "bob", "ann"]
    found = file.incidental
    assert (found.blank, found.repeated_headers, found.total_count) == (4, 1, 4)
    assert [row.line for row in found.totals] == [8, 10, 11, 13]


def test_rows_keep_their_numbers_around_what_is_left_out(tmp_path: Path) -> None:
    """A key has the number, and an import by an earlier version counted every record."""
    path = tmp_path / "usage.csv"
    path.write_text("who,n\nann,1\nwho,n\n\n,\nbob,2\nTotal,\n")
    with open_file(path) as opened:
        assert [(row.number, row.cells[0]) for row in UsageFile(opened).rows()] == [(0, "ann"), (3, "bob")]
