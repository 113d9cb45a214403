"""The command line: `credit-ledger serve`, `demo`, `migrate`, `keys`, and what is added below."""

import logging
import os
import sys
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe
from typing import Annotated

import orjson
import psycopg
import typer
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from api.check_command import add_check
from api.checkpoints import CannotServe
from api.checkpoints_command import add_checkpoints
from api.demo.command import add_demo
from api.embedded_server import EmbeddedPostgresError
from api.erase_command import add_erase
from api.export.command import add_export
from api.import_command import add_import
from api.keys import SCOPES, ApiKey, create_key, list_keys, revoke_key
from api.log_import_command import add_log_import
from api.rebuild_command import add_rebuild
from api.replay.command import add_replay
from api.server import as_url, database, migrated
from api.server import serve as serve_until_stopped
from api.settings import LOG_FORMAT, Settings, WrongSetting, load_settings, unknown_variables
from api.statements.command import add_statement
from api.timekeeping import ClocksDisagree
from api.verify.command import add_verify
from ledger.migrations import MigrationError
from ledger.roles import make_login
from projections.builds import prepare

app = typer.Typer(help="An exact, durable, idempotent ledger of prepaid credits.", no_args_is_help=True)
keys = typer.Typer(help="API keys: create, list, revoke.", no_args_is_help=True)
app.add_typer(keys, name="keys")

ServiceLogin = Annotated[
    str | None, typer.Option(metavar="NAME", help="Make a login that only appends and reads, and print its URL.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def main() -> None:
    """Run the command line; what an operator can mend is said in one line."""
    try:
        app()
    except (WrongSetting, MigrationError, EmbeddedPostgresError, CannotServe, ClocksDisagree) as error:
        sys.exit(f"credit-ledger: {error}")
    except psycopg.OperationalError as error:
        sys.exit(f"credit-ledger: the database cannot be reached: {str(error).strip()}")


def _settings(**given: object) -> Settings:
    settings = load_settings(**given)
    logging.basicConfig(level=settings.log_level.upper(), format=LOG_FORMAT)
    for name in unknown_variables(os.environ):
        logging.getLogger("credit_ledger").warning("%s is not a setting of this program", name)
    return settings


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes on one database.")] = None,
) -> None:
    """Serve the HTTP API."""
    serve_until_stopped(_settings(host=host, port=port, workers=workers))


@app.command()
def migrate(service_login: ServiceLogin = None) -> None:
    """Bring the database to the form that this program needs, and set up the role that the service runs as."""
    with migrated(_settings()) as found:
        prepare(found.service)
        print("\n".join(f"applied {name}" for name in found.applied) or "nothing to do")
        if found.shortfall:
            print(f"the service runs with the rights of its login: {found.shortfall}")
        if service_login:
            print(_new_login(found.owner, service_login))


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


@keys.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[list[str], typer.Option(help=f"What it may do: {', '.join(SCOPES)}. Can be repeated.")],
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires; default: never.")] = None,
    json: Json = False,
) -> None:
    """Make a key and show it, this once."""
    unknown = sorted(set(scope) - set(SCOPES))
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: choose from {', '.join(SCOPES)}", param_hint="--scope")
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
    with database(_settings()) as conninfo:
        secret = create_key(conninfo, name, scope, expires_at)
    if json:
        print(orjson.dumps({"key": secret, "name": name, "scopes": scope, "expires_at": expires_at}).decode())
    else:
        print(f"{secret}\nThis is the only time that the key is shown.")


@keys.command("list")
def list_(json: Json = False) -> None:
    """Show all keys, without what would let anyone use them."""
    with database(_settings()) as conninfo:
        found = list_keys(conninfo)
    if json:
        print(orjson.dumps([_as_json(key) for key in found]).decode())
        return
    for key in found:
        scopes = ",".join(sorted(key.scopes))
        print(f"{key.prefix}  {_state(key):9}  {scopes:40}  last used {_day(key.last_used_at)}  {key.name}")


@keys.command("revoke")
def revoke(prefix: Annotated[str, typer.Argument(help="The key's prefix, as `keys list` shows it.")]) -> None:
    """End a key; running services notice within a second or so."""
    with database(_settings()) as conninfo:
        if not revoke_key(conninfo, prefix):
            sys.exit(f"credit-ledger: there is no key {prefix}")
    print(f"revoked {prefix}")


add_demo(app, _settings)
add_import(app, _settings)
add_check(app, _settings)
add_rebuild(app, _settings)
add_checkpoints(app, _settings)
add_replay(app, _settings)
add_erase(app, _settings)
add_export(app, _settings)
add_log_import(app, _settings)
add_verify(app, _settings)
add_statement(app, _settings)


def _as_json(key: ApiKey) -> dict[str, object]:
    return {
        "prefix": key.prefix,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "state": _state(key),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
    }


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "active" if key.usable(datetime.now(UTC)) else "expired"


def _day(at: datetime | None) -> str:
    return "never" if at is None else f"{at:%Y-%m-%d %H:%M}"


if __name__ == "__main__":
    main()
