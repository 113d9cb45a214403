"""`credit-ledger demo`: fills a fresh embedded database with a company, then serves it and prints the links to it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from time import monotonic
from typing import Annotated, NoReturn

import psycopg
import typer
import uvloop

from api.cli.progress import showing_progress
from api.dashboard.portal_sessions import portal_path
from api.demo.company import plan, star
from api.demo.filling import Filled, fill
from api.demo.moving import Poster, moving
from api.demo.people import STAR
from api.demo.place import MOVER, OPERATOR, Found, NotADemo, look, remove
from api.runtime.database import Database, migrated
from api.runtime.garbage import tune_garbage_collection
from api.runtime.server import serve
from api.runtime.settings import Settings, variable
from people.api_keys import create_key, key_hash, list_keys, revoke_key
from people.sessions import OPERATOR_LASTS, make_link
from projections.engine.builds import prepare

FOLDER = "demo"
"""In the data directory: the demo's own data directory."""

_WORTH = {"credit_price": "0.01", "currency": "EUR"}
"""What a credit is worth there, unless the settings say otherwise: a top-up of 5,000 costs 50 euros."""
_SEED = 2_026
_OPENS = timedelta(minutes=15)
"""How long the links can be opened."""
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound here

Host = Annotated[str | None, typer.Option(help="The address to listen on.")]
Port = Annotated[int | None, typer.Option(help="The port to listen on.")]
Weeks = Annotated[int, typer.Option(min=2, max=52, help="Weeks of history, of a demo that is made.")]
Accounts = Annotated[int, typer.Option(min=9, max=500, help="Its accounts.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Remove the demo that is there, and make another.")]
Still = Annotated[bool, typer.Option("--still", help="Post nothing while it serves.")]


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Give the command line its `demo`."""

    @app.command("demo")
    def demo(
        host: Host = None,
        port: Port = None,
        *,
        fresh: Fresh = False,
        still: Still = False,
        weeks: Weeks = 7,
        accounts: Accounts = 110,
    ) -> None:
        """Serve a company that never was, with weeks of history; the first start makes it."""
        settings = _apart(load_settings(host=host, port=port))
        there = _made_room(settings.data_dir, _look(settings), fresh=fresh)
        with migrated(settings) as database:
            if not there:
                _make(database, weeks, accounts)
            serve(settings, lambda conninfo: _beside(settings, conninfo, still=still))


def _apart(settings: Settings) -> Settings:
    """The demo's settings, here and in the processes of the service: a data directory of its own."""
    if settings.database_url is not None:
        _fail(f"{variable('database_url')} is set, and the demo has a database of its own: unset it")
    folder = settings.data_dir / FOLDER
    os.environ[variable("data_dir")] = str(folder)
    os.environ.pop(variable("checkpoint_dir"), None)
    if settings.credit_price is None:
        os.environ.update({variable(name): value for name, value in _WORTH.items()})
    return settings.model_copy(update={"data_dir": folder, "checkpoint_dir": None})


def _look(settings: Settings) -> Found:
    try:
        return look(settings)
    except NotADemo as problem:
        _fail(str(problem))


def _made_room(folder: Path, found: Found, *, fresh: bool) -> bool:
    """Whether there is a demo to serve; half of one, and one that is not wanted any more, are removed."""
    if found == "nothing" or (found == "demo" and not fresh):
        return found == "demo"
    try:
        remove(folder)
    except NotADemo as problem:
        _fail(str(problem))
    return False


def _make(database: Database, weeks: int, accounts: int) -> None:
    """Fill it. It counts as whole when it is served for the first time."""
    prepare(database.service)
    tune_garbage_collection()
    began, now = monotonic(), datetime.now(UTC)
    wishes = plan(Random(_SEED), now, weeks=weeks, accounts=accounts)  # noqa: S311 - a story, no secret
    try:
        with showing_progress() as progress:
            filled = uvloop.run(fill(database.service, wishes, now - timedelta(weeks=weeks), now, progress))
    except KeyboardInterrupt:
        _fail("interrupted; the next start begins anew", 130)
    with psycopg.connect(database.owner, autocommit=True) as connection:
        connection.execute("ANALYZE")  # or the first pages are planned for empty tables
    _tell(filled, weeks, monotonic() - began)


def _tell(filled: Filled, weeks: int, seconds: float) -> None:
    events = f"{filled.events.total():,} events of {weeks} weeks, {filled.events['AccountOpened']} accounts"
    typer.echo(f"Made a company: {events}, {filled.refusals} refusals, in {seconds:.1f} s.")


@contextmanager
def _beside(settings: Settings, conninfo: str, *, still: bool) -> Iterator[None]:
    """The links, and the star that moves."""
    host = _WILDCARDS.get(settings.host, settings.host)
    here = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    url = (settings.public_url or here).rstrip("/")
    typer.echo(f"Portal link (opens once, within 15 minutes): {url}{_portal_link(conninfo)}")
    typer.echo(f"Operator link (opens once): {url}{_operator_link(conninfo)}")
    key, now = _renew_key(conninfo, MOVER, ["ledger:write"]), datetime.now(UTC)
    poster = Poster((host, settings.port), key, star(now))
    with nullcontext() if still else moving(poster, Random()):  # noqa: S311 - a story, no secret
        yield


def _renew_key(conninfo: str, name: str, scopes: list[str]) -> str:
    """A key of that name, and an end to those before it."""
    for key in list_keys(conninfo):
        if key.name == name and key.revoked_at is None:
            revoke_key(conninfo, key.prefix)
    return create_key(conninfo, name, scopes)


def _portal_link(conninfo: str) -> str:
    """Where whoever holds the star's account comes in."""
    return portal_path(make_link(conninfo, datetime.now(UTC), OPERATOR_LASTS, account_id=STAR, link_lasts=_OPENS).token)


def _operator_link(conninfo: str) -> str:
    """Where an operator comes in."""
    key = key_hash(_renew_key(conninfo, OPERATOR, ["admin"]))
    link = make_link(conninfo, datetime.now(UTC), OPERATOR_LASTS, key_sha256=key, link_lasts=_OPENS)
    return portal_path(link.token)


def _fail(message: str, status: int = 1) -> NoReturn:
    typer.echo(f"credit-ledger: {message}", err=True)
    raise typer.Exit(status)
