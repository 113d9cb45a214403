"""Seeds in a row, and what is said of one that fails."""

from collections.abc import Iterable

from tests.simulation.check import Check
from tests.simulation.run import Run

LONGEST_LINE = 240


def live_through(seed: int) -> Run:
    """A run that was right from beginning to end. Any error that it raises ends with its story and how to repeat it."""
    run = Run(seed)
    try:
        run.play()
        Check(run).check()
    except BaseException as error:
        error.add_note("\n".join([*(line[:LONGEST_LINE] for line in run.story), how_to_repeat(seed)]))
        raise
    return run


def how_to_repeat(seed: int) -> str:
    """The command that runs a seed again."""
    return f"seed {seed}; again, and with every line whole: python -m tests.simulation --seed {seed} --trace"


def first_wrong(seeds: Iterable[int]) -> int | None:
    """The first seed that fails."""
    for seed in seeds:
        try:
            live_through(seed)
        except Exception:  # that there is one is the question
            return seed
    return None
