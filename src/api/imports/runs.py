"""Works on uploaded files in the background of a process of the service: checks them, and records them.

The state is in the database. So every worker shows it, and after a crash another one continues: whatever was recorded
before is replayed.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from api.contract.operations import Defaults
from api.imports.checking import Checked, check
from api.imports.files.bad_rows import BadRows
from api.imports.files.row import FileProblem
from api.imports.formulas.errors import FormulaError
from api.imports.importing import Import, OpeningRefused, Pace
from api.imports.notes import left_out, warnings
from api.imports.preview import try_rows
from api.imports.rating import OptionProblem, Options
from api.imports.report import Report
from api.imports.row_digests import RowDigests
from api.imports.shown_preview import shown_preview
from api.imports.typed_wishes import wishes_of
from api.imports.uploads import State, Upload, Uploads
from api.imports.wishes import options_for, recognise
from ledger.cancellation import end_tasks
from ledger.commit.submission import Overloaded, Unavailable
from ledger.service import Ledger

AT_ONCE = 2
"""The files that a process works on at the same time; the others wait."""
_EVERY = 0.5
"""Seconds between two reports of the progress."""
_PACE = Pace(window=200, rows_at_once=20)
"""Beside requests, an import takes less at a time than alone: they wait for its rows."""
_MOST_BAD = 16 * 1024 * 1024
"""The most characters of the rows that cannot be used, with the reasons: they are kept as a file."""
_STOP_WITHIN = 5.0
"""Seconds that imports get to finish the rows that are sent, when the process stops."""
_PROBLEMS = (FileProblem, FormulaError, OptionProblem, OpeningRefused)
_LOST = (Overloaded, Unavailable, psycopg.Error)
_log = logging.getLogger("credit_ledger.imports")


class ImportRuns:
    """The work of one process on uploaded files."""

    def __init__(self, ledger: Ledger, defaults: Defaults) -> None:
        self.uploads = Uploads(ledger.log)
        self._ledger = ledger
        self._defaults = defaults
        self._tasks: set[asyncio.Task[None]] = set()
        self._imports: set[Import] = set()
        self._places = asyncio.Semaphore(AT_ONCE)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work until the block ends. Imports that are under way stop cleanly, and can be continued."""
        try:
            yield
        finally:
            for work in self._imports:
                work.stop("interrupted")
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=_STOP_WITHIN)
            await end_tasks(list(self._tasks))

    async def check(self, upload: Upload, form: Mapping[str, str]) -> None:
        """Begin to check a file as a form says, if nobody works on it. Raises psycopg.Error."""
        if await self.uploads.claim(upload.upload_id, ("uploaded", "checked", "stopped"), "checking", form):
            await self._begin(upload, self._check, form)

    async def record(self, upload: Upload, actor: str) -> None:
        """Begin, or go on, to record a file that was checked, if nobody works on it. Raises psycopg.Error."""
        if await self.uploads.claim(upload.upload_id, ("checked", "stopped"), "recording"):
            await self._begin(upload, self._record, upload.form, actor)

    async def _begin(self, upload: Upload, work: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        task = asyncio.create_task(self._worked(upload, work, *arguments))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait([task], timeout=1.0)  # most files are done by then, and the next page shows the result

    async def _worked(self, upload: Upload, work: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        """Do some work on a copy of the file. What goes wrong is told on the page of the file."""
        state: State = "checking" if work == self._check else "recording"
        back: State = "uploaded" if state == "checking" else "stopped"
        try:
            with TemporaryDirectory(prefix="credit-ledger-import-") as folder:
                progress = _Progress(self.uploads, upload.upload_id, state)
                async with progress.written(), self._places:
                    path = Path(folder) / "usage.csv"
                    with path.open("wb") as file:
                        await self.uploads.copy(upload.upload_id, file)
                    await work(upload, path, progress, *arguments)
        except _PROBLEMS as problem:
            await self._settle(upload, state, back, str(problem))
        except _LOST as error:
            _log.warning("import of %s: the database was lost: %s", upload.upload_id, error)
            await self._settle(upload, state, back, "The database could not be reached. Try it again.")
        except Exception:
            _log.exception("import of %s failed", upload.upload_id)
            await self._settle(upload, state, back, "An error occurred. The log of the service has its details.")

    async def _settle(self, upload: Upload, state: State, to: State, problem: str) -> None:
        with suppress(psycopg.Error):  # then its silence tells
            await self.uploads.settle(upload.upload_id, state, to, problem=problem)

    async def _check(self, upload: Upload, path: Path, progress: "_Progress", form: Mapping[str, str]) -> None:
        options = _options(path, form, upload.name)
        bad_path = path.with_name("bad.csv")
        rows = RowDigests(self._ledger.log, options.job)
        checked = await check(path, options, self._defaults, progress, known=rows, bad=BadRows(bad_path, _MOST_BAD))
        trial = await try_rows(self._ledger, options, checked)
        bad = bad_path.read_bytes() if bad_path.exists() else None
        preview = shown_preview(options, checked, trial)
        await self.uploads.settle(upload.upload_id, "checking", "checked", preview=preview, bad_rows=bad)

    async def _record(
        self, upload: Upload, path: Path, progress: "_Progress", form: Mapping[str, str], actor: str
    ) -> None:
        options = _options(path, form, upload.name)
        clock = asyncio.get_running_loop().time
        began = clock()
        checked = await check(
            path, options, self._defaults, progress, bad=BadRows(path.with_name("bad.csv"), _MOST_BAD)
        )
        rows = RowDigests(self._ledger.log, options.job)
        work = Import(self._ledger, options, self._defaults, skip_bad=True, kept=rows, actor=actor, pace=_PACE)
        progress.stops = work
        self._imports.add(work)
        try:
            tally = await work.run(path, checked.rows, progress)
        finally:
            self._imports.discard(work)
        report = _report(options, checked, work, clock() - began)
        to: State = "stopped" if tally.stopped or tally.refused else "done"
        await self.uploads.settle(upload.upload_id, "recording", to, report=report.as_json())


def _options(path: Path, form: Mapping[str, str], name: str) -> Options:
    wishes = wishes_of(form, name)
    return options_for(wishes, recognise(path, wishes.dialect))


def _report(options: Options, checked: Checked, work: Import, seconds: float) -> Report:
    return Report(
        options.job,
        work.tally,
        checked.rows,
        seconds,
        dry_run=False,
        left_out=left_out(checked.incidental, checked.tally),
        warnings=warnings(checked, options),
    )


class _Progress:
    """The progress of one piece of work, which is written now and then; the answer may be to stop."""

    def __init__(self, uploads: Uploads, upload_id: str, state: State) -> None:
        self.stops: Import | None = None
        """The import that stops when somebody asks for it."""
        self._uploads, self._upload_id, self._state = uploads, upload_id, state
        self._done, self._total = 0, 0

    def begin(self, what: str, total: int, unit: str) -> None:
        """Begin a step."""
        self._done, self._total = 0, total

    def reach(self, done: int) -> None:
        """Report that `done` parts of the step are done."""
        self._done = done

    @asynccontextmanager
    async def written(self) -> AsyncIterator[None]:
        """Write it until the block ends."""
        writing = asyncio.create_task(self._write())
        try:
            yield
        finally:
            await end_tasks([writing])

    async def _write(self) -> None:
        while True:
            with suppress(psycopg.Error):
                if await self._uploads.reach(self._upload_id, self._state, self._done, self._total) and self.stops:
                    self.stops.stop("interrupted")
            await asyncio.sleep(_EVERY)
