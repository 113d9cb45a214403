"""Runs of the simulation by hand: `python -m tests.simulation --seed 42 --trace`, or `--seeds 100000`.

Exit status 0: all runs were right. 1: one was not; its story and its seed are the last that is printed.
"""

import argparse
import random
import sys
import time
import traceback

from tests.simulation.check import Check
from tests.simulation.run import Run
from tests.simulation.seeds import how_to_repeat, live_through

TELL_EVERY = 2.0


def one(seed: int, *, trace: bool) -> int:
    """One seed. Returns the exit status."""
    run = Run(seed)
    status = 0
    try:
        run.play()
        Check(run).check()
    except Exception:
        traceback.print_exc()
        status = 1
    if trace:
        print("\n".join(run.story))
    print(f"seed {seed}: {'wrong' if status else 'right'}, {summary(run)}")
    return status


def summary(run: Run) -> str:
    """A run in one line."""
    unanswered = sum(request.answer is None for request in run.requests)
    asked, events = len(run.requests), len(run.server.tables.log)
    return f"{asked} requests ({unanswered} without an answer), {events} events, {run.loop.time():.1f} s of its time"


def many(count: int, first: int) -> int:
    """Seeds from `first` on. Returns the exit status."""
    began = told_at = time.monotonic()
    requests = 0
    for number, seed in enumerate(range(first, first + count), 1):
        try:
            requests += len(live_through(seed).requests)
        except Exception:
            traceback.print_exc()
            print(f"\nwrong after {number:,} seeds: {how_to_repeat(seed)}")
            return 1
        now = time.monotonic()
        if now - told_at > TELL_EVERY or number == count:
            told_at = now
            rate = number / (now - began)
            print(
                f"{number:,} of {count:,} seeds from {first} right, {requests:,} requests, {rate:.0f} seeds/s",
                flush=True,
            )
    return 0


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this one seed")
    parser.add_argument("--trace", action="store_true", help="print what happened, line by line")
    parser.add_argument("--seeds", type=int, default=2_000, help="run so many, from a random one on (default 2000)")
    parser.add_argument("--first", type=int, help="begin with this one in place of a random one")
    given = parser.parse_args()
    if given.seed is not None:
        return one(given.seed, trace=given.trace)
    first = random.SystemRandom().randrange(10**9) if given.first is None else given.first
    return many(given.seeds, first)


if __name__ == "__main__":
    sys.exit(main())
