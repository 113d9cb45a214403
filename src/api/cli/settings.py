"""`credit-ledger settings`: prints which settings are in force, and where each comes from."""

import os
from collections.abc import Callable, Mapping
from typing import Annotated, NamedTuple

import orjson
import typer

from api.runtime.settings import Given, Settings, given_settings, secret_settings, variable

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


class _Line(NamedTuple):
    """What is printed of one setting."""

    variable: str
    value: str | None
    """None if it is not set, and for a secret."""
    secret: bool
    source: str

    @property
    def shown(self) -> str:
        if self.secret and self.source != "default":
            return "(secret)"
        return "(not set)" if self.value is None else self.value


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Add `settings` to the command line."""

    @app.command("settings")
    def settings(*, json: Json = False) -> None:
        """Show which settings are in force, and where each comes from. Secrets are not shown."""
        given = given_settings(os.environ)
        lines = _lines(load_settings(), given)
        if json:
            typer.echo(orjson.dumps([line._asdict() for line in lines]).decode())
            return
        widths = [max(len(cell) for cell in cells) for cells in zip(*map(_cells, lines), strict=True)]
        for line in lines:
            cells = zip(_cells(line), widths, strict=True)
            typer.echo("  ".join(cell.ljust(width) for cell, width in cells).rstrip())


def _lines(settings: Settings, given: Mapping[str, Given]) -> list[_Line]:
    secret = secret_settings()
    return [
        _Line(
            variable(name),
            None if name in secret else _text(getattr(settings, name)),
            name in secret,
            given[name].source if name in given else "default",
        )
        for name in sorted(Settings.model_fields)
    ]


def _cells(line: _Line) -> tuple[str, str, str]:
    return line.variable, line.shown, line.source


def _text(value: object) -> str | None:
    """A value as a variable would have it."""
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)
