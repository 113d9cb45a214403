"""Carrying out an import: a file of usage becomes deductions, many in flight at once, in bounded memory.

Two readings of the file. The first rates every row and records nothing, so a file that is wrong in its last line
leaves no trace; the second sends the commands. Every command has a key that is made of the job and the row, so an
import can be stopped anywhere, by anything, and run again; nothing is remembered outside of the ledger.
"""

import asyncio
import signal
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import typer

from api.contract.operations import Defaults
from api.imports.rating import Options, Rated, Rating
from api.imports.report import Stop, Tally
from api.imports.usage_file import FileProblem, Row, RowProblem, UsageFile, open_file
from ledger.commit.submission import Outcome, Overloaded, Recorded, Submission, Unavailable
from ledger.domain.errors import AccountExists, BatchRefused
from ledger.progress import Progress
from ledger.service import Ledger

WINDOW = 2_000
"""Rows in flight."""
PATIENCE = 60.0
"""Seconds that an import waits for a database that has gone away."""
LISTED_PROBLEMS = 20

_PAUSE = 0.5
"""Seconds between two attempts."""
_KNOWN_OPENINGS = 100_000
"""Openings that are remembered. To forget one costs one look at its receipt."""
_TURN = 100
"""Rows after which the commands in flight get a turn of the processor."""


class RowsWrong(FileProblem):
    """Rows that cannot be rated, the first of them by name. Nothing was recorded."""

    def __init__(self, problems: list[str], *, more: bool) -> None:
        several = "\n  ".join([*problems, "and perhaps more"] if more else problems)
        super().__init__(f"it has rows that cannot be used; nothing is recorded:\n  {several}")


def check(path: Path, options: Options, defaults: Defaults, progress: Progress) -> Tally:
    """Rate all rows and record nothing: what an import of the file would deduct.

    Raises FileProblem, FormulaError or OptionProblem.
    """
    with open_file(path) as opened:
        file = UsageFile(opened)
        rating = Rating(options, file.columns, defaults)
        progress.begin("checking", file.size, "bytes")
        tally, problems = Tally(), list[str]()
        for row in file.rows():
            try:
                rated = rating.rate(row)
            except RowProblem as problem:
                problems.append(f"{row.place}: {problem}")
                if len(problems) == LISTED_PROBLEMS:
                    break
            else:
                _count(tally, rated)
            progress.reach(file.bytes_read)
    if problems:
        raise RowsWrong(problems, more=len(problems) == LISTED_PROBLEMS)
    return tally


def _count(tally: Tally, rated: Rated | None) -> None:
    if rated is None:
        tally.skipped += 1
    else:
        tally.deduct(rated, replayed=False)


class OpeningRefused(Exception):
    """An account could not be opened, and not because it exists."""


class Import:
    """One run of one job on one ledger."""

    def __init__(self, ledger: Ledger, options: Options, defaults: Defaults, *, stop_on_refusal: bool) -> None:
        self.tally = Tally()
        self._ledger = ledger
        self._options = options
        self._defaults = defaults
        self._stop_on_refusal = stop_on_refusal
        self._window = asyncio.Semaphore(WINDOW)
        self._in_flight: set[asyncio.Task[None]] = set()
        self._openings: OrderedDict[str, asyncio.Future[list[Outcome]] | None] = OrderedDict()
        self._error: BaseException | None = None

    async def run(self, path: Path, rows: int, progress: Progress) -> Tally:
        """Record what the file says, or as much as there is time for until a stop. Raises FileProblem."""
        with open_file(path) as opened:
            file = UsageFile(opened)
            rating = Rating(self._options, file.columns, self._defaults)
            progress.begin("recording", rows, "rows")
            try:
                await self._send_all(file, rating, progress)
            finally:
                if self._in_flight:
                    await asyncio.wait(self._in_flight)
        if self._error is not None:
            raise self._error
        if self.tally.rows == rows:
            self.tally.stopped = None  # it came too late to leave anything out
        return self.tally

    def stop(self, why: Stop) -> None:
        """Send nothing more; what is in flight is finished."""
        self.tally.stopped = self.tally.stopped or why

    # Rows ------------------------------------------------------------------------------------------------------

    async def _send_all(self, file: UsageFile, rating: Rating, progress: Progress) -> None:
        for row in file.rows():
            if self.tally.stopped or self._error:
                return
            rated = _rated_again(rating, row)
            if rated is None:
                self.tally.skipped += 1
            else:
                await self._window.acquire()
                self._send(rated, rating)
            if row.number % _TURN == 0:
                progress.reach(self.tally.rows)
                await asyncio.sleep(0)

    def _send(self, rated: Rated, rating: Rating) -> None:
        """Rows of one account stay in order: tasks begin in the order in which they are made, and then submit."""
        task = asyncio.create_task(self._record(rated, rating))
        self._in_flight.add(task)
        task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        self._window.release()
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Overloaded | Unavailable):
            self.stop("unavailable")
        else:
            self._error = self._error or error

    async def _record(self, rated: Rated, rating: Rating) -> None:
        outcome = await self._insist(rated, rating)
        if isinstance(outcome, Recorded):
            self.tally.deduct(rated, replayed=outcome.replayed)
            return
        self.tally.refuse(rated, outcome)
        if self._stop_on_refusal:
            self.stop("refused")

    async def _insist(self, rated: Rated, rating: Rating) -> Outcome:
        """Send a row until there is an outcome. Raises Overloaded or Unavailable when there is none in the end."""
        deduction = rating.deduction(rated)
        clock = asyncio.get_running_loop().time
        give_up_at = clock() + PATIENCE
        while True:
            try:
                return await self._attempt(rated, rating, deduction())
            except (Overloaded, Unavailable):
                if self.tally.stopped or clock() > give_up_at:
                    raise
                await asyncio.sleep(_PAUSE)

    async def _attempt(self, rated: Rated, rating: Rating, deduction: Submission) -> Outcome:
        """Both commands are submitted at once: the ledger keeps the order of those for one account."""
        opening = None if self._options.opening is None else self._opening(rated.account_id, rating)
        outcome = self._ledger.committer.submit(deduction)
        if opening is None:
            return await outcome
        await asyncio.wait((opening, outcome))
        for error in (opening.exception(), outcome.exception()):
            if error is not None:  # while the opening is not known, "there is no such account" is no answer
                raise error
        return outcome.result()

    # Openings --------------------------------------------------------------------------------------------------

    def _opening(self, account_id: str, rating: Rating) -> asyncio.Future[list[Outcome]] | None:
        """The opening of an account, sent when its first row is; None when it is behind us."""
        if account_id not in self._openings:
            opening = self._ledger.committer.submit_together(rating.opening(account_id)())
            self._openings[account_id] = opening
            opening.add_done_callback(partial(self._opened, account_id))
            if len(self._openings) > _KNOWN_OPENINGS:
                self._openings.popitem(last=False)
        return self._openings[account_id]

    def _opened(self, account_id: str, opening: asyncio.Future[list[Outcome]]) -> None:
        if opening.cancelled() or opening.exception() is not None:
            self._openings.pop(account_id, None)  # the rows that wait for it send it again
            return
        if account_id in self._openings:
            self._openings[account_id] = None  # its events need not be kept
        outcome = opening.result()[0]
        if isinstance(outcome, Recorded):
            self.tally.opened += not outcome.replayed
        elif not (isinstance(outcome, BatchRefused) and isinstance(outcome.cause, AccountExists)):
            self._error = self._error or OpeningRefused(f"account {account_id!r} cannot be opened: {outcome.message}")


def _rated_again(rating: Rating, row: Row) -> Rated | None:
    try:
        return rating.rate(row)
    except RowProblem as problem:
        raise FileProblem(f"it has changed since it was checked; {row.place}: {problem}") from None


@contextmanager
def stopped_by_signals(running: Import) -> Iterator[None]:
    """The first Ctrl-C, or SIGTERM, stops an import cleanly; the second finds Python's own manners again."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def stop() -> None:
        typer.echo("stopping: what is in flight is finished", err=True)
        running.stop("interrupted")
        restore()

    def restore() -> None:
        for number in signals:
            loop.remove_signal_handler(number)

    for number in signals:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        restore()
