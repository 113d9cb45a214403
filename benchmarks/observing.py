"""What the histograms of commands cost, and traces that are off: nanoseconds for each command, without a database and
without HTTP.

    .venv/bin/python -m benchmarks.observing

It does what a command does more than it would without histograms: it asks for the time when it is accepted and around
the decision, is counted in three stages with its batch, and once more with its answer. Where no traces are sent, a
command has a place for the name of a span, which stays empty.
"""

from collections.abc import Callable
from statistics import median
from time import monotonic_ns, thread_time_ns

from api.http.histograms.worker_histograms import observe_request
from ledger.commit.submission import Submission
from ledger.domain.commands import DeductCredits
from ledger.store import Metadata
from ledger.timings.command_timings import CommandTimings

COMMANDS = 200_000
"""Commands of one turn."""
TURNS = 7


def submissions(count: int) -> list[Submission]:
    """Deductions as the committer has them."""
    command = DeductCredits("account", 1, "task")
    return [Submission(command, Metadata("key", "deduct", str(number), "request")) for number in range(count)]


def nanoseconds(batch: list[Submission], turn: Callable[[list[Submission]], None]) -> float:
    """The median over the turns of the CPU time for each command, in batches of this size."""
    found = []
    for _ in range(TURNS):
        began = thread_time_ns()
        for _ in range(COMMANDS // len(batch)):
            turn(batch)
        found.append((thread_time_ns() - began) / COMMANDS)
    return median(found)


def asking_for_the_time(batch: list[Submission]) -> None:
    """What is done for each command before its batch is appended, and the loop that does it."""
    for one in batch:
        one.since = monotonic_ns()
        began = monotonic_ns()
        one.took = monotonic_ns() - began


def doing_nothing(batch: list[Submission]) -> None:
    """The loop alone."""
    for one in batch:
        one.since = one.took = 0


def keeping_no_span(batch: list[Submission]) -> None:
    """What is left of traces where they are off, and the loop that does it."""
    for one in batch:
        one.since = one.took = 0
        one.trace = None


def answering(batch: list[Submission]) -> None:
    """What is done for each answer."""
    for one in batch:
        observe_request(one.metadata.operation, monotonic_ns())


def appending(timings: CommandTimings) -> Callable[[list[Submission]], None]:
    """What is done for each batch."""

    def appended(batch: list[Submission]) -> None:
        began = monotonic_ns()
        timings.appended(batch, began, monotonic_ns())

    return appended


def main() -> None:
    """Print the table."""
    timings = CommandTimings()
    print("| commands in a batch | the time, ns | stages and batch, ns | the answer, ns | all, µs | traces off, ns |")
    print("|---|---|---|---|---|---|")
    for size in (1, 20, 500):
        batch = submissions(size)
        loop = nanoseconds(batch, doing_nothing)
        parts = (
            nanoseconds(batch, asking_for_the_time) - loop,
            nanoseconds(batch, appending(timings)),
            nanoseconds(batch, answering),
        )
        off = nanoseconds(batch, keeping_no_span) - loop
        print(f"| {size} | {' | '.join(f'{part:.0f}' for part in parts)} | {sum(parts) / 1_000:.2f} | {off:.0f} |")


if __name__ == "__main__":
    main()
