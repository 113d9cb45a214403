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

from api.operator_error import OperatorError
from api.settings import LOG_FORMAT, Settings, load_settings, unknown_variables
from ledger.postgres.migrations import MigrationError

COMMANDS = {
    "serve": "api.serve_command",
    "demo": "api.demo.command",
    "migrate": "api.migrate_command",
    "keys": "api.keys_command",
    "import": "api.import_command",
    "check": "api.check_command",
    "rebuild": "api.rebuild_command",
    "checkpoints": "api.checkpoints_command",
    "verify": "api.verify.command",
    "replay": "api.replay.command",
    "statement": "api.statements.command",
    "export": "api.export.command",
    "import-log": "api.log_import_command",
    "erase": "api.erase_command",
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


app = typer.Typer(cls=_Commands, no_args_is_help=True)


@app.callback()
def _credit_ledger() -> None:
    """An exact, durable, idempotent ledger of prepaid credits."""


if __name__ == "__main__":
    main()
