"""`credit-ledger statement`: the options, and where the statement goes."""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, NoReturn

import psycopg
import typer
from psycopg_pool import PoolTimeout

from api.runtime.database import database
from api.runtime.settings import Settings
from audit.export.files import STDOUT, whole_file
from audit.statements.form import Period
from audit.statements.making import CannotMake, Made, Wanted, make
from audit.statements.page import page
from ledger.explain.sentences import counted
from ledger.proof.checkpoint_folder import CheckpointFolder
from ledger.proof.evidence import CheckpointMismatch
from ledger.proof.files import FolderBusy
from ledger.proof.notes import BadNote
from ledger.proof.signing_key import Custody, KeyMissing
from ledger.proof.tree import HoleInLog
from ledger.proof.walk import Breach, shown
from ledger.store import EventLog, ledger_id

REFUSED, NOT_DONE = 1, 3
"""Exit statuses; 2 is that of wrong options."""

AccountId = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Whose statement.")]
From = Annotated[
    str | None,
    typer.Option("--from", metavar="TIME", help="A date (UTC), or a time with its offset. Default: the beginning."),
]
To = Annotated[
    str | None,
    typer.Option("--to", metavar="TIME", help="A date, which is in it, or a time, which is not. Default: now."),
]
Out = Annotated[
    Path, typer.Option(metavar="FILE", help="Where the statement goes; - is standard output.", show_default=True)
]
Html = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A page for people as well, to read or to print.", show_default=False),
]
WithoutTexts = Annotated[
    bool, typer.Option("--without-texts", help="Leave descriptions sealed, for somebody who need not read them.")
]
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Give the command line its `statement`."""

    @app.command("statement")
    def statement(
        account: AccountId,
        *,
        from_: From = None,
        to: To = None,
        out: Out = STDOUT,
        html: Html = None,
        without_texts: WithoutTexts = False,
    ) -> None:
        """Make a signed statement of an account, which anybody can verify without this ledger."""
        period = Period(_moment("--from", from_, first=True), _moment("--to", to, first=False))
        if period.begin is not None and period.end is not None and period.begin >= period.end:
            raise typer.BadParameter("it ends before it begins", param_hint="--from, --to")
        if html == STDOUT or (html is not None and html == out):
            raise typer.BadParameter("the page needs a file of its own", param_hint="--html")
        wanted = Wanted(account, period, texts=not without_texts)
        with _explained():
            settings = load_settings()
            with database(settings) as conninfo:
                made = asyncio.run(_made(conninfo, settings, wanted))
            _write(made, account, out, html)


def _moment(option: str, text: str | None, *, first: bool) -> datetime | None:
    """An instant with its offset; of a date the midnight (UTC) with which it begins, or with which it is over."""
    if text is None:
        return None
    try:
        if _DATE.fullmatch(text):
            whole_day = date.fromisoformat(text) + timedelta(days=0 if first else 1)
            return datetime.combine(whole_day, time(), UTC)
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        problem = f"{text!r} must be a date such as 2026-01-31, or a time with its offset such as 2026-01-31T12:00:00Z"
        raise typer.BadParameter(problem, param_hint=option) from None


async def _made(conninfo: str, settings: Settings, wanted: Wanted) -> Made:
    log = EventLog(conninfo, readers=2)
    await log.open()
    try:
        async with log.connection() as connection:
            folder = CheckpointFolder(settings.checkpoints, await ledger_id(connection))
        return await make(log, Custody(settings.signing, folder), wanted, datetime.now(UTC).replace(microsecond=0))
    finally:
        await log.close()


def _write(made: Made, account: str, out: Path, html: Path | None) -> None:
    statement = made.held.statement
    if out != STDOUT or html is None:
        with whole_file(out, mode=0o600) as file:
            file.write(made.file)
    if html is not None:
        name = f"statement-{re.sub(r'[^A-Za-z0-9._-]', '_', account)}.json" if out == STDOUT else out.name
        with whole_file(html, mode=0o600) as file:
            file.write(page(made, name).encode())
    count = counted(len(statement.events), "event")
    covered = f"the checkpoint of {counted(made.held.checkpoint.size, 'event')} covers them"
    typer.echo(f"credit-ledger: {shown(account)}: {count} in the period; {covered}", err=True)
    if made.left_out:
        typer.echo(f"credit-ledger: left out: {made.left_out:,} that came after it; ask again in a moment", err=True)


@contextmanager
def _explained() -> Iterator[None]:
    """What whoever runs the command can mend is said without a traceback."""
    try:
        yield
    except CannotMake as problem:
        _fail(str(problem), REFUSED)
    except (Breach, CheckpointMismatch, HoleInLog) as problem:
        _fail(f"no statement is made of a log that does not hold; see `credit-ledger verify`: {problem}", REFUSED)
    except (KeyMissing, BadNote, FolderBusy) as problem:
        _fail(str(problem), NOT_DONE)
    except (psycopg.OperationalError, PoolTimeout) as error:
        _fail(f"the database cannot be reached: {str(error).strip()}", NOT_DONE)
    except OSError as problem:
        _fail(f"it cannot be written: {problem}", NOT_DONE)
    except KeyboardInterrupt:
        _fail("interrupted", 130)


def _fail(message: str, status: int) -> NoReturn:
    typer.echo(f"credit-ledger: {message}", err=True)
    raise typer.Exit(status)
