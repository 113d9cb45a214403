"""Carries out an import: it turns a file of usage into deductions, many at a time, in bounded memory.

It reads the file twice. The first time it rates every row and records nothing, so a file with a fault in its last line
changes nothing. The second time it sends the commands. The key of every command is made of the job and the row, so an
import can be stopped at any moment and run again.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import psycopg

from api.contract.operations import Defaults
from api.imports.files.row import FileProblem, Row, RowProblem
from api.imports.files.usage_file import UsageFile, open_file
from api.imports.rating import (
    ACTOR,
    NotCharged,
    Options,
    Rated,
    Rating,
    Terms,
    digest_of,
    other_terms,
    uncollected_of,
)
from api.imports.tally import Stop, Tally
from ledger.commit.submission import Outcome, Overloaded, Recorded, Submission, Unavailable
from ledger.domain.errors import AccountExists, BatchRefused
from ledger.progress import Progress
from ledger.service import Ledger

PATIENCE = 60.0
"""Seconds that an import waits for a lost database."""

_PAUSE = 0.5
"""Seconds between two attempts."""
_KNOWN_OPENINGS = 100_000
"""The most openings that it keeps in memory. An opening that is dropped costs one look at its receipt."""
_KEPT_TOGETHER = 5_000
"""The recorded rows whose digests are written together."""


class KeptRows(Protocol):
    """Remembers the rows that were recorded."""

    async def keep(self, digests: list[bytes]) -> None:
        """Remember some rows. Raises psycopg.Error."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How much of the process an import takes."""

    window: int = 2_000
    """The most rows that wait for an answer at a time."""
    rows_at_once: int = 100
    """The rows after which other tasks run."""


class OpeningRefused(Exception):
    """An account cannot be opened, for another reason than that it exists."""


class Import:
    """One run of one job on one ledger."""

    def __init__(
        self,
        ledger: Ledger,
        options: Options,
        defaults: Defaults,
        *,
        stop_on_refusal: bool = False,
        skip_bad: bool = False,
        kept: KeptRows | None = None,
        actor: str = ACTOR,
        pace: Pace = Pace(),
    ) -> None:
        self.tally = Tally()
        self._ledger = ledger
        self._options = options
        self._defaults = defaults
        self._stop_on_refusal = stop_on_refusal
        self._skip_bad = skip_bad
        self._kept = kept
        self._actor = actor
        self._pace = pace
        self._window = asyncio.Semaphore(pace.window)
        self._in_flight: set[asyncio.Task[None]] = set()
        self._openings: OrderedDict[str, asyncio.Future[list[Outcome]] | None] = OrderedDict()
        self._digests: list[bytes] = []
        self._error: BaseException | None = None

    async def run(self, path: Path, rows: int, progress: Progress) -> Tally:
        """Record the deductions of the file until its end or a stop. Raises FileProblem."""
        with open_file(path) as opened:
            file = UsageFile(opened, self._options.dialect)
            rating = Rating(self._options, file, self._defaults, self._actor)
            progress.begin("recording", rows, "rows")
            try:
                await self._send_all(file, rating, progress)
            finally:
                if self._in_flight:
                    await asyncio.wait(self._in_flight)
                await self._keep_digests()
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
            rated = self._rate_again(rating, row)
            if isinstance(rated, Rated):
                await self._window.acquire()
                self._send(rated, rating)
            elif rated is None:
                self.tally.bad += 1
            else:
                self.tally.leave_out(rated)
            if row.number % self._pace.rows_at_once == 0:
                progress.reach(self.tally.rows)
                await asyncio.sleep(0)
            if len(self._digests) >= _KEPT_TOGETHER:
                await self._keep_digests()
        progress.reach(self.tally.rows)

    def _rate_again(self, rating: Rating, row: Row) -> Rated | NotCharged | None:
        """The deduction of a row; None if the row is one of the bad ones that are left out."""
        try:
            return rating.rate(row)
        except RowProblem as problem:
            if self._skip_bad:
                return None
            raise FileProblem(f"it has changed since it was checked; {row.place}: {problem}") from None

    async def _keep_digests(self) -> None:
        """Remember the rows that were recorded. Without the database the import stops: its next run remembers them."""
        digests, self._digests = self._digests, []
        clock = asyncio.get_running_loop().time
        give_up_at = clock() + PATIENCE
        while self._kept is not None and digests:
            try:
                await self._kept.keep(digests)
            except psycopg.Error:
                if self.tally.stopped or clock() > give_up_at:
                    self.stop("unavailable")
                    return
                await asyncio.sleep(_PAUSE)
            else:
                return

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
        terms = rating.terms_of(rated, self._ledger.clock())
        outcome = await self._send_until_answered(rated, rating, terms)
        if (other := other_terms(rated, terms, outcome)) is not None:
            terms = other
            outcome = await self._send_until_answered(rated, rating, terms)
        if isinstance(outcome, Recorded):
            self.tally.deduct(rated, replayed=outcome.replayed, uncollected=uncollected_of(outcome))
            self.tally.undated += rated.occurred_at is not None and not terms.timed
            if self._kept is not None:
                self._digests.append(digest_of(rated.row))
            return
        self.tally.refuse(rated, outcome)
        if self._stop_on_refusal:
            self.stop("refused")

    async def _send_until_answered(self, rated: Rated, rating: Rating, terms: Terms) -> Outcome:
        """Send a row until it has an outcome. Raises Overloaded or Unavailable after PATIENCE, or after a stop."""
        deduction = rating.deduction(rated, terms)
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
