"""Carries out an import: it turns a file of usage into deductions, many at a time, in bounded memory.

It reads the file twice. The first time it rates every row and records nothing, so a file with a fault in its last line
changes nothing. The second time it sends the commands. The key of every command is made of the job and the row, so an
import can be stopped at any moment and run again. It keeps no state outside of the ledger.
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
"""The most rows that wait for an answer at a time."""
PATIENCE = 60.0
"""Seconds that an import waits for a lost database."""
LISTED_PROBLEMS = 20

_PAUSE = 0.5
"""Seconds between two attempts."""
_KNOWN_OPENINGS = 100_000
"""The most openings that it keeps in memory. An opening that is dropped costs one look at its receipt."""
_YIELD_EVERY = 100
"""The number of rows after which it yields to the event loop."""


class RowsWrong(FileProblem):
    """Some rows cannot be rated. The message names the first ones. Nothing was recorded."""

    def __init__(self, problems: list[str], *, more: bool) -> None:
        several = "\n  ".join([*problems, "and maybe more"] if more else problems)
        super().__init__(f"it has rows that cannot be used; nothing is recorded:\n  {several}")


def check(path: Path, options: Options, defaults: Defaults, progress: Progress) -> Tally:
    """Rate all rows and record nothing. Returns what an import of the file would deduct.

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
    """An account cannot be opened, for another reason than that it exists."""


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
        """Record the deductions of the file until its end or a stop. Raises FileProblem."""
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
            self.tally.stopped = None  # the stop came after the last row
        return self.tally

    def stop(self, why: Stop) -> None:
        """Send no more rows. Rows that are sent are finished."""
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
            if row.number % _YIELD_EVERY == 0:
                progress.reach(self.tally.rows)
                await asyncio.sleep(0)

    def _send(self, rated: Rated, rating: Rating) -> None:
        """Send a row. Rows of one account keep their order: tasks start, and submit, in the order of their creation."""
        task = asyncio.create_task(self._record(rated, rating))
        self._in_flight.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        self._window.release()
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Overloaded | Unavailable):
            self.stop("unavailable")
        else:
            self._error = self._error or error

    async def _record(self, rated: Rated, rating: Rating) -> None:
        outcome = await self._send_until_answered(rated, rating)
        if isinstance(outcome, Recorded):
            self.tally.deduct(rated, replayed=outcome.replayed)
            return
        self.tally.refuse(rated, outcome)
        if self._stop_on_refusal:
            self.stop("refused")

    async def _send_until_answered(self, rated: Rated, rating: Rating) -> Outcome:
        """Send a row until it has an outcome. Raises Overloaded or Unavailable after PATIENCE, or after a stop."""
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
        """Submit the opening and the deduction together: the ledger keeps the order of commands for one account."""
        opening = None if self._options.opening is None else self._opening(rated.account_id, rating)
        outcome = self._ledger.submit(deduction)
        if opening is None:
            return await outcome
        await asyncio.wait((opening, outcome))
        for error in (opening.exception(), outcome.exception()):
            if error is not None:  # without the outcome of the opening, "there is no such account" does not count
                raise error
        return outcome.result()

    # Openings --------------------------------------------------------------------------------------------------

    def _opening(self, account_id: str, rating: Rating) -> asyncio.Future[list[Outcome]] | None:
        """The opening of an account, sent with its first row; None once it is done."""
        if account_id not in self._openings:
            opening = self._ledger.executor.submit_together(rating.opening(account_id)())
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
            self._openings[account_id] = None  # its events are not needed any more
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
    """The first Ctrl-C or SIGTERM stops an import cleanly. The second has Python's default effect."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def stop() -> None:
        typer.echo("stopping: rows that are sent are finished", err=True)
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
