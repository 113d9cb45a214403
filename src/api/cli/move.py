"""`credit-ledger move`: carries the embedded ledger to a server, and closes the embedded one when both are equal."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Annotated

import orjson
import psycopg
import typer
from pydantic import SecretStr

from api.cli.errors import Failure, Failures, fail, interrupted, reported
from api.cli.progress import showing_progress
from api.runtime.embedded.moved import forget_move, moved_ledger
from api.runtime.postgres_url import is_postgres_url
from api.runtime.settings import Settings, variable
from api.server_move.moving import Moved, Plan, move, plan

To = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="An empty database on a server, postgresql://owner:password@host:port/database. Without a password, libpq "
        "takes it from PGPASSWORD or ~/.pgpass.",
        show_default=False,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be moved. The service may run meanwhile.")]
Abandon = Annotated[bool, typer.Option("--abandon", help="Give an earlier move up: use the embedded database again.")]
Yes = Annotated[bool, typer.Option("--yes", help="Give it up without asking first.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

FAILURES: Failures = {
    psycopg.errors.LockNotAvailable: Failure(
        line=lambda _: "another program uses the tables of the target: end it first"
    ),
    OSError: Failure(line=lambda error: f"{error.filename or 'a file'}: {error.strerror or error}"),
    KeyboardInterrupt: interrupted("the embedded database is as before; run the same command again"),
}
_WARNING = (
    "What was recorded in {to} since is not in the embedded database, and only one of the two may serve.\n"
    "Use the embedded database again?"
)


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Add `move` to the command line."""

    @app.command("move")
    def move_(
        to: To = None, *, dry_run: DryRun = False, abandon: Abandon = False, yes: Yes = False, json: Json = False
    ) -> None:
        """Carry the embedded ledger to a PostgreSQL server. Stop the service first.

        The embedded database is as before until everything is proven equal, and refuses to serve afterwards.
        """
        if abandon == (to is not None):
            raise typer.BadParameter("give one: the database to move to, or --abandon", param_hint="--to")
        if to is not None and not is_postgres_url(to):
            raise typer.BadParameter("it is no postgresql:// URL; percent-encode what is special", param_hint="--to")
        settings = load_settings()
        with reported(FAILURES):
            if to is None:
                _abandon(settings, yes=yes)
            elif dry_run:
                _print_plan(plan(settings, SecretStr(to)), json=json)
            else:
                with showing_progress() as progress:
                    moved = move(settings, SecretStr(to), progress)
                _print_moved(settings, moved, json=json)


def _abandon(settings: Settings, *, yes: bool) -> None:
    moved = moved_ledger(settings.data_dir)
    if moved is None:
        fail(f"the ledger in {settings.data_dir} was not moved: there is nothing to give up")
    if not yes:
        typer.confirm(_WARNING.format(to=moved.to), abort=True, err=True)
    forget_move(settings.data_dir)
    typer.echo(f"the embedded database in {settings.data_dir} can be used again; do not serve from {moved.to}")


def _print_plan(planned: Plan, *, json: bool) -> None:
    if json:
        typer.echo(orjson.dumps(asdict(planned)).decode())
        return
    typer.echo(f"would copy {_rows(planned.rows)} ({planned.size / 2**20:,.0f} MiB)")
    typer.echo(f"from the ledger {planned.ledger_id} to {planned.server}")
    if planned.there_already:
        typer.echo("the target has a copy of this ledger: it would be compared, and not copied again")


def _print_moved(settings: Settings, moved: Moved, *, json: bool) -> None:
    if json:
        typer.echo(orjson.dumps(asdict(moved)).decode())
        return
    typer.echo(f"moved {_rows(moved.rows)} to {moved.server}; all are equal there")
    typer.echo(f"verified {moved.signed:,} events, all signed; folded {moved.accounts:,} accounts again")
    for name in moved.unbuilt:
        typer.echo(f"the projection {name} is built anew at the first start")
    if moved.shortfall:
        typer.echo(f"the service runs with the rights of its login: {moved.shortfall}")
    typer.echo("The embedded database is closed. Serve from now on with this setting, and the password in it:")
    typer.echo(f"{variable('database_url')}={moved.url}")
    typer.echo(f"{settings.data_dir} stays the data directory: it has the signing key and the checkpoints.")


def _rows(counts: Mapping[str, int]) -> str:
    """How many rows there are in how many tables."""
    filled = sum(1 for count in counts.values() if count)
    return f"{sum(counts.values()):,} rows in {filled} tables"
