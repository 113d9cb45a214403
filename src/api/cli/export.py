"""`credit-ledger export`: its options, its export and its summary."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import Annotated, Any

import orjson
import typer

from api.cli.errors import Failure, Failures, fail, interrupted, reported
from api.cli.progress import showing_progress
from api.runtime.database import database
from api.runtime.settings import Settings
from audit.export.exporting import LOGS, TABLES, WHOLE, ExportRequest, ExportResult, Format, export
from audit.export.files import STDOUT
from audit.export.log_export import CannotContinue
from audit.export.sources import NoSuchAccount, Source
from audit.export.tables import Period
from ledger.explain.sentences import counted
from ledger.progress import Progress
from ledger.store import EventLog, Feed, UnreadableEvent

Kind = Annotated[Format, typer.Option("--format", help="What to write.", show_default=False)]
To = Annotated[Path, typer.Option(metavar="PATH", help="The file, - for standard output, or the folder of a bundle.")]
After = Annotated[
    int | None,
    typer.Option(min=0, metavar="POSITION", help="jsonl: begin after this position. Default: at the first."),
]
Account = Annotated[
    list[str] | None,
    typer.Option(metavar="ACCOUNT", help="Only this account. Can be repeated. Not for jsonl, bundle and revenue."),
]
From = Annotated[
    str | None, typer.Option("--from", metavar="TIME", help="csv, parquet: entries recorded at or after this time.")
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="csv, parquet: entries recorded before this time.")]
Keys = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="jsonl, bundle: also write the keys of all texts, to move to another machine."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the summary as JSON, for programs.")]


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Add `export` to the command line."""

    @app.command("export")
    def export_(
        *,
        format_: Kind,
        to: To,
        after: After = None,
        account: Account = None,
        from_: From = None,
        until: Until = None,
        keys: Keys = None,
        json: Json = False,
    ) -> None:
        """Write the log as it is stored, a table of entries, journals for plain-text accounting, or revenue."""
        period = Period(_moment("--from", from_), _moment("--until", until))
        settings = load_settings()
        accounts = list(dict.fromkeys(account or []))
        wanted = ExportRequest(format_, to, after, accounts, period, keys, settings.checkpoints)
        _check(wanted)
        began = monotonic()
        with reported(_failures(to)), _for_a_reader(), showing_progress() as progress, database(settings) as conninfo:
            done = asyncio.run(_export(conninfo, wanted, progress))
        summary = _as_json(wanted, done, monotonic() - began) if json else _as_text(wanted, done)
        typer.echo(summary, err=to == STDOUT)
        if keys is not None:
            typer.echo(f"{keys} opens every text: keep it apart from the log, and destroy it after the move", err=True)


def _moment(option: str, text: str | None) -> datetime | None:
    """The instant of a time with its offset, or of the midnight (UTC) at the beginning of a date."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None and len(text) > len("2026-01-31"):
            raise ValueError
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(
            f"{text!r} must be a time with its offset, such as 2026-01-31T12:00:00Z, or a date in UTC",
            param_hint=option,
        ) from error


def _check(wanted: ExportRequest) -> None:
    """Refuse an option that the format does not use: to ignore it would look like an answer."""
    if wanted.after is not None and wanted.format is not Format.JSONL:
        raise typer.BadParameter("only jsonl can begin in the middle of the log", param_hint="--after")
    if wanted.accounts and wanted.format in WHOLE:
        raise typer.BadParameter(
            f"{wanted.format} has all accounts; for one, see `credit-ledger statement`", param_hint="--account"
        )
    if wanted.period != Period(None, None) and wanted.format not in TABLES:
        raise typer.BadParameter("only csv and parquet can be limited to a period", param_hint="--from, --until")
    if wanted.keys is not None and wanted.format not in LOGS:
        raise typer.BadParameter("only jsonl and bundle can be exported with keys", param_hint="--keys")
    if wanted.to == STDOUT and wanted.format is Format.BUNDLE:
        raise typer.BadParameter("a bundle is a folder", param_hint="--to")
    if wanted.format is Format.PARQUET and find_spec("pyarrow") is None:
        fail("Parquet needs pyarrow, which is not installed: install credit-ledger[parquet]")


async def _export(conninfo: str, wanted: ExportRequest, progress: Progress) -> ExportResult:
    log = EventLog(conninfo, readers=2)
    await log.open()
    try:
        return await export(Source(log, await Feed(log).last_position(), progress), wanted)
    finally:
        await log.close()


def _failures(to: Path) -> Failures:
    return {
        BrokenPipeError: Failure(line=lambda _: "the program that reads the export has stopped reading"),
        CannotContinue: Failure(line=lambda problem: f"{to}: {problem}"),
        NoSuchAccount: Failure(line=lambda problem: f"there is no account {str(problem)!r}"),
        UnreadableEvent: Failure(line=lambda problem: f"{problem}; nothing was written"),
        OSError: Failure(line=lambda problem: f"{to}: {problem.strerror or problem}"),
        KeyboardInterrupt: interrupted("run the same command again: jsonl continues at its end, the others begin anew"),
    }


@contextmanager
def _for_a_reader() -> Iterator[None]:
    """Drop what is still in the buffer of standard output when its reader has stopped."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def _as_text(wanted: ExportRequest, done: ExportResult) -> str:
    text = f"exported {done.lines:,} {done.what} up to position {done.position:,} to {wanted.to}"
    return text if done.keys is None else f"{text}, and {counted(done.keys, 'key')} to {wanted.keys}"


def _as_json(wanted: ExportRequest, done: ExportResult, seconds: float) -> str:
    summary: dict[str, Any] = {
        "format": wanted.format,
        "to": str(wanted.to),
        "position": done.position,
        "events": done.events,
        done.what: done.lines,
        "keys": done.keys,
        "seconds": round(seconds, 3),
    }
    return orjson.dumps(summary).decode()
