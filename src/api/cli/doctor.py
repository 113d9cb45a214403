"""`credit-ledger doctor`: says what is wrong with an installation, and what to do. It changes nothing."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Annotated

import orjson
import typer

from api.cli.errors import FAILED
from api.runtime.doctor.examination import examine
from api.runtime.doctor.finding import Finding
from api.runtime.operator_error import OperatorError
from api.runtime.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Add `doctor` to the command line."""

    @app.command("doctor")
    def doctor(*, json: Json = False) -> None:
        """Say what is wrong with the installation, and what to do. Exit status 0: nothing is, 1: something is."""
        found = []
        for finding in _findings(load_settings):
            found.append(finding)
            if not json:
                typer.echo(finding.line)
        if json:
            typer.echo(orjson.dumps([asdict(finding) for finding in found]).decode())
        if any(finding.state == "problem" for finding in found):
            raise SystemExit(FAILED)


def _findings(load_settings: Callable[..., Settings]) -> Iterator[Finding]:
    try:
        settings = load_settings()
    except OperatorError as error:
        yield Finding("settings", "problem", str(error))
        return
    yield from examine(settings)
