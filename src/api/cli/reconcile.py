"""`credit-ledger billing reconcile`: reads again what payment providers have, and puts down what no webhook told."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated

import orjson
import typer

from api.cli.errors import FAILED, WRONG_OPTION, fail, reported, warn
from api.cli.progress import counting
from api.runtime.database import database
from api.runtime.settings import Settings
from api.runtime.webhooks import sources_of
from billing.calls.calls import ProviderFailed
from billing.calls.known_calls import CALLED
from billing.inbox.inbox import Connection, Inbox
from billing.inbox.reconciling import LOOK_BACK, Reconciled, Source, Told, reconcile
from ledger.explain.sentences import counted
from ledger.postgres.connecting import connect_async
from ledger.store import EventLog

Outcome = Reconciled | ProviderFailed


def add_to(group: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Add the command to `billing`."""

    @group.command("reconcile")
    def reconcile_(
        provider: Annotated[
            str | None, typer.Option(help=f"One of {', '.join(CALLED)}; default: each that has an API key.")
        ] = None,
        since: Annotated[
            str | None, typer.Option(metavar="TIME", help="A date (UTC) or a time; default: three days ago.")
        ] = None,
        *,
        json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    ) -> None:
        """Read again what payment providers have, and put what no webhook told into the inbox.

        The running service applies it. Subscriptions that are past their period without a payment are asked for.
        """
        settings = load_settings()
        sources = _chosen(sources_of(settings), provider)
        at = datetime.now(UTC) - LOOK_BACK if since is None else _moment(since)
        with reported(), database(settings) as conninfo, counting("read", "deliveries") as told:
            found = asyncio.run(_each(conninfo, sources, at, told))
        for source, outcome in zip(sources, found, strict=True):
            _say(source.calls.provider, outcome, json=json)
        raise typer.Exit(FAILED if any(isinstance(one, ProviderFailed) for one in found) else 0)


def _chosen(sources: Sequence[Source], provider: str | None) -> Sequence[Source]:
    """The sources to read. Raises SystemExit when there is none."""
    if provider is not None and provider not in CALLED:
        raise typer.BadParameter(f"{provider}: choose from {', '.join(CALLED)}", param_hint="--provider")
    found = [one for one in sources if provider in (None, one.calls.provider)]
    if not found:
        name = (provider or "stripe").upper()
        fail(f"no provider can be read: set CREDIT_LEDGER_{name}_API_KEY as for the service", WRONG_OPTION)
    return found


def _moment(text: str) -> datetime:
    """The instant of a time with its offset, or of the midnight (UTC) at the beginning of a date."""
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None and len(text) > len("2026-01-31"):
            raise ValueError
        return at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        problem = f"{text!r} must be a time with its offset, such as 2026-01-31T12:00:00Z, or a date in UTC"
        raise typer.BadParameter(problem, param_hint="--since") from None


async def _each(conninfo: str, sources: Sequence[Source], since: datetime, told: Told) -> list[Outcome]:
    """Read the sources one after the other; the failure of one does not keep the others from being read."""
    log = EventLog(conninfo)
    await log.open()
    try:
        inbox = Inbox(log)
        await inbox.read_key()
        async with await connect_async(conninfo) as connection:
            return [await _read(source, inbox, connection, since, told) for source in sources]
    finally:
        await log.close()


async def _read(source: Source, inbox: Inbox, connection: Connection, since: datetime, told: Told) -> Outcome:
    try:
        return await reconcile(source, inbox, connection, since, _now, told)
    except ProviderFailed as error:
        return error


def _now() -> datetime:
    return datetime.now(UTC)


def _say(provider: str, outcome: Outcome, *, json: bool) -> None:
    if isinstance(outcome, ProviderFailed):
        warn(outcome.detail)
        return
    for subscription in outcome.unknown:
        warn(f"{provider} does not know {subscription}")
    typer.echo(orjson.dumps(outcome).decode() if json else _line(outcome))


def _line(done: Reconciled) -> str:
    asked = f"; {counted(done.subscriptions, 'overdue subscription')} asked for" if done.subscriptions else ""
    new = "nothing new" if not done.new else f"{done.new:,} new, which the running service applies"
    return f"{done.provider}: {counted(done.read, 'delivery', 'deliveries')} read, {new}{asked}"
