"""`credit-ledger migrate`: brings the database to the version of this program, and sets up the role of the service."""

from collections.abc import Callable
from secrets import token_urlsafe
from typing import Annotated

import psycopg
import typer
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from api.cli.errors import Failure, reported
from api.runtime.database import as_url, migrated
from api.runtime.settings import Settings
from ledger.postgres.roles import make_login
from projections.engine.builds import prepare

ServiceLogin = Annotated[
    str | None, typer.Option(metavar="NAME", help="Make a login that can only append and read, and print its URL.")
]


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Add `migrate` to the command line."""

    @app.command("migrate")
    def migrate_(service_login: ServiceLogin = None) -> None:
        """Bring the database to the version of this program, and set up the role of the service."""
        with migrated(load_settings()) as found:
            prepare(found.service)
            done = [f"applied {name}" for name in found.applied]
            done += [f"enabled the trigger {name} again" for name in found.enabled]
            typer.echo("\n".join(done) or "nothing to do")
            if found.shortfall:
                typer.echo(f"the service runs with the rights of its login: {found.shortfall}")
            if service_login:
                typer.echo(_new_login(found.owner, service_login))


def _new_login(owner: str, name: str) -> str:
    """A text with the URL of a new login, or one that says that the login exists already."""
    password = token_urlsafe(24)
    refused = Failure(line=lambda error: f"the login {name} cannot be made: {error.diag.message_primary}")
    with reported({psycopg.errors.InsufficientPrivilege: refused, psycopg.errors.UndefinedObject: refused}):
        made = make_login(owner, name, password)
    if not made:
        return f"the login {name} exists already and keeps its password; it may take the role of the service"
    parts = {part: value for part, value in conninfo_to_dict(owner).items() if part != "options"}
    url = as_url(make_conninfo("", **{**parts, "user": name, "password": password}))
    return f"{url}\nThis is the only time that the URL is shown. Set CREDIT_LEDGER_DATABASE_URL to it."
