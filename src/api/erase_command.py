"""`credit-ledger erase`: makes the texts of accounts unreadable for ever, and records that it was done."""

import asyncio
import getpass
import secrets
from collections.abc import Callable, Sequence
from typing import Annotated

import orjson
import typer

from api.server import database
from api.settings import Settings
from ledger.commands import EraseTexts
from ledger.errors import Refusal
from ledger.migrations import migrate
from ledger.service import Ledger
from ledger.store.codec import Metadata
from ledger.submissions import Outcome, Recorded, Submission

Accounts = Annotated[list[str], typer.Argument(metavar="ACCOUNT...", help="Whose texts are to be erased.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

_WARNING = (
    "Every description, reason and metadata of {accounts} becomes unreadable, for ever and for everybody.\n"
    "Credits, history and proofs stay as they are. Go on?"
)


def add_erase(app: typer.Typer, load_settings: Callable[[], Settings]) -> None:
    """Give the command line its `erase`."""

    @app.command("erase")
    def erase(accounts: Accounts, *, yes: Yes = False, json: Json = False) -> None:
        """Destroy the key of accounts' texts. Nothing that counts credits depends on it."""
        if not yes:
            typer.confirm(_WARNING.format(accounts=", ".join(accounts)), abort=True, err=True)
        with database(load_settings()) as conninfo:
            migrate(conninfo)
            outcomes = asyncio.run(_erase(conninfo, accounts))
        for account_id, outcome in zip(accounts, outcomes, strict=True):
            _say(account_id, outcome, json=json)
        raise typer.Exit(1 if any(isinstance(outcome, Refusal) for outcome in outcomes) else 0)


async def _erase(conninfo: str, accounts: Sequence[str]) -> list[Outcome]:
    """Erase one account after the other; one that does not exist does not keep the others from it."""
    async with Ledger(conninfo).running() as ledger:
        outcomes = [await ledger.execute(_submission(account_id)) for account_id in accounts]
        async with ledger.log.connection() as connection:
            await connection.execute("VACUUM ledger.text_keys")  # what was deleted leaves the table's pages too
    return outcomes


def _submission(account_id: str) -> Submission:
    who = Metadata(f"operator:{getpass.getuser()}", "erase", None, f"erase-{secrets.token_hex(4)}")
    return Submission(EraseTexts(account_id), who)


def _say(account_id: str, outcome: Outcome, *, json: bool) -> None:
    if isinstance(outcome, Refusal):
        typer.echo(f"credit-ledger: {account_id}: {outcome}", err=True)
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
