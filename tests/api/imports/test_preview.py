"""The preview and its question, rows that are left out, and what a file is."""

import os
import pty
import subprocess
from pathlib import Path

import pytest

from api.imports import checking
from tests.api.imports.importer import Importer
from tests.commands import PROGRAM, environment_for

FILE = "who,n,model\nann,5,large\nbob,200,small\nann,0,small\n\ncyd,7,large\nTotal,212,\n"
OPTIONS = ["--account", "{who}", "--amount", "n", "--usage", "model={model}"]


@pytest.fixture
def usage(tmp_path: Path) -> Path:
    path = tmp_path / "usage.csv"
    path.write_text(FILE)
    return path


def answered(importer: Importer, path: Path, answer: str, *options: str) -> tuple[int, str]:
    """A run on a terminal, on which somebody answers the question: its exit status, and what the terminal shows."""
    ours, theirs = pty.openpty()
    command = [*PROGRAM, "import", str(path), *options]
    run = subprocess.Popen(command, env=environment_for(importer.conninfo), stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown, told = b"", False
    try:
        while part := os.read(ours, 65_536):
            shown += part
            if not told and b"[y/N]" in shown:
                os.write(ours, f"{answer}\n".encode())
                told = True
    except OSError:  # how the end of a terminal is told
        pass
    os.close(ours)
    return run.wait(60), shown.decode().replace("\r\n", "\n")


def test_a_preview_asks_and_records_nothing_before(importer: Importer, usage: Path) -> None:
    status, shown = answered(importer, usage, "n", *OPTIONS, "--open-permanent", "100")
    assert status == 1
    assert importer.types() == {}
    for line in (
        "usage.csv: UTF-8, delimiter comma, decimal point",
        "to deduct           3 rows          212 credits",
        "left out 1 row with a total (line 7)",
        "left out 1 blank line",
        "row 0 (line 2): 'ann'            5 credits  model large, task_id usage.csv-0",
        "3 accounts:",
        "'bob'            1 rows          200 credits",
        "To open: 3 accounts.",
        "The ledger would refuse 1 row, insufficient_credits:",
        "row 1 (line 3), account 'bob': 200 credits are required and 100 are available.",
        "Each row is known by the job 'usage.csv' and its number",
        "Record 3 deductions? [y/N]",
        "credit-ledger: nothing is recorded",
    ):
        assert line in shown, shown

    status, shown = answered(importer, usage, "y", *OPTIONS, "--open-permanent", "300")
    assert status == 0, shown
    assert importer.draws() == {("ann", "permanent"): 5, ("bob", "permanent"): 200, ("cyd", "permanent"): 7}


def test_without_a_terminal_nobody_can_answer(importer: Importer, usage: Path) -> None:
    done = importer.ask(usage, *OPTIONS, "--open-permanent", "300", said="y\n")
    assert done.status == 2
    assert "nothing is recorded: say --yes to record without a question, or --dry-run to look" in done.err
    assert "To open: 3 accounts." in done.err
    assert importer.types() == {}

    done = importer.ask(usage, *OPTIONS, "--json")
    assert (done.status, done.out) == (2, "")
    assert "--json is for programs, which answer no question: say --yes or --dry-run too" in done.err


def test_what_was_recorded_before_is_told(importer: Importer, usage: Path) -> None:
    assert importer.run(usage, *OPTIONS, "--open-permanent", "300").status == 0
    shown = importer.ask(usage, *OPTIONS).err
    assert "Recorded already, and not charged again: 3 rows, 212 credits." in shown
    assert "The ledger would refuse none of them." in shown


def test_accounts_that_cannot_pay_for_a_long_file_are_named(
    importer: Importer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the rows that are tried, totals are compared with balances."""
    monkeypatch.setattr(checking, "TRIED", 10)
    path = tmp_path / "long.csv"
    path.write_text("who,n\n" + "ann,1\n" * 30 + "bob,1\n" * 5 + "cyd,1\n")
    few = tmp_path / "few.csv"
    few.write_text("who\nann\nbob\n")
    assert importer.run(few, "--account", "{who}", "--amount", "1", "--open-permanent", "21").status == 0
    shown = importer.ask(path, "--account", "{who}", "--amount", "n").err
    assert "The first 10 rows were tried on the ledger:" in shown
    assert "2 accounts cannot pay for the whole file:" in shown
    assert "'ann': 30 rows, 30 credits; 20 available" in shown
    assert "'cyd': 1 rows, 1 credits; there is no such account" in shown

    shown = importer.ask(path, "--account", "{who}", "--amount", "n", "--on-shortfall", "available").err
    assert "From 1 account what there is would be taken, and 10 credits be uncollected:" in shown
    assert "'ann': 30 credits, 10 of them uncollected" in shown
    assert "1 account cannot pay for the whole file:" in shown


def test_a_dry_run_shows_the_same_without_a_ledger(usage: Path) -> None:
    nowhere = Importer("host=127.0.0.1 port=1 dbname=nothing")
    done = nowhere.ask(usage, *OPTIONS, "--dry-run")
    assert done.status == 0
    assert "left out             1 row with a total (line 7)" in done.out
    assert "row 3 (line 6): 'cyd'            7 credits  model large, task_id usage.csv-3" in done.out
    assert "Each row is known by the job 'usage.csv' and its number" in done.out


# Rows that cannot be used.


def test_bad_rows_are_written_out_in_their_own_dialect_and_can_be_imported_once_corrected(
    importer: Importer, tmp_path: Path
) -> None:
    path, bad = tmp_path / "usage.csv", tmp_path / "bad.csv"
    content = 'sep=;\r\nwho;n;note\r\nann;0,5;"a; b"\r\nbob;x;größe\r\n;7;\r\ncyd;1,5\r\nann;2,5;\r\n'
    path.write_bytes(content.encode("cp1252"))
    options = ["--account", "{who}", "--amount", "n * 2", "--encoding", "windows-1252", "--open-permanent", "100"]
    refused = importer.run(path, *options)
    assert refused.status == 1
    assert "nothing is recorded" in refused.err
    assert importer.types() == {}

    done = importer.run(path, *options, "--skip-bad", str(bad), "--json")
    assert (done.status, done.report["deducted"], done.report["bad"]) == (0, 2, 3)
    assert done.report["left_out"] == ["3 rows that cannot be used"]
    assert importer.draws() == {("ann", "permanent"): 6}
    assert bad.read_bytes().decode("cp1252").split("\r\n") == [
        "sep=;",
        "who;n;note;import_problem",
        "bob;x;größe;column 'n' is 'x', not a number",
        ";7;;\"account_id must have 1 to 128 characters; it is ''\"",
        "cyd;1,5;;2 values, and the first line names 3 columns",
        "",
    ]

    bad.write_bytes(bad.read_bytes().replace(b"bob;x", b"bob;8").replace(b"\r\n;7;", b"\r\ndan;7;"))
    again = importer.run(bad, *options, "--json")
    assert (again.status, again.report["credits"]["deducted"]) == (0, 16 + 14 + 3)
    assert importer.run(path, *options, "--skip-bad", str(bad)).status == 0  # and the good ones are not charged again
    assert importer.draws()["ann", "permanent"] == 6


def test_without_bad_rows_there_is_no_file_of_them(importer: Importer, usage: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("of an earlier run\n")
    assert importer.run(usage, *OPTIONS, "--open-permanent", "300", "--skip-bad", str(bad)).status == 0
    assert not bad.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["usage.csv"]


@pytest.mark.parametrize(
    ("name", "status", "problem"),
    [
        ("usage.csv", 2, "--skip-bad: it names the file of the import itself"),
        ("no/folder/bad.csv", 1, "the bad rows cannot be written to"),
    ],
)
def test_where_bad_rows_cannot_go(usage: Path, tmp_path: Path, name: str, status: int, problem: str) -> None:
    usage.write_text(FILE + "dan,x,large\n")
    nowhere = Importer("host=127.0.0.1 port=1 dbname=nothing")
    done = nowhere.ask(usage, *OPTIONS, "--dry-run", "--skip-bad", str(tmp_path / name))
    assert done.status == status
    assert problem in done.err


# What a file is.


def test_detect(tmp_path: Path) -> None:
    nowhere, path = Importer("host=127.0.0.1 port=1 dbname=nothing"), tmp_path / "export.csv"
    path.write_text("request_id;spend;startTime;user\na;0,5;2026-11-28;ada\n")
    done = nowhere.ask(path, "--detect")
    assert (done.status, done.err) == (0, "")
    assert done.out == (
        "export.csv: LiteLLM, spend; UTF-8, delimiter semicolon, decimal comma\n"
        "  columns: 'request_id', 'spend', 'startTime', 'user'\n"
        "  import it with --from litellm --amount 'ceil(cost * 1000)'\n"
    )
    path.write_text("generation_id,created_at,tokens_prompt,user\na,2026-11-02,1000,ada\n")
    assert "--from openrouter --amount 'ceil(input_tokens / 1000)'" in nowhere.ask(path, "--detect").out
    path.write_text("Date,Kind,Model,Output Tokens,Cost\n2026-07-22,Included,composer,1,Free\n")
    told = nowhere.ask(path, "--detect").out
    assert "it has no column of the account (User): say with --account whose usage it is" in told
    assert "--from cursor --account ACCOUNT --amount 'ceil(cost * 100)'" in told
    path.write_text("a,b\n1,2\n")
    assert "export.csv: no export that is known; UTF-8, delimiter comma" in nowhere.ask(path, "--detect").out


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--encoding", "latin-1"], "--encoding: there is no 'latin-1'; there are utf-8, utf-16,"),
        (["--delimiter", "ab"], "--delimiter: 'ab' must be comma, semicolon, tab, pipe, or one sign"),
        (["--decimal", "'"], '--decimal: "\'" must be . or ,'),
        (["--time-zone", "Mars/Base"], "--time-zone: there is no zone 'Mars/Base'; a zone is such as Europe/Berlin"),
        (["--time", "n", "--time-format", "%H"], "--time-format: '%H' has no year, month and day"),
        (["--from", "nothing"], "--from: there is no profile 'nothing'"),
    ],
)
def test_options_that_are_wrong(usage: Path, options: list[str], problem: str) -> None:
    done = Importer("host=127.0.0.1 port=1 dbname=nothing").ask(usage, *OPTIONS, "--dry-run", *options)
    assert done.status == 2
    assert problem in done.err


def test_a_price_file_that_is_wrong_is_named(usage: Path, tmp_path: Path) -> None:
    done = Importer("host=127.0.0.1 port=1 dbname=nothing").ask(
        usage, *OPTIONS, "--dry-run", "--prices", str(tmp_path / "none.csv")
    )
    assert done.status == 1
    assert "none.csv: it cannot be opened" in done.err
