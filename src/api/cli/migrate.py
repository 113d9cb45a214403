"""`credit-ledger migrate`: the database in the form that this program needs, and the role that the service runs as."""

import sys
from collections.abc import Callable
from secrets import token_urlsafe
from typing import Annotated

import psycopg
import typer
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from api.runtime.database import as_url, migrated
from api.runtime.settings import Settings
from ledger.postgres.roles import make_login
from projections.engine.builds import prepare

ServiceLogin = Annotated[
    str | None, typer.Option(metavar="NAME", help="Make a login that only appends and reads, and print its URL.")
]


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Give the command line its `migrate`."""

    @app.command("migrate")
    def migrate_(service_login: ServiceLogin = None) -> None:
        """Bring the database to the form that this program needs, and set up the role that the service runs as."""
        with migrated(load_settings()) as found:
            prepare(found.service)
            done = [f"applied {name}" for name in found.applied]
            done += [f"turned on again the trigger {name}" for name in found.woken]
            typer.echo("\n".join(done) or "nothing to do")
            if found.shortfall:
                typer.echo(f"the service runs with the rights of its login: {found.shortfall}")
            if service_login:
                typer.echo(_new_login(found.owner, service_login))


def _new_login(owner: str, name: str) -> str:
    """Its URL, this once; or that it was there already."""
    password = token_urlsafe(24)
    try:
        made = make_login(owner, name, password)
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedObject) as error:
        sys.exit(f"credit-ledger: the login {name} cannot be made: {error.diag.message_primary}")
    if not made:
        return f"the login {name} was there already, with a password of its own; it may take the role of the service"
    parts = {part: value for part, value in conninfo_to_dict(owner).items() if part != "options"}
    url = as_url(make_conninfo("", **{**parts, "user": name, "password": password}))
    return f"{url}\nThis is the only time that the URL is shown. Set CREDIT_LEDGER_DATABASE_URL to it."
