"""`credit-ledger keys`: makes API keys, lists them, revokes them, and says what their scopes allow."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated

import orjson
import typer

from api.cli.errors import fail
from api.contract.scope_matrix import matrix
from api.runtime.database import database
from api.runtime.settings import Settings
from people.api_keys import SCOPES, ApiKey, create_key, list_keys, revoke_key

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Add `keys` to the command line."""
    keys = typer.Typer(help="API keys: create, list, revoke, scopes.", no_args_is_help=True)
    app.add_typer(keys, name="keys")

    @keys.command("create")
    def create(
        name: Annotated[str, typer.Argument(metavar="NAME", help="What the key is for.")],
        scope: Annotated[list[str], typer.Option(help=f"What it may do: {', '.join(SCOPES)}. Can be repeated.")],
        days: Annotated[int | None, typer.Option(min=1, help="Days until it expires; default: never.")] = None,
        *,
        json: Json = False,
    ) -> None:
        """Make a key and print it. The key cannot be printed again."""
        unknown = sorted(set(scope) - set(SCOPES))
        if unknown:
            raise typer.BadParameter(f"{', '.join(unknown)}: choose from {', '.join(SCOPES)}", param_hint="--scope")
        expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
        with database(load_settings()) as conninfo:
            secret = create_key(conninfo, name, scope, expires_at)
        if json:
            typer.echo(orjson.dumps({"key": secret, "name": name, "scopes": scope, "expires_at": expires_at}).decode())
        else:
            typer.echo(f"{secret}\nThis is the only time that the key is shown.")

    @keys.command("list")
    def list_(*, json: Json = False) -> None:
        """Show all keys, without their secrets."""
        with database(load_settings()) as conninfo:
            found = list_keys(conninfo)
        if json:
            typer.echo(orjson.dumps([_as_json(key) for key in found]).decode())
            return
        for key in found:
            scopes = ",".join(sorted(key.scopes))
            typer.echo(f"{key.prefix}  {_state(key):9}  {scopes:40}  last used {_day(key.last_used_at)}  {key.name}")

    @keys.command("revoke")
    def revoke(
        prefix: Annotated[str, typer.Argument(metavar="PREFIX", help="The key's prefix, as `keys list` shows it.")],
    ) -> None:
        """Revoke a key. Running services refuse it within a second."""
        with database(load_settings()) as conninfo:
            if not revoke_key(conninfo, prefix):
                fail(f"there is no key {prefix}")
        typer.echo(f"revoked {prefix}")

    @keys.command("scopes")
    def scopes() -> None:
        """Print which route and which page needs which scope, as Markdown."""
        typer.echo(matrix(), nl=False)


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
    return key.state(datetime.now(UTC))


def _day(at: datetime | None) -> str:
    return "never" if at is None else f"{at:%Y-%m-%d %H:%M}"
