"""The command line: `credit-ledger serve`, `demo` and the others. It imports a command when the command is called."""

import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from importlib.metadata import version
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from api.cli.commands import COMMANDS
from api.cli.errors import reported
from api.runtime.processes.garbage_collection import import_without_collection
from api.runtime.processes.safe_path import use_safe_path
from ledger.postgres.application_name import name_connections


def main() -> None:
    """Run the command line."""
    with reported():
        app()


def start() -> None:
    """Run the command line as this process. What it writes is for its own user, unless it is meant for others."""
    os.umask(0o077)
    use_safe_path(sys.path, os.environ)
    if COMMANDS.keys() & sys.argv[1:2]:
        name_connections(sys.argv[1])
    main()


class _ImportedCommands(Mapping[str, Any]):
    """The commands by name. It imports the module of a command at the first look."""

    def __getitem__(self, name: str) -> Any:
        alone, settings = typer.Typer(), import_without_collection("api.cli.loading").loaded_settings
        import_without_collection(COMMANDS[name].module).add_to(alone, settings)
        return get_group(alone).commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class _Commands(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = cast(MutableMapping[str, Any], _ImportedCommands())

    def get_command(self, _: Any, cmd_name: str) -> Any:
        """What lists show of a command, without its import; None for a name that no command has."""
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name].summary) if cmd_name in COMMANDS else None

    def list_commands(self, _: Any) -> list[str]:
        """The names of the commands, in the order of help."""
        return list(COMMANDS)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that a call names, with the rest of its words."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, listed and self.commands[args[0]], rest


app = typer.Typer(cls=_Commands, no_args_is_help=True, pretty_exceptions_show_locals=False)  # some hold a password


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - as typer calls it
    if wanted:
        typer.echo(f"credit-ledger {version('credit-ledger')}")
        raise typer.Exit


@app.callback()
def _credit_ledger(
    *,
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """An exact, durable, idempotent ledger of prepaid credits."""
