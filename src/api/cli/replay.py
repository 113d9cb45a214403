"""`credit-ledger replay`: replays the stream of one account into a history. It reads the log and no projection."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated

import typer

from api.cli.errors import NOT_DONE, Failure, Failures, reported
from api.cli.progress import showing_progress
from api.runtime.database import database
from api.runtime.settings import Settings
from audit.replay.formats import HistoryFormat, JsonLines, PlainText, Summary, Terminal
from ledger.domain.account import Account
from ledger.explain.explanation import Explanation
from ledger.explain.sentences import instant
from ledger.explain.streams import BrokenStream, ExplainedEvent, explain_stream, unrecorded_expiries
from ledger.progress import Progress
from ledger.store import EventLog, Feed, NewestEvent, UnreadableEvent

SOUND, UNSOUND = 0, 1
"""Exit statuses."""

Id = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account.")]
At = Annotated[
    str | None,
    typer.Option("--at", metavar="VERSION|TIME", help="The end of the history: a version, or a past instant."),
]
From = Annotated[int, typer.Option("--from-version", min=1, metavar="VERSION", help="The first event that is printed.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per line, for programs.")]


class CannotReplay(Exception):
    """The account has no such history. The message says why."""


FAILURES: Failures = {CannotReplay: Failure(NOT_DONE)}


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Add `replay` to the command line."""

    @app.command("replay")
    def replay(account: Id, *, at: At = None, first: From = 1, json: Json = False) -> None:
        """Replay an account event by event: which lots each event drew, why in that order, the balances around it."""
        version, moment = _end(at)
        wanted = _Wanted(account, version, moment, first)
        output = JsonLines() if json else Terminal() if sys.stdout.isatty() else PlainText()
        with reported(FAILURES, otherwise=NOT_DONE):
            settings = load_settings()
            with ExitStack() as shown, database(settings) as conninfo:
                history = _History(wanted, output, shown, shown.enter_context(showing_progress()))
                summary = asyncio.run(_replay(conninfo, history))
        raise typer.Exit(UNSOUND if summary.unsound or summary.problem else SOUND)


def _end(text: str | None) -> tuple[int | None, datetime | None]:
    """The version or the moment at which the history ends."""
    if text is None:
        return None, None
    if text.isascii() and text.isdecimal() and len(text) < 17:
        return int(text), None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        problem = f"{text!r} is neither a version nor a time with its offset, such as 2026-01-31T12:00:00Z"
        raise typer.BadParameter(problem, param_hint="--at")
    if moment > datetime.now(UTC):
        raise typer.BadParameter("must not be in the future", param_hint="--at")
    return None, moment


@dataclass(frozen=True, slots=True)
class _Wanted:
    account_id: str
    version: int | None
    at: datetime | None
    first: int


@dataclass(slots=True)
class _History:
    """A history while the stream is replayed."""

    wanted: _Wanted
    output: HistoryFormat
    shown: ExitStack
    """Closing it removes the progress bar."""
    progress: Progress
    account: Account | None = None
    summary: Summary = field(default_factory=Summary)

    def add(self, explained: Explanation, position: int | None) -> None:
        """Print an event from the first wanted one on, and an earlier one if it is not sound."""
        if position is not None:
            self.summary.count(explained)
        self.account = explained.after
        if explained.version < self.wanted.first and explained.sound:
            return
        if sys.stdout.isatty():
            self.shown.close()  # from here on the printed events show the progress
        self.output.event(self.wanted.account_id, explained, position)


async def _replay(conninfo: str, history: _History) -> Summary:
    wanted = history.wanted
    async with _opened(conninfo) as log:
        async with log.reader() as reader:
            newest = await reader.newest_event(wanted.account_id)
        upto = _last(wanted, newest)
        history.progress.begin("replaying", upto, "events")
        try:
            async for page in explain_stream(Feed(log), wanted.account_id, upto):
                more = _add_page(history, page)
                history.output.flush()
                history.progress.reach(history.summary.events)
                if not more:
                    break
        except (UnreadableEvent, BrokenStream) as problem:
            history.summary.problem = str(problem)
    _finish(history)
    return history.summary


@asynccontextmanager
async def _opened(conninfo: str) -> AsyncIterator[EventLog]:
    log = EventLog(conninfo, readers=1)
    await log.open()
    try:
        yield log
    finally:
        await log.close()


def _last(wanted: _Wanted, newest: NewestEvent | None) -> int:
    """The last version of the history. Raises CannotReplay."""
    if newest is None:
        raise CannotReplay(f"there is no account {wanted.account_id!r}")
    last = newest.version if wanted.version is None else wanted.version
    for version in (last, wanted.first):
        if not 1 <= version <= newest.version:
            raise CannotReplay(
                f"account {wanted.account_id!r} has no version {version}: its last event is version {newest.version}"
            )
    if wanted.first > last:
        raise CannotReplay(f"there is nothing to print: version {wanted.first} comes after version {last}")
    return last


def _add_page(history: _History, page: list[ExplainedEvent]) -> bool:
    """Add events up to the moment that is wanted. Returns whether more may follow."""
    at = history.wanted.at
    for position, explained in page:
        if at is not None and explained.recorded_at > at:
            return False
        history.add(explained, position)
        if explained.after is None:
            history.summary.problem = f"the account cannot be computed after version {explained.version}"
            return False
    return True


def _finish(history: _History) -> None:
    """Add the expiries that were due by the end and are not recorded, then the account."""
    wanted, summary = history.wanted, history.summary
    if not summary.events and not summary.problem:
        raise CannotReplay(
            f"account {wanted.account_id!r} did not exist yet at {instant(wanted.at or datetime.now(UTC))}"
        )
    if summary.events < wanted.first and not summary.problem:
        raise CannotReplay(f"there is nothing to print: version {wanted.first} comes after {wanted.at}")
    if history.account is not None and not summary.problem and wanted.version is None:
        moment = max(wanted.at or datetime.now(UTC), history.account.recorded_at)
        summary.as_of = moment
        for explained in unrecorded_expiries(history.account, moment)[0]:
            history.add(explained, None)
    history.output.end(wanted.account_id, history.account, summary)
