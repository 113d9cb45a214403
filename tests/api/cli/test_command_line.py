"""The command line as a whole: what it has, what it says of a slip, and what it does not load."""

import subprocess
import sys
from importlib.metadata import version
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from api.cli.commands import COMMANDS
from api.cli.main import app

_RUN = [sys.executable, "-X", "importtime", "-m", "api.cli"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_found_under_its_name(name: str) -> None:
    shown = CliRunner().invoke(app, [name, "--help"], prog_name="credit-ledger")
    assert shown.exit_code == 0
    assert f"credit-ledger {name}" in shown.output


def test_help_names_every_command_and_what_it_is_for() -> None:
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    assert all(f"{name} " in shown and command.summary in shown for name, command in COMMANDS.items())


def test_a_command_is_listed_with_the_beginning_of_its_own_help() -> None:
    group: Any = get_command(app)
    assert {name: group.commands[name].help.split("\n\n")[0] for name in COMMANDS} == {
        name: command.summary for name, command in COMMANDS.items()
    }


def test_the_version_is_that_of_the_package() -> None:
    shown = CliRunner().invoke(app, ["--version"])
    assert (shown.exit_code, shown.output) == (0, f"credit-ledger {version('credit-ledger')}\n")


def test_a_slip_is_told_with_what_was_meant() -> None:
    slip = CliRunner().invoke(app, ["chek"])
    assert slip.exit_code == 2
    assert "Did you mean 'check'?" in slip.output


def loaded(*words: str) -> set[str]:
    """The modules that a call loads."""
    shown = subprocess.run([*_RUN, *words], capture_output=True, text=True, check=True)
    return {line.rsplit("|", 1)[-1].strip() for line in shown.stderr.splitlines() if "|" in line}


def test_a_command_loads_only_what_it_needs() -> None:
    """The web server and its framework take longer to load than keys take to list."""
    found = loaded("keys", "--help")
    assert "people.api_keys" in found
    assert not found & {"fastapi", "granian", "api.app"}


def test_the_list_of_commands_loads_none() -> None:
    """Nor what all of them need: the settings and the database."""
    found = loaded("--help")
    assert "api.cli.commands" in found
    assert not found & {"pydantic", "psycopg", "api.cli.loading", *(command.module for command in COMMANDS.values())}


def test_the_earlier_name_of_checkpoints_abandon_is_hidden_and_works() -> None:
    group = CliRunner().invoke(app, ["checkpoints", "--help"]).output
    assert "abandon" in group
    assert "forsake" not in group
    new, old = (CliRunner().invoke(app, ["checkpoints", name, "--help"]) for name in ("abandon", "forsake"))
    assert (old.exit_code, old.output) == (0, new.output.replace("checkpoints abandon", "checkpoints forsake"))
