"""Progress of long work on stderr: a bar on a terminal, a line every few seconds anywhere else."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from ledger.progress import Progress

EVERY = 5.0
"""Seconds before the first line and between two lines. Work that ends sooner prints none."""


class Bar:
    """Shows progress on a terminal."""

    def __init__(self, progress: RichProgress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def begin(self, what: str, total: int, unit: str) -> None:
        """Show a new bar in place of the old one."""
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(f"{what} ({unit})", total=total)

    def reach(self, done: int) -> None:
        """Move the bar. Rich draws it ten times a second, however often this is called."""
        if self._task is not None:
            self._progress.update(self._task, completed=done)


class Lines:
    """Prints progress into a log. `first` are the seconds before the first line."""

    def __init__(self, first: float = EVERY) -> None:
        self._what, self._of = "", ""
        self._next = time.monotonic() + first

    def begin(self, what: str, total: int, unit: str) -> None:
        """Name the work that the next lines are about."""
        self._what, self._of = what, f"{total:,} {unit}"

    def reach(self, done: int) -> None:
        """Print a line if the last one is long enough ago."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + EVERY
            typer.echo(f"{self._what}: {done:,} of {self._of}", err=True)


@contextmanager
def showing_progress(first: float = EVERY) -> Iterator[Progress]:
    """Progress as stderr can show it. `first` are the seconds before the first line of a log."""
    if not sys.stderr.isatty():
        yield Lines(first)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield Bar(progress)


@contextmanager
def counting(what: str, unit: str) -> Iterator[Callable[[int], None]]:
    """Show how many are done, where nobody knows how many there will be."""
    if not sys.stderr.isatty():
        yield _counted_lines(what, unit)
        return
    columns = (TextColumn("{task.description}"), TextColumn("{task.completed:,.0f}"), TextColumn(unit))
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done: progress.update(task, completed=done)


def _counted_lines(what: str, unit: str) -> Callable[[int], None]:
    last = time.monotonic()

    def reach(done: int) -> None:
        nonlocal last
        if time.monotonic() >= last + EVERY:
            last = time.monotonic()
            typer.echo(f"{what}: {done:,} {unit}", err=True)

    return reach
