"""What stops a command: one line on stderr, without a traceback, and the exit status that the documents name."""

import re
from pathlib import Path

import psycopg
import pytest

from api.cli.errors import Failure, Failures, reported
from ledger.postgres.migrations import MigrationError
from tests.commands import command

CLI = Path("src/api/cli")
NOWHERE = "postgresql://nobody@127.0.0.1:9/nothing"
"""A port that nothing listens on."""

# For each command its words, and the exit status when it cannot begin.
COMMANDS = {
    "check": (["check"], 3),
    "checkpoints": (["checkpoints", "list"], 3),
    "erase": (["erase", "ada", "--yes"], 1),
    "export": (["export", "--format", "csv", "--to", "-"], 1),
    "grant": (["grant", "--to", "rows.csv", "--amount", "1", "--job", "j", "--yes"], 1),
    "import": (["import", "rows.csv", "--account", "ada", "--amount", "1"], 1),
    "import-log": (["import-log", "rows.csv"], 1),
    "keys": (["keys", "list"], 1),
    "migrate": (["migrate"], 1),
    "rebuild": (["rebuild"], 1),
    "replay": (["replay", "ada"], 3),
    "statement": (["statement", "ada"], 3),
    "verify": (["verify"], 3),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_wrong_setting_is_one_line(name: str) -> None:
    words, status = COMMANDS[name]
    done = command(NOWHERE, *words, settings={"CREDIT_LEDGER_WORKERS": "many"})
    assert (done.status, done.out) == (status, "")
    assert re.fullmatch(r"credit-ledger: .*CREDIT_LEDGER_WORKERS.*\n", done.err)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_database_that_cannot_be_reached_is_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text("a\n1\n")
    words, status = COMMANDS[name]
    done = command(NOWHERE, *words)
    assert (done.status, done.out) == (status, "")
    assert done.err.startswith("credit-ledger: the database cannot be reached: ")


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (MigrationError("the database is newer"), 3, "the database is newer"),
        (psycopg.errors.ConnectionFailure("gone\n"), 3, "the database cannot be reached: gone"),
        (psycopg.errors.InsufficientPrivilege("no"), 3, "the database login lacks a right: no"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (FileNotFoundError(2, "No such file"), 1, "no file: No such file"),
    ],
)
def test_an_exception_ends_a_command(
    error: BaseException, status: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    own: Failures = {OSError: Failure(1, lambda problem: f"no file: {problem.strerror}")}
    with pytest.raises(SystemExit) as end, reported(own, otherwise=3):
        raise error
    assert (end.value.code, capsys.readouterr().err) == (status, f"credit-ledger: {line}\n")


def test_a_fault_of_the_program_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), reported():
        raise ZeroDivisionError


def test_a_commands_own_line_comes_before_the_common_one(capsys: pytest.CaptureFixture[str]) -> None:
    own: Failures = {KeyboardInterrupt: Failure(130, lambda _: "interrupted; run it again")}
    with pytest.raises(SystemExit), reported(own):
        raise KeyboardInterrupt
    assert capsys.readouterr().err == "credit-ledger: interrupted; run it again\n"


def test_no_other_file_of_the_command_line_ends_the_program_with_a_line() -> None:
    others = [path for path in CLI.glob("*.py") if path.name != "errors.py"]
    found = [path.name for path in others if re.search(r"sys\.exit\(|_fail\(|\"credit-ledger: ", path.read_text())]
    assert found == []
