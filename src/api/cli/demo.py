"""`credit-ledger demo`: fills a fresh embedded database with a company, then serves it and prints the links to it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from random import Random
from time import monotonic
from typing import Annotated, Any

import typer
import uvloop

from api.cli.errors import Failure, fail, interrupted, reported
from api.cli.progress import showing_progress
from api.dashboard.portal_sessions import portal_path
from api.demo.activities import plan_company
from api.demo.company import SHOWCASE_ACCOUNT, make_customers
from api.demo.filling import fill
from api.demo.folder import KEYS, Found, NotADemo, look, remove
from api.demo.offers import SAMPLE_CATALOG
from api.demo.traffic import TrafficPoster
from api.runtime.database import Database, migrated
from api.runtime.listening.listen_address import ListenAddress
from api.runtime.listening.port_claim import claimed_address
from api.runtime.processes.garbage_collection import tune_garbage_collection
from api.runtime.processes.server import serve
from api.runtime.settings import Settings, variable
from ledger.postgres.connecting import connect
from people.api_keys import create_key, key_hash, list_keys, revoke_key
from people.sessions import OPERATOR_LASTS, make_link
from projections.engine.builds import prepare

FOLDER = "demo"
"""The folder of the demo in the data directory. It is the demo's own data directory."""

_WORTH = {"credit_price": "0.01", "currency": "EUR"}
"""The worth of a credit in the demo, unless the settings name another: a top-up of 5,000 costs 50 euros."""
_SELLER = "Lumen Pictures GmbH\nInvented Street 1\n10115 Berlin"
"""Who sells in the demo, unless the settings name another: receipts and invoices say it."""
_SEED = 2_026
_LINK_LASTS = timedelta(minutes=15)

Host = Annotated[str | None, typer.Option(help="The address to listen on. Default: the setting CREDIT_LEDGER_HOST.")]
Port = Annotated[int | None, typer.Option(help="The port to listen on. Default: the setting CREDIT_LEDGER_PORT.")]
Weeks = Annotated[int, typer.Option(min=2, max=52, metavar="N", help="Weeks of history in a new demo.")]
Accounts = Annotated[int, typer.Option(min=9, max=500, metavar="N", help="Accounts in a new demo.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Remove the existing demo and make a new one.")]
Still = Annotated[bool, typer.Option("--still", help="Post no commands while it serves.")]


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Add `demo` to the command line."""

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
        """Serve an invented company with weeks of history; the first start makes it."""
        settings = _with_own_folder(load_settings(host=host, port=port))
        with claimed_address(settings) as address:
            require_address_of_links(settings, address)
            found = _wanted(settings, fresh=fresh)
            with migrated(settings) as database:
                if found == "nothing":
                    _make(database, weeks, accounts)
                serve(settings, address, lambda conninfo: _beside(settings, address, conninfo, still=still))


def require_address_of_links(settings: Settings, address: ListenAddress) -> None:
    """Fail unless the printed links begin with the public address, or are for this machine."""
    if settings.public_url is None and not ip_address(address.reachable_ip).is_loopback:
        fail(
            f"{variable('public_url')} is not set, so no links can be made for {address.host}: "
            "set it, or listen on 127.0.0.1 or on all addresses"
        )


def _wanted(settings: Settings, *, fresh: bool) -> Found:
    """Find the demo in the folder. An incomplete demo, or with `fresh` any demo, is removed first."""
    with reported({NotADemo: Failure()}):
        found = look(settings)
        if found == "half" or (found == "demo" and fresh):
            remove(settings.data_dir)
            return "nothing"
    return found


def _with_own_folder(settings: Settings) -> Settings:
    """The settings with the demo's data directory, for this process and those of the service."""
    if settings.database_url is not None:
        fail(f"{variable('database_url')} is set, and the demo uses its own database: unset it")
    folder = settings.data_dir / FOLDER
    os.environ[variable("data_dir")] = str(folder)
    without = {"checkpoint_dir": None, "tls_certificate": None, "tls_key": None}
    for name in without:
        os.environ.pop(variable(name), None)
    if settings.credit_price is None:
        os.environ.update({variable(name): value for name, value in _WORTH.items()})
    if settings.seller is None:
        os.environ[variable("seller")] = _SELLER
    os.environ[variable("manual")] = "test"
    sample = settings.catalog or SAMPLE_CATALOG
    return settings.model_copy(update={**without, "data_dir": folder, "catalog": sample, "manual": "test"})


def _make(database: Database, weeks: int, accounts: int) -> None:
    """Fill the database. The demo counts as whole when it is served for the first time."""
    prepare(database.service)
    tune_garbage_collection()
    began, now = monotonic(), datetime.now(UTC)
    plan = plan_company(Random(_SEED), now, weeks=weeks, accounts=accounts)  # noqa: S311 - no secret
    again = interrupted("the next start makes the demo anew")
    with reported({KeyboardInterrupt: again}), showing_progress() as progress:
        filled = uvloop.run(fill(database.service, plan, now - timedelta(weeks=weeks), now, progress))
    with connect(database.owner, autocommit=True) as connection:
        connection.execute("ANALYZE")  # or the first pages are planned for empty tables
    events = f"{filled.events.total():,} events of {weeks} weeks, {accounts} accounts"
    typer.echo(f"Made a company: {events}, {filled.refusals} refusals, in {monotonic() - began:.1f} s.")


@contextmanager
def _beside(settings: Settings, address: ListenAddress, conninfo: str, *, still: bool) -> Iterator[list[str]]:
    """Yield the links to print, and post the traffic of the showcase account while the service runs."""
    rng = Random()  # noqa: S311 - no secret
    url = (settings.public_url or address.reachable_url).rstrip("/")
    for key in list_keys(conninfo):
        if key.name.startswith(KEYS) and key.revoked_at is None:
            revoke_key(conninfo, key.prefix)
    operator = key_hash(create_key(conninfo, f"{KEYS}the operator's link", ["admin"]))
    links = [
        f"Portal link (opens once, within 15 minutes): {url}{_link(conninfo, account_id=SHOWCASE_ACCOUNT)}",
        f"Operator link (opens once, within 15 minutes): {url}{_link(conninfo, key_sha256=operator)}",
    ]
    may = ["ledger:write", "ledger:manage"]  # it deducts, and buys more
    traffic_key = create_key(conninfo, f"{KEYS}traffic of the showcase account", may)
    poster = TrafficPoster((address.reachable_ip, address.port), traffic_key, make_customers(rng, 1)[0], rng)
    with nullcontext() if still else poster.running():
        yield links


def _link(conninfo: str, **whose: Any) -> str:
    link = make_link(conninfo, datetime.now(UTC), OPERATOR_LASTS, link_lasts=_LINK_LASTS, **whose)
    return portal_path(link.token)
