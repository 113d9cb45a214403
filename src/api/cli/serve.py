"""`credit-ledger serve`: runs the service until a signal stops it."""

from collections.abc import Callable
from typing import Annotated

import typer

from api.runtime.listening.port_claim import claimed_address
from api.runtime.processes.projector import waiting_projector
from api.runtime.processes.server import serve as serve_until_stopped
from api.runtime.settings import Settings


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Add `serve` to the command line."""

    @app.command("serve")
    def serve(
        host: Annotated[
            str | None, typer.Option(help="The address to listen on. Default: the setting CREDIT_LEDGER_HOST.")
        ] = None,
        port: Annotated[
            int | None, typer.Option(help="The port to listen on. Default: the setting CREDIT_LEDGER_PORT.")
        ] = None,
        workers: Annotated[
            int | None,
            typer.Option(help="The number of processes that serve. Default: the setting CREDIT_LEDGER_WORKERS."),
        ] = None,
    ) -> None:
        """Serve the HTTP API and the dashboard."""
        with waiting_projector() as first:  # before anything is read
            settings = load_settings(host=host, port=port, workers=workers)
            with claimed_address(settings) as address:
                serve_until_stopped(settings, address, first=first)
