"""The long form of the standing attack, in one command: `python -m tests.attack [--seconds N] [--write]`.

Progress goes to stderr, the report as markdown to stdout. The exit status is 1 when a bar was missed.
"""

import argparse
import asyncio
import sys
from datetime import UTC, datetime

from benchmarks.machine import hardware
from tests.attack.report import put
from tests.attack.standing import FULL, HEALTH, MEMORY, P99, RATE, Figures, Scale, attacked, beyond_the_bars
from tests.service import running_service
from tests.survival.ground import fresh_ground


def main() -> None:
    """Run what the options say."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("--seconds", type=int, default=FULL.seconds, help="how long, in place of five minutes")
    parser.add_argument("--write", action="store_true", help="put the report into docs/reliability.md")
    options = parser.parse_args()
    scale = FULL._replace(seconds=options.seconds)
    print(f"attacking a service for {scale.seconds} seconds", file=sys.stderr, flush=True)
    figures = _attacked(scale)
    report = text(figures)
    print(report)
    if options.write:
        put("attack", report)
    wrong = figures.complaints + beyond_the_bars(figures)
    for complaint in wrong:
        print(complaint, file=sys.stderr)
    sys.exit(bool(wrong))


def _attacked(scale: Scale) -> Figures:
    with (
        fresh_ground() as ground,
        ground.database() as conninfo,
        ground.folder() as folder,
        running_service(conninfo, folder) as service,
    ):
        return asyncio.run(attacked(service, scale))


def text(figures: Figures) -> str:
    """The report as markdown."""
    scale, attack = figures.scale, figures.attack
    answers = f"{figures.answered:,} answered 201, {figures.not_answered:,} not"
    rows = [
        ("what", "measured", "bar"),
        ("---", "---", "---"),
        (f"p99 of {RATE} honest deductions a second", f"{figures.p99 * 1e3:.0f} ms", f"{P99 * 1e3:.0f} ms"),
        ("their median, and the slowest", f"{figures.p50 * 1e3:.0f} ms, {figures.worst * 1e3:.0f} ms", "—"),
        ("honest deductions", answers, "0 not"),
        ("acknowledged deductions that were lost, or made twice", f"{figures.lost:,}", "0"),
        (
            f"slowest of {figures.checks:,} checks of `/healthz` and `/readyz`",
            f"{figures.slowest_check * 1e3:.0f} ms",
            f"all within {HEALTH:.0f} s",
        ),
        ("memory of the service's processes", f"{figures.memory} MB", f"{MEMORY} MB"),
    ]
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    told = ", ".join(f"{name} {count:,}" for name, count in sorted(attack.items()))
    notes = [
        f"{scale.seconds} seconds on {datetime.now(UTC):%Y-%m-%d}, 1 worker, all clients on the machine: {hardware()}.",
        f"{scale.idle:,} idle connections, {scale.bodies} slow bodies, {scale.floods} query floods, {scale.hoarders} "
        f"stream hoarders. What they counted: {told}.",
        *figures.complaints,
    ]
    return table + "\n\n" + "\n".join(f"- {note}" for note in notes)


if __name__ == "__main__":
    main()
