"""Carrying out an import: a file of usage becomes deductions, many in flight at once, in bounded memory.

Two readings of the file. The first rates every row and records nothing, so a file that is wrong in its last line
leaves no trace; the second sends the commands. Every command has a key that is made of the job and the row, so an
import can be stopped anywhere, by anything, and run again; nothing is remembered outside of the ledger.
"""

import asyncio
import signal
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path

from api.import_progress import Showing
from api.import_report import Stop, Tally
from api.operations import Defaults
from api.rating import Options, Rated, Rating
from api.usage_file import FileProblem, Row, RowProblem, UsageFile, open_file
from ledger.entries import Overloaded, Recorded, Unavailable
from ledger.errors import AccountExists, BatchRefused, Refusal
from ledger.service import Ledger

WINDOW = 2_000
"""Rows in flight."""
PATIENCE = 60.0
"""Seconds that an import waits for a database that has gone away."""
LISTED_PROBLEMS = 20

_KNOWN_ACCOUNTS = 100_000
"""Openings that are remembered. To forget one costs one look at its receipt."""
_TURN = 100
"""Rows after which the commands in flight get a turn of the processor."""


class RowsWrong(FileProblem):
    """Rows that cannot be rated, the first of them by name. Nothing was recorded."""

    def __init__(self, problems: list[str], *, more: bool) -> None:
        several = "\n  ".join([*problems, "and perhaps more"] if more else problems)
        super().__init__(f"it has rows that cannot be used; nothing is recorded:\n  {several}")


def check(path: Path, options: Options, defaults: Defaults, showing: Showing) -> Tally:
    """Rate all rows and record nothing: what an import of the file would deduct.

    Raises FileProblem, FormulaError or OptionProblem.
    """
    with open_file(path) as opened:
        file = UsageFile(opened)
        rating = Rating(options, file.columns, defaults)
        showing.begin("checking", file.size)
        tally, problems = Tally(), list[str]()
        for row in file.rows():
            tally.rows += 1
            try:
                rated = rating.rate(row)
            except RowProblem as problem:
                problems.append(f"{row.place}: {problem}")
                if len(problems) == LISTED_PROBLEMS:
                    break
            else:
                _count(tally, rated)
            showing.reach(file.bytes_read)
    if problems:
        raise RowsWrong(problems, more=len(problems) == LISTED_PROBLEMS)
    return tally


def _count(tally: Tally, rated: Rated | None) -> None:
    if rated is None:
        tally.skipped += 1
    else:
        tally.deduct(rated, replayed=False)


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
        self._openings: OrderedDict[str, asyncio.Task[Refusal | None]] = OrderedDict()
        self._error: BaseException | None = None

    async def run(self, path: Path, rows: int, showing: Showing) -> Tally:
        """Record what the file says, or as much as there is until it is stopped. Raises FileProblem."""
        with open_file(path) as opened:
            file = UsageFile(opened)
            rating = Rating(self._options, file.columns, self._defaults)
            showing.begin("recording", rows)
            try:
                with _until_told(self.stop):
                    await self._send_all(file, rating, showing)
            finally:
                await self._settle()
        if self._error is not None:
            raise self._error
        return self.tally

    def stop(self, why: Stop) -> None:
        """Send nothing more; what is in flight is finished."""
        self.tally.stopped = self.tally.stopped or why
