"""`credit-ledger erase`: makes the texts of accounts unreadable for ever, and records that as an event."""

import asyncio
import getpass
import secrets
from collections.abc import Callable, Sequence
from typing import Annotated

import orjson
import typer

from api.cli.errors import warn
from api.runtime.database import Database, migrated
from api.runtime.settings import Settings
from billing.changes.receipts import Receipts
from billing.inbox.inbox import Inbox
from ledger.commit.submission import Outcome, Recorded, Submission
from ledger.domain.commands import EraseTexts
from ledger.domain.errors import Refusal
from ledger.postgres.connecting import connect
from ledger.service import Ledger
from ledger.store import Metadata

Accounts = Annotated[list[str], typer.Argument(metavar="ACCOUNT", help="The accounts whose texts are erased.")]
Yes = Annotated[bool, typer.Option("--yes", help="Erase without asking first.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

_WARNING = (
    "Every description, reason and metadata of {accounts} becomes unreadable, for ever and for everybody.\n"
    "Credits, history and proofs do not change. Continue?"
)


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Add `erase` to the command line."""

    @app.command("erase")
    def erase(accounts: Accounts, *, yes: Yes = False, json: Json = False) -> None:
        """Destroy the keys of the accounts' texts. Credits, history and proofs do not change."""
        if not yes:
            typer.confirm(_WARNING.format(accounts=", ".join(accounts)), abort=True, err=True)
        with migrated(load_settings()) as found:
            outcomes = asyncio.run(_erase(found, accounts))
        for account_id, outcome in zip(accounts, outcomes, strict=True):
            _say(account_id, outcome, json=json)
        raise typer.Exit(1 if any(isinstance(outcome, Refusal) for outcome in outcomes) else 0)


async def _erase(database: Database, accounts: Sequence[str]) -> list[Outcome]:
    """Erase one account after the other, and what providers sent about it. One that does not exist stops no others."""
    async with Ledger(database.service).running() as ledger:
        outcomes = [await ledger.execute(_submission(account_id)) for account_id in accounts]
        inbox, changes = Inbox(ledger.log), Receipts(ledger.log)
        for account_id in accounts:
            await inbox.erase(account_id)
            await changes.erase(account_id)
        await asyncio.to_thread(_vacuum, database.owner)
    return outcomes


def _vacuum(owner: str) -> None:
    """Remove the deleted keys from the pages of the table too. PostgreSQL skips it for a login that does not own the
    table; autovacuum then does it within about a minute."""
    with connect(owner, autocommit=True) as connection:
        connection.execute("VACUUM ledger.text_keys")


def _submission(account_id: str) -> Submission:
    who = Metadata(f"operator:{getpass.getuser()}", "erase", None, f"erase-{secrets.token_hex(4)}")
    return Submission(EraseTexts(account_id), who)


def _say(account_id: str, outcome: Outcome, *, json: bool) -> None:
    if isinstance(outcome, Refusal):
        warn(f"{account_id}: {outcome}")
    elif json:
        typer.echo(orjson.dumps(_as_json(outcome)).decode())
    else:
        typer.echo(f"{account_id}: erased, recorded as version {outcome.version} at position {outcome.position}")


def _as_json(outcome: Recorded) -> dict[str, object]:
    return {
        "account_id": outcome.account_id,
        "version": outcome.version,
        "position": outcome.position,
        "recorded_at": outcome.events[-1].recorded_at,
    }
