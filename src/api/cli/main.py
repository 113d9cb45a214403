"""The command line: `credit-ledger serve`, `demo` and the others. It imports a command when the command is called."""

import logging
import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from importlib.metadata import version
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup
from typer.main import get_group

from api.cli.errors import reported
from api.runtime.processes.garbage_collection import import_without_collection
from api.runtime.processes.logs import start_logging
from api.runtime.processes.safe_path import use_safe_path
from api.runtime.settings import Settings, load_settings, unknown_variables, use_config
from ledger.postgres.application_name import name_connections

COMMANDS = {
    "serve": "api.cli.serve",
    "demo": "api.cli.demo",
    "settings": "api.cli.settings",
    "doctor": "api.cli.doctor",
    "migrate": "api.cli.migrate",
    "move": "api.cli.move",
    "keys": "api.cli.keys",
    "import": "api.cli.import_usage",
    "grant": "api.cli.grant",
    "catalog": "api.cli.catalog",
    "prices": "api.cli.prices",
    "check": "api.cli.check",
    "rebuild": "api.cli.rebuild",
    "checkpoints": "api.cli.checkpoints",
    "verify": "api.cli.verify",
    "replay": "api.cli.replay",
    "statement": "api.cli.statement",
    "export": "api.cli.export",
    "import-log": "api.cli.import_log",
    "erase": "api.cli.erase",
    "billing": "api.cli.billing",
}
"""The module of each command. A call imports only the module of its command."""


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


def _settings(**given: object) -> Settings:
    settings = load_settings(**given)
    use_config(os.environ)
    start_logging(settings.log_level, settings.log_format)
    for name in unknown_variables(os.environ):
        logging.getLogger("credit_ledger").warning("%s is not a setting of this program", name)
    return settings


class _ImportedCommands(Mapping[str, Any]):
    """The commands by name. It imports the module of a command at the first look."""

    def __getitem__(self, name: str) -> Any:
        alone = typer.Typer()
        import_without_collection(COMMANDS[name]).add_to(alone, _settings)
        return get_group(alone).commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class _Commands(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = cast(MutableMapping[str, Any], _ImportedCommands())


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
