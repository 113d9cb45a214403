"""The load benchmark, in one command: `python -m benchmarks.run`. README.md says what it needs.

Everything runs in one go on one machine and one database server, the yardstick's turns between ours. Progress goes to
stderr, the report as markdown to stdout.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from api.runtime.embedded.server import EmbeddedPostgresError
from benchmarks.accounts import name, open_accounts
from benchmarks.bench import OURS, Bench
from benchmarks.figures import require_wrk
from benchmarks.machine import describe, load_average
from benchmarks.measures.age import age
from benchmarks.measures.batch import batch
from benchmarks.measures.catching_up import catching_up
from benchmarks.measures.chain import chain
from benchmarks.measures.cold_start import cold_start
from benchmarks.measures.growth import growth
from benchmarks.measures.imports import imports
from benchmarks.measures.lag import lag
from benchmarks.measures.latency import latency
from benchmarks.measures.limits import limits
from benchmarks.measures.looking_back import days, depth, summary
from benchmarks.measures.memory import memory
from benchmarks.measures.moving import moving
from benchmarks.measures.pages import pages
from benchmarks.measures.priced import priced
from benchmarks.measures.questions import questions
from benchmarks.measures.receipts import receipts
from benchmarks.measures.sign_ins import sign_ins
from benchmarks.measures.single import hot, single
from benchmarks.measures.touch import touch
from benchmarks.measures.verify import verify
from benchmarks.measures.webhooks import webhooks
from benchmarks.measures.what_if import what_if
from benchmarks.pace import ACCOUNTS, FULL, QUICK, Pace
from benchmarks.progress import Spoiled, say
from benchmarks.report import Report, write
from benchmarks.services import running
from benchmarks.stand import Stand, refuse_unsafe, standing

MEASURES: dict[str, Callable[[Bench], None]] = {
    "single": single,
    "hot": hot,
    "limits": limits,
    "priced": priced,
    "verify": verify,
    "batch": batch,
    "webhooks": webhooks,
    "receipts": receipts,
    "latency": latency,
    "sign-ins": sign_ins,
    "questions": questions,
    "lag": lag,
    "age": age,
    "chain": chain,
    "touch": touch,
    "cold-start": cold_start,
    "memory": memory,
    "catching-up": catching_up,
    "depth": depth,
    "summary": summary,
    "days": days,
    "pages": pages,
    "imports": imports,  # after it the projections are a million events behind, and a service is not ready for minutes
    "what-if": what_if,
    "move": moving,
    "growth": growth,
}
BY_NAME_ALONE = {"growth", "move", "what-if"}
"""Those that no run has unless it names them: they make large logs of their own."""
UNDER_LOAD = {
    "single",
    "hot",
    "limits",
    "priced",
    "verify",
    "batch",
    "imports",
    "latency",
    "sign-ins",
    "questions",
    "lag",
    "cold-start",
    "growth",
}
"""Those that need wrk."""
APART = {"cold-start", "growth", "limits", "priced", "receipts", "verify", "webhooks", "what-if"}
"""Those with accounts of their own."""


def main() -> None:
    """Run what the options say; what spoils a run is said in one sentence."""
    options = _options()
    try:
        report, text = _run(options)
    except (Spoiled, EmbeddedPostgresError) as error:
        sys.exit(f"benchmark: {error}")
    except KeyboardInterrupt:
        sys.exit("benchmark: interrupted; everything that it had started is stopped")
    print(text)
    if report.spoiled:
        sys.exit(f"benchmark: not measured: {', '.join(report.spoiled)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="everything in three minutes: to see that it works")
    parser.add_argument("--only", nargs="+", choices=MEASURES, metavar="NAME", help=f"of {', '.join(MEASURES)}")
    parser.add_argument("--write", action="store_true", help="put the report into docs/performance.md")
    parser.add_argument("--folder", type=Path, help="where the temporary database is made, on the disk to measure")
    parser.add_argument(
        "--kept", type=Path, help="a folder where the database is made and stays: `growth` finds its logs there again"
    )
    options = parser.parse_args()
    if options.kept and options.only != ["growth"]:
        parser.error("--kept goes with --only growth: no other measure has a log that is worth keeping")
    if options.write and options.only:
        parser.error("--write takes a whole run, and --only makes a part of one")
    return options


def _run(options: argparse.Namespace) -> tuple[Report, str]:
    wanted = [name for name in MEASURES if name in (options.only or MEASURES.keys() - BY_NAME_ALONE)]
    if not UNDER_LOAD.isdisjoint(wanted):
        require_wrk()
    load = load_average()
    pace = QUICK if options.quick else FULL
    with standing(options.folder, options.kept) as stand:
        refuse_unsafe(stand)
        machine = describe(stand, load)
        if not (UNDER_LOAD - APART).isdisjoint(wanted):
            _fill(stand)
        report = _measure(stand, pace, wanted)
    text = report.text(f"{machine}\n- a {pace.name} run: {_lengths(pace)}")
    if options.write:
        write(text)
    return report, text


def _measure(stand: Stand, pace: Pace, wanted: Sequence[str]) -> Report:
    """What was wanted; a measure that cannot be made does not cost what the others have measured."""
    bench = Bench(stand, pace, Report())
    for each in wanted:
        try:
            MEASURES[each](bench)
        except Spoiled as error:
            bench.report.spoil(each, error)
    return bench.report


def _fill(stand: Stand) -> None:
    """Our side of the accounts; the yardstick's came with its schema."""
    say(f"opening {ACCOUNTS:,} accounts")
    with running(stand, OURS[0]) as service:
        open_accounts(stand, service, map(name, range(ACCOUNTS)))
    stand.settle()


def _lengths(pace: Pace) -> str:
    rounds = "1 round" if pace.rounds == 1 else f"{pace.rounds} rounds, of which the median counts"
    return f"{rounds}; {pace.seconds} s under load in each turn after {pace.warm_up} s of warming up"


if __name__ == "__main__":
    main()
