"""What the commands of a process spend their time on, by operation and stage.

- `wait`: in queues, until the account is loaded and the commit before it is done, or the append lock is free;
- `decide`: the decision and its rows, in the locked lane with what it reads for it;
- `commit`: until the database has it.

A command that is decided again, because another process wrote or the connection was lost, passes the stages again.
Spans have the same names.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from ledger.timings.histogram import SIZES, TIMES, Histogram

Stage = Literal["wait", "decide", "commit"]
STAGES: tuple[Stage, ...] = ("wait", "decide", "commit")
Lane = Literal["fast", "locked"]


class Named(Protocol):
    """What knows the operation of a command."""

    @property
    def operation(self) -> str:
        """The name of the operation."""


class Timed(Protocol):
    """A command on its way through the committer."""

    since: int
    """When it was accepted, by `monotonic_ns`."""
    took: int
    """Nanoseconds in which the fast lane decided it."""

    @property
    def metadata(self) -> Named:
        """What knows its operation."""


class StageTimes:
    """The times of the commands of one operation, in nanoseconds."""

    __slots__ = ("commit", "decide", "wait")

    def __init__(self) -> None:
        self.wait = Histogram(TIMES)
        self.decide = Histogram(TIMES)
        self.commit = Histogram(TIMES)

    def of(self, stage: Stage) -> Histogram:
        """The times in one stage."""
        found: Histogram = getattr(self, stage)
        return found


class CommandTimings:
    """The histograms of a process. They outlive its committers: it may own the log several times."""

    def __init__(self) -> None:
        self._operations: dict[str, StageTimes] = {}
        self.batches: Mapping[Lane, Histogram] = {"fast": Histogram(SIZES), "locked": Histogram(SIZES)}
        """How many commands were committed together."""
        self.appends = Histogram(TIMES)
        """How long the append function took, in nanoseconds."""
        self.loads = Histogram(TIMES)
        """How long it took until an account that was not in memory was, in nanoseconds."""

    @property
    def operations(self) -> Mapping[str, StageTimes]:
        """The times of each operation that had commands."""
        return self._operations

    def appended(self, commands: Sequence[Timed], began: int, ended: int) -> None:
        """Observe a batch of the fast lane, which was appended between two moments of `monotonic_ns`."""
        took = ended - began
        self.appends.observe(took)
        self.batches["fast"].observe(len(commands))
        for command in commands:
            times = self._times_of(command)
            times.wait.observe(began - command.since - command.took)
            times.decide.observe(command.took)
            times.commit.observe(took)

    def locked(self, commands: Sequence[Timed], began: int, decided: int, ended: int) -> None:
        """Observe commands of the locked lane: when it got the lock, and when they were decided and committed."""
        self.batches["locked"].observe(len(commands))
        for command in commands:
            times = self._times_of(command)
            times.wait.observe(began - command.since)
            times.decide.observe(decided - began)
            times.commit.observe(ended - decided)

    def _times_of(self, command: Timed) -> StageTimes:
        operation = command.metadata.operation
        times = self._operations.get(operation)
        if times is None:
            times = self._operations[operation] = StageTimes()
        return times
