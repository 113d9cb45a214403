"""`credit-ledger replay`: one account's stream from its first event, told as a story. Nothing but the log is read."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, NoReturn

import psycopg
import typer
from psycopg_pool import PoolTimeout

from api.cli.progress import showing_progress
from api.runtime.database import database
from api.runtime.settings import Settings
from audit.replay.formats import Ending, JsonLines, Plain, Rich, Teller
from ledger.domain.account import Account
from ledger.explain.explanation import Explanation
from ledger.explain.sentences import instant
from ledger.explain.streams import BrokenStream, ExplainedEvent, explain_stream, unrecorded_expiries
from ledger.progress import Progress
from ledger.store import EventLog, Feed, NewestEvent, UnreadableEvent

SOUND, UNSOUND, UNTOLD = 0, 1, 3
"""Exit statuses; 2 is that of wrong options."""

Id = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account.")]
At = Annotated[
    str | None,
    typer.Option("--at", metavar="VERSION|TIME", help="Where it ends: after a version, or at a past instant."),
]
From = Annotated[int, typer.Option("--from-version", min=1, metavar="VERSION", help="The first event that is told.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object per line, for programs.")]


class CannotTell(Exception):
    """There is no such story; the message says why."""


def add_to(app: typer.Typer, load_settings: Callable[..., Settings]) -> None:
    """Give the command line its `replay`."""

    @app.command("replay")
    def replay(account: Id, *, at: At = None, first: From = 1, json: Json = False) -> None:
        """Tell an account's story, event by event: which lots, why in that order, balances before and after."""
        version, moment = _end(at)
        wanted = _Wanted(account, version, moment, first)
        teller = JsonLines() if json else Rich() if sys.stdout.isatty() else Plain()
        settings = load_settings()
        try:
            with ExitStack() as shown, database(settings) as conninfo:
                told = _Told(wanted, teller, shown, shown.enter_context(showing_progress()))
                ending = asyncio.run(_replay(conninfo, told))
        except CannotTell as problem:
            _fail(str(problem), UNTOLD)
        except (psycopg.OperationalError, PoolTimeout) as error:
            _fail(f"the database cannot be reached: {str(error).strip()}", UNTOLD)
        except KeyboardInterrupt:
            _fail("interrupted", 130)
        raise typer.Exit(UNSOUND if ending.unsound or ending.problem else SOUND)


def _end(text: str | None) -> tuple[int | None, datetime | None]:
    """Where a story ends: after a version or at a moment."""
    if text is None:
        return None, None
    if text.isascii() and text.isdecimal() and len(text) < 17:
        return int(text), None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        said = f"{text!r} is neither a version nor a time with its offset, such as 2026-01-31T12:00:00Z"
        raise typer.BadParameter(said, param_hint="--at")
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
class _Told:
    """A story while it is told."""

    wanted: _Wanted
    teller: Teller
    shown: ExitStack
    """Closing it takes the progress away."""
    progress: Progress
    account: Account | None = None
    ending: Ending = field(default_factory=Ending)

    def tell(self, told: Explanation, position: int | None) -> None:
        """One event: from the first wanted one on, and before it if it is not sound."""
        if position is not None:
            self.ending.count(told)
        self.account = told.after
        if told.version < self.wanted.first and told.sound:
            return
        if sys.stdout.isatty():
            self.shown.close()  # from here on the story itself shows how far it is
        self.teller.event(self.wanted.account_id, told, position)


async def _replay(conninfo: str, story: _Told) -> Ending:
    wanted = story.wanted
    async with _opened(conninfo) as log:
        async with log.reader() as reader:
            newest = await reader.newest_event(wanted.account_id)
        upto = _last(wanted, newest)
        story.progress.begin("replaying", upto, "events")
        try:
            async for page in explain_stream(Feed(log), wanted.account_id, upto):
                whole = _tell_page(story, page)
                story.teller.flush()
                story.progress.reach(story.ending.events)
                if not whole:
                    break
        except (UnreadableEvent, BrokenStream) as problem:
            story.ending.problem = str(problem)
    _end_story(story)
    return story.ending


@asynccontextmanager
async def _opened(conninfo: str) -> AsyncIterator[EventLog]:
    log = EventLog(conninfo, readers=1)
    await log.open()
    try:
        yield log
    finally:
        await log.close()


def _last(wanted: _Wanted, newest: NewestEvent | None) -> int:
    """The last version that can be told. Raises CannotTell."""
    if newest is None:
        raise CannotTell(f"there is no account {wanted.account_id!r}")
    last = newest.version if wanted.version is None else wanted.version
    for version in (last, wanted.first):
        if not 1 <= version <= newest.version:
            raise CannotTell(
                f"account {wanted.account_id!r} has no version {version}: its last event is version {newest.version}"
            )
    if wanted.first > last:
        raise CannotTell(f"nothing is left to tell: version {wanted.first} comes after version {last}")
    return last


def _tell_page(story: _Told, page: list[ExplainedEvent]) -> bool:
    """Tell events up to the moment that is wanted; whether there may be more."""
    at = story.wanted.at
    for position, told in page:
        if at is not None and told.recorded_at > at:
            return False
        story.tell(told, position)
        if told.after is None:
            story.ending.problem = f"nobody can go on from version {told.version}"
            return False
    return True


def _end_story(story: _Told) -> None:
    """What time had taken by the end and no event tells, then the account."""
    wanted, ending = story.wanted, story.ending
    if not ending.events and not ending.problem:
        raise CannotTell(
            f"account {wanted.account_id!r} did not exist yet at {instant(wanted.at or datetime.now(UTC))}"
        )
    if ending.events < wanted.first and not ending.problem:
        raise CannotTell(f"nothing is left to tell: version {wanted.first} comes after {wanted.at}")
    if story.account is not None and not ending.problem and wanted.version is None:
        moment = max(wanted.at or datetime.now(UTC), story.account.recorded_at)
        ending.as_of = moment
        for told in unrecorded_expiries(story.account, moment)[0]:
            story.tell(told, None)
    story.teller.end(wanted.account_id, story.account, ending)


def _fail(message: str, status: int) -> NoReturn:
    typer.echo(f"credit-ledger: {message}", err=True)
    raise typer.Exit(status)
