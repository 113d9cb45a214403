"""The command line: `credit-ledger serve`, `demo`, `migrate` and the others, each imported when it is asked for."""

import logging
import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import Any, cast

import psycopg
import typer
from typer.core import TyperGroup
from typer.main import get_group

from api.runtime.operator_error import OperatorError
from api.runtime.settings import LOG_FORMAT, Settings, load_settings, unknown_variables
from ledger.postgres.migrations import MigrationError

COMMANDS = {
    "serve": "api.cli.serve",
    "demo": "api.cli.demo",
    "migrate": "api.cli.migrate",
    "keys": "api.cli.keys",
    "import": "api.cli.import_usage",
    "check": "api.cli.check",
    "rebuild": "api.cli.rebuild",
    "checkpoints": "api.cli.checkpoints",
    "verify": "api.cli.verify",
    "replay": "api.cli.replay",
    "statement": "api.cli.statement",
    "export": "api.cli.export",
    "import-log": "api.cli.import_log",
    "erase": "api.cli.erase",
}
"""Where each command is; what only one of them needs is imported for that one alone."""


def main() -> None:
    """Run the command line; what an operator can mend is said in one line."""
    try:
        app()
    except (OperatorError, MigrationError) as error:
        sys.exit(f"credit-ledger: {error}")
    except psycopg.OperationalError as error:
        sys.exit(f"credit-ledger: the database cannot be reached: {str(error).strip()}")


def _settings(**given: object) -> Settings:
    settings = load_settings(**given)
    logging.basicConfig(level=settings.log_level.upper(), format=LOG_FORMAT)
    for name in unknown_variables(os.environ):
        logging.getLogger("credit_ledger").warning("%s is not a setting of this program", name)
    return settings


class _Late(Mapping[str, Any]):
    """The commands by name, as typer knows them."""

    def __getitem__(self, name: str) -> Any:
        alone = typer.Typer()
        import_module(COMMANDS[name]).add_to(alone, _settings)
        return get_group(alone).commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class _Commands(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = cast(MutableMapping[str, Any], _Late())


app = typer.Typer(cls=_Commands, no_args_is_help=True, pretty_exceptions_show_locals=False)  # some hold a password


@app.callback()
def _credit_ledger() -> None:
    """An exact, durable, idempotent ledger of prepaid credits."""
