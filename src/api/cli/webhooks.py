"""`credit-ledger billing status`, `webhooks` and `retry`: what providers reported, and what of it waits."""

import asyncio
import getpass
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar, get_args

import orjson
import typer

from api.cli.errors import FAILED, reported, warn
from api.contract.answers.billing.webhooks import waiting_fields, webhook_fields
from api.runtime.database import database
from api.runtime.settings import Settings
from billing.inbox.inbox import Inbox, WaitingCount
from billing.inbox.webhook import REASONS, State, Webhook
from ledger.explain.sentences import counted
from ledger.store import EventLog

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Ids = Annotated[list[str], typer.Argument(metavar="WEBHOOK_ID...", help="The webhooks to try again.")]
FoundT = TypeVar("FoundT")
_STATES = get_args(State)
_ALL = "all"


def add_to(group: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Add the commands to `billing`."""

    @group.command("status")
    def status(*, json: Json = False) -> None:
        """Show how many webhooks wait, why, and since when."""
        with reported():
            found = _asked(load_settings(), Inbox.waiting)
        typer.echo(_dumped([waiting_fields(one) for one in found]) if json else _status(found))

    @group.command("webhooks")
    def webhooks(
        state: Annotated[str, typer.Option(help=f"Which: {', '.join((*_STATES, _ALL))}.")] = "waiting",
        provider: Annotated[str | None, typer.Option(help="Of one provider alone.")] = None,
        limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many, the newest first.")] = 50,
        *,
        json: Json = False,
    ) -> None:
        """List webhooks, each with the reason why it is not applied."""
        if state not in (*_STATES, _ALL):
            raise typer.BadParameter(f"choose from {', '.join((*_STATES, _ALL))}", param_hint="--state")
        wanted: Any = None if state == _ALL else state
        with reported():
            found = _asked(load_settings(), lambda inbox: inbox.page(wanted, provider, limit=limit))
        for one in found:
            typer.echo(_dumped(webhook_fields(one)) if json else _line(one))

    @group.command("retry")
    def retry(webhook_ids: Ids) -> None:
        """Let webhooks be tried again at once by the running service, also those that were dismissed or ignored."""
        with reported():
            done = _asked(load_settings(), lambda inbox: _retried(inbox, webhook_ids))
        for name, tried in zip(webhook_ids, done, strict=True):
            if tried:
                typer.echo(f"{name}: will be tried again")
            else:
                warn(f"{name}: there is no such webhook, or it has been applied")
        raise typer.Exit(0 if all(done) else FAILED)


async def _retried(inbox: Inbox, webhook_ids: list[str]) -> list[bool]:
    actor, now = f"operator:{getpass.getuser()}", datetime.now(UTC)
    return [await inbox.retry(name, actor, now) for name in webhook_ids]


def _asked(settings: Settings, ask: Callable[[Inbox], Awaitable[FoundT]]) -> FoundT:
    with database(settings) as conninfo:
        return asyncio.run(_on_inbox(conninfo, ask))


async def _on_inbox(conninfo: str, ask: Callable[[Inbox], Awaitable[FoundT]]) -> FoundT:
    log = EventLog(conninfo)
    await log.open()
    try:
        return await ask(Inbox(log))
    finally:
        await log.close()


def _status(found: list[WaitingCount]) -> str:
    if not found:
        return "nothing waits"
    lines = [f"{counted(one.count, 'webhook')} since {_time(one.oldest)}: {_reason(one.reason)}" for one in found]
    return "\n".join(lines)


def _reason(reason: str) -> str:
    return REASONS.get(reason, "They have just arrived, or no service applies webhooks.")


def _line(webhook: Webhook) -> str:
    said = f": {webhook.sentence}" if webhook.sentence else ""
    return f"{_time(webhook.received_at)} {webhook.webhook_id} {webhook.provider} {webhook.type} {webhook.state}{said}"


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _dumped(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z).decode()
