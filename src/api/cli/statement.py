"""`credit-ledger statement`: its options, and the files that it writes."""

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from api.cli.errors import FAILED, NOT_DONE, Failure, Failures, reported, warn
from api.http.documents.parties import holder_of, letterhead_of
from api.runtime.database import database
from api.runtime.settings import Settings
from audit.documents.document import Claims
from audit.documents.finished import finished
from audit.documents.making import MOST_EVENTS as MOST_PRINTED
from audit.documents.making import enclosed, sign_document
from audit.documents.printing import CannotPrint, printer
from audit.export.files import STDOUT, whole_file
from audit.statements.form import MOST_EVENTS, Period
from audit.statements.making import CannotMake, NewStatement, StatementRequest, make
from audit.statements.page import page
from audit.statements.signing import Keys, read_keys
from ledger.explain.sentences import counted
from ledger.proof.checkpoint_folder import CheckpointFolder
from ledger.proof.evidence import CheckpointMismatch
from ledger.proof.files import FolderBusy
from ledger.proof.notes import BadNote
from ledger.proof.signing_key import CheckpointKeys, KeyMissing
from ledger.proof.tree import HoleInLog
from ledger.proof.walk import Breach, shown
from ledger.store import EventLog, ledger_id

AccountId = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account.")]
From = Annotated[
    str | None,
    typer.Option("--from", metavar="TIME", help="A date (UTC), or a time with its offset. Default: the beginning."),
]
To = Annotated[
    str | None,
    typer.Option("--to", metavar="TIME", help="A date, which is included, or a time, which is not. Default: now."),
]
Out = Annotated[
    Path, typer.Option(metavar="FILE", help="The file of the statement; - is standard output.", show_default=True)
]
Html = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write a page for people as well, to read or to print.", show_default=False),
]
Pdf = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Print it as PDF as well, with its own proof.", show_default=False),
]
WithoutTexts = Annotated[
    bool, typer.Option("--without-texts", help="Leave out descriptions, for readers who do not need them.")
]
FAILURES: Failures = {
    CannotMake: Failure(),
    **dict.fromkeys(
        (Breach, CheckpointMismatch, HoleInLog),
        Failure(FAILED, lambda problem: f"the log is not intact, see `credit-ledger verify`: {problem}"),
    ),
    **dict.fromkeys((KeyMissing, BadNote, CannotPrint, FolderBusy), Failure(NOT_DONE)),
    OSError: Failure(NOT_DONE, lambda problem: f"the statement cannot be written: {problem}"),
}
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Add `statement` to the command line."""

    @app.command("statement")
    def statement(
        account: AccountId,
        *,
        from_: From = None,
        to: To = None,
        out: Out = STDOUT,
        html: Html = None,
        pdf: Pdf = None,
        without_texts: WithoutTexts = False,
    ) -> None:
        """Make a signed statement of an account. Anybody can verify it without this ledger."""
        period = Period(_moment("--from", from_, first=True), _moment("--to", to, first=False))
        if period.begin is not None and period.end is not None and period.begin >= period.end:
            raise typer.BadParameter("the period ends before it begins", param_hint="--from, --to")
        _check_files(out, html, pdf)
        most = MOST_EVENTS if pdf is None else MOST_PRINTED
        wanted = StatementRequest(account, period, texts=not without_texts, most=most)
        with reported(FAILURES, otherwise=NOT_DONE):
            settings = load_settings()
            with database(settings) as conninfo:
                made = asyncio.run(_made(conninfo, settings, wanted, printed=pdf is not None))
            _write(made, account, Files(out, html, pdf))


class Files(NamedTuple):
    """Where a statement goes: its file, the page of it, and the PDF."""

    out: Path
    html: Path | None
    pdf: Path | None


class Made(NamedTuple):
    """A statement, and the PDF of it if one is wanted."""

    statement: NewStatement
    pdf: bytes | None


def _check_files(out: Path, html: Path | None, pdf: Path | None) -> None:
    """Refuse two things in one file. Raises typer.BadParameter."""
    if html == STDOUT or (html is not None and html == out):
        raise typer.BadParameter("the page needs a file of its own", param_hint="--html")
    if pdf == STDOUT or (pdf is not None and pdf in (out, html)):
        raise typer.BadParameter("the PDF needs a file of its own", param_hint="--pdf")


def _moment(option: str, text: str | None, *, first: bool) -> datetime | None:
    """The instant of a time with its offset, or of the midnight (UTC) at the beginning (`first`) or end of a date."""
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


async def _made(conninfo: str, settings: Settings, wanted: StatementRequest, *, printed: bool) -> Made:
    log = EventLog(conninfo, readers=2)
    await log.open()
    try:
        async with log.connection() as connection:
            folder = CheckpointFolder(settings.checkpoints, await ledger_id(connection))
        keys = CheckpointKeys(settings.signing, folder)
        made = await make(log, keys, wanted, datetime.now(UTC).replace(microsecond=0))
        return Made(made, await _printed(log, settings, made, await read_keys(keys)) if printed else None)
    finally:
        await log.close()


async def _printed(log: EventLog, settings: Settings, made: NewStatement, keys: Keys) -> bytes:
    """A statement as PDF. Raises CannotPrint."""
    evident, last = enclosed(made, keys), made.verified.statement.chain[-1].record
    holder = await holder_of(log, last.account_id, last.version)
    claims = Claims(letterhead_of(settings).party, holder, printer())
    signed = sign_document("statement", evident, claims)
    return finished("statement", evident, claims, signed, [settings.font_dir] if settings.font_dir else [])


def _write(done: Made, account: str, files: Files) -> None:
    made, (out, html, pdf) = done.statement, files
    statement = made.verified.statement
    if done.pdf is not None and pdf is not None:
        with whole_file(pdf, mode=0o600) as file:
            file.write(done.pdf)
    if out != STDOUT or (html is None and pdf is None):
        with whole_file(out, mode=0o600) as file:
            file.write(made.file)
    if html is not None:
        name = f"statement-{re.sub(r'[^A-Za-z0-9._-]', '_', account)}.json" if out == STDOUT else out.name
        with whole_file(html, mode=0o600) as file:
            file.write(page(made, name).encode())
    count = counted(len(statement.events), "event")
    covered = f"the checkpoint of {counted(made.verified.checkpoint.size, 'event')} covers them"
    warn(f"{shown(account)}: {count} in the period; {covered}")
    if made.left_out:
        warn(f"left out: {made.left_out:,} that were recorded after it; make the statement again in a moment")
