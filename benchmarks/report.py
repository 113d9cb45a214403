"""The report of a run: what must be reached, what every load did, what an event weighs. A table each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

from benchmarks.figures import Figure
from benchmarks.parts import part
from benchmarks.processes import ROOT
from benchmarks.progress import Spoiled, say
from benchmarks.read_side import Weight

PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- benchmark: begin -->", "<!-- benchmark: end -->"
NONE = "—"
LOADS = (
    "Every load, turn by turn. `service` and `PostgreSQL` are CPU time in µs for one command (for one event, in what\n"
    "catches up), `fdatasync` is what one took in µs just before each turn."
)
WEIGHTS = "Bytes that one event takes on disk, table by table, and what they are for."
LIGHT = 5
"""Bytes for an event; lighter tables are one line together."""


class Row(NamedTuple):
    """One line of the first table, as shown."""

    what: str
    measured: str
    yardstick: str = NONE
    ratio: str = NONE
    must_reach: str = NONE
    reached: str = NONE


class Load(NamedTuple):
    """One line of the second table: all turns of one load."""

    what: str
    turns: Sequence[Figure]


@dataclass
class Report:
    """Filled by the measures, in the order in which they run."""

    rows: list[Row] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)
    weights: list[Sequence[str]] = field(default_factory=list)
    spoiled: list[str] = field(default_factory=list)
    """The measures that could not be made."""

    def add(self, row: Row) -> None:
        """One more result; it is told at once, because a run takes long."""
        say(f"=> {row.what}: {row.measured}, ratio {row.ratio}, must reach {row.must_reach}: {row.reached}")
        self.rows.append(row)

    def spoil(self, measure: str, error: Spoiled) -> None:
        """A measure that could not be made, and why: the last line of what it said."""
        self.spoiled.append(measure)
        say(str(error))
        self.add(Row(f"`{measure}`", f"not measured: {str(error).strip().splitlines()[-1].replace('|', '/')}"))

    def add_load(self, what: str, turns: Sequence[Figure]) -> None:
        """What one load did, for those who want to know why."""
        self.loads.append(Load(what, turns))

    def weigh(self, found: Sequence[Weight], events: int) -> None:
        """What the tables of a log with so many events take, for each event."""
        heavy = [weight for weight in found if (weight.rows + weight.indexes) / events >= LIGHT]
        rest = [weight for weight in found if weight not in heavy]
        name, rows_of_rest = f"{len(rest)} smaller tables", sum(weight.rows for weight in rest)
        together = Weight(name, rows_of_rest, sum(weight.indexes for weight in rest))
        for table, rows, indexes in (*heavy, together):
            sizes = rows / events, indexes / events, (rows + indexes) / events
            self.weights.append([table, *(f"{size:,.0f}" for size in sizes), part(table)])

    def text(self, machine: str) -> str:
        """All of it as markdown."""
        heads = ["what", "measured", "yardstick", "ratio", "must reach", "reached?"]
        parts = [machine, _table(heads, self.rows)]
        if self.loads:
            parts.append(LOADS)
            heads = ["load", "commands/s in each turn", "service", "PostgreSQL", "commands per commit", "fdatasync"]
            parts.append(_table(heads, [_load_cells(load) for load in self.loads]))
        if self.weights:
            parts.append(WEIGHTS)
            parts.append(_table(["table", "rows", "indexes", "together", "what it is for"], self.weights))
        return "\n\n".join(parts)


def at_least(value: float, wanted: float) -> str:
    """Whether, and if not, how much of it."""
    return "yes" if value >= wanted else f"no: {value / wanted:.0%} of it"


def at_most(value: float, wanted: float) -> str:
    """Whether, and if not, how many times too much."""
    return "yes" if value <= wanted else f"no: {value / wanted:.2f} times too much"


def within(middle: float, p99: float, wanted: float) -> str:
    """Whether the median is, and whether that can be said of nearly all too."""
    return "yes, p99 too" if p99 <= wanted else f"{at_most(middle, wanted)}, by the median"


def _load_cells(load: Load) -> list[str]:
    turns = load.turns
    return [
        load.what,
        ", ".join(f"{turn.per_second:,.0f}" for turn in turns),
        f"{median(turn.service_cpu for turn in turns):.0f}" if turns[0].service_cpu else NONE,
        f"{median(turn.postgres_cpu for turn in turns):.0f}",
        f"{median(turn.per_commit for turn in turns):.1f}",
        ", ".join(f"{turn.sync:.0f}" for turn in turns),
    ]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write(text: str) -> None:
    """Put the report into docs/performance.md in place of the last one."""
    before, begin, rest = PAGE.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise Spoiled(f"{PAGE.name} lacks the markers {BEGIN} and {END}")
    PAGE.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")
    say(f"written into {PAGE.relative_to(ROOT)}")
