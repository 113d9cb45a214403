"""The table of docs/reliability.md: a line for each fault, kept from earlier runs where this one did not strike it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks.machine import hardware
from tests.survival.catalog import FAULTS
from tests.survival.faults.fault import Fault
from tests.survival.figures import Figures

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- survival: begin -->", "<!-- survival: end -->"
HEADS = ("fault", "times", "commands", "unknown", "lost", "duplicated", "wrong", "took", "seed", "day")
NONE = "—"
REMARK = "- "


class Line(NamedTuple):
    """What became of one fault."""

    fault: Fault
    times: int
    figures: Figures
    seconds: float


def text(lines: Sequence[Line], seed: int, before: str = "") -> str:
    """The report as markdown. What `before`, an older report, says of other faults stays as it is."""
    new = {line.fault.words: cells(line, seed) for line in lines}
    old = {row[0]: row for row in map(_cells_of, before.splitlines()) if len(row) == len(HEADS)}
    rows = [new.get(words) or old[words] for words in (fault.words for fault in FAULTS) if words in new or words in old]
    table = "\n".join("| " + " | ".join(row) + " |" for row in (HEADS, ["---"] * len(HEADS), *rows))
    kept = [line for line in before.splitlines() if line.startswith(REMARK) and not line.startswith(_named(new))]
    remarks = [f"{REMARK}{line.fault.words}: {remark}" for line in lines for remark in line.figures.remarks]
    machine = f"{REMARK}The machine: {hardware()}."
    return "\n".join([table, "", machine, *(line for line in kept if "The machine: " not in line), *remarks])


def _named(words: Sequence[str] | dict[str, list[str]]) -> tuple[str, ...]:
    return tuple(f"{REMARK}{each}: " for each in words)


def _cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split(" | ")]


def cells(line: Line, seed: int) -> list[str]:
    """One line as shown."""
    figures = line.figures
    return [
        line.fault.words,
        f"{line.times:,} {line.fault.unit}",
        f"{figures.commands:,}",
        f"{figures.unknown:,}, {figures.settled:,} settled" if figures.unknown else NONE,
        *(f"{len(found):,}" for found in (figures.lost, figures.duplicated, figures.wrong)),
        f"{line.seconds / 60:.0f} min" if line.seconds >= 90 else f"{line.seconds:.0f} s",
        str(seed),
        f"{datetime.now(UTC):%Y-%m-%d}",
    ]


def write(lines: Sequence[Line], seed: int) -> None:
    """Put the report into docs/reliability.md; what it says of other faults stays."""
    before, begin, rest = PAGE.read_text().partition(BEGIN)
    old, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{PAGE.name} lacks the markers {BEGIN} and {END}")
    PAGE.write_text(f"{before}{begin}\n\n{text(lines, seed, old)}\n\n{end}{after}")
