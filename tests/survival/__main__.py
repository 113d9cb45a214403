"""The long form, in one command: `python -m tests.survival [FAULT ...] [--seed S] [--times N] [--write]`.

Every fault is struck as often as its row of the table says, on databases of its own. Progress goes to stderr, the table
as markdown to stdout. The exit status is 1 when anything was lost, done twice or wrong.
"""

import argparse
import sys
import time

import uvloop

from api.cli.progress import showing_progress
from tests.survival.catalog import FAULTS
from tests.survival.faults.fault import Fault
from tests.survival.ground import fresh_ground
from tests.survival.plan import Plan, fresh_seed
from tests.survival.report import Line, text, write


def main() -> None:
    """Run what the options say."""
    options = _options()
    seed = fresh_seed() if options.seed is None else options.seed
    lines = []
    for fault in [fault for fault in FAULTS if not options.faults or fault.name in options.faults]:
        lines.append(_struck(fault, options.times or fault.long, seed))
        print(f"{fault.name}: {lines[-1].figures.told()}", file=sys.stderr, flush=True)
        if options.write:  # at once: a long run that is cut off keeps what it has
            write(lines[-1:], seed)
    print(text(lines, seed))
    sys.exit(not all(line.figures.sound for line in lines))


def _options() -> argparse.Namespace:
    names = [fault.name for fault in FAULTS]
    parser = argparse.ArgumentParser(prog="python -m tests.survival", description=__doc__)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"of {', '.join(names)}; without any, all")
    parser.add_argument("--seed", type=int, help="what all chance comes from; without it a new one, which is printed")
    parser.add_argument("--times", type=int, help="how often each fault is struck, in place of its own number")
    parser.add_argument("--write", action="store_true", help="put the lines into docs/reliability.md")
    options = parser.parse_args()
    unknown = set(options.faults) - set(names)
    if unknown:
        parser.error(f"there is no fault {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return options


def _struck(fault: Fault, times: int, seed: int) -> Line:
    print(f"{fault.name}: {times:,} {fault.unit}, --seed {seed}", file=sys.stderr, flush=True)
    began = time.monotonic()
    with fresh_ground() as ground, showing_progress() as progress:
        figures = uvloop.run(fault.run(times, Plan(seed), ground, progress))
    return Line(fault, times, figures, time.monotonic() - began)


if __name__ == "__main__":
    main()
