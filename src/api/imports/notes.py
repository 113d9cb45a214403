"""What an import tells people about a file, in sentences: the command line prints them, and the page shows them."""

from typing import NamedTuple

from api.imports.checking import Checked
from api.imports.files.incidental_rows import IncidentalRows
from api.imports.rating import Options, Rated
from api.imports.tally import Tally
from ledger.explain.sentences import counted

_LONGEST_KEY = 60
"""The most characters of the template of a key that is shown."""


class Line(NamedTuple):
    """A row as the command that it becomes."""

    place: str
    account_id: str
    credits: int
    facts: str
    """Its usage, its time and its task."""


def line_of(rated: Rated) -> Line:
    """A row for the table of a preview."""
    said = rated.body.model_dump(exclude_none=True)
    facts = {**said.get("usage", {}), **said.get("metadata", {}), "task_id": said.get("task_id")}
    text = ", ".join(f"{name} {value}" for name, value in facts.items() if value is not None)
    return Line(rated.row.place, rated.account_id, rated.amount, text)


def keyed_by(options: Options) -> str:
    """What makes a row itself, and what follows from that."""
    if options.key is not None:
        key = options.key if len(options.key) <= _LONGEST_KEY else "made of all columns but what was measured"
        return (
            f"Each row is known by its key, {key}: what an earlier import with the same key has recorded for the "
            "account is not charged again."
        )
    return (
        f"Each row is known by the job {options.job!r} and its number in the file. The same rows in another file, or "
        "after rows are sorted or removed, are charged again. --key names a column that makes a row itself."
    )


def warnings(checked: Checked, options: Options) -> list[str]:
    """What somebody should look at before the import."""
    found = []
    if checked.keys_again:
        has = "has" if checked.keys_again == 1 else "have"
        found.append(
            f"{counted(checked.keys_again, 'row')} of this file {has} the key of an earlier row in it: what has one "
            "key is charged once. If it is different usage, choose a --key with more columns."
        )
    charged = "they are not charged again if they have the same key" if options.key else "they will be charged again"
    for job, count in checked.repeated.most_common(5):
        are = "is" if count == 1 else "are"
        found.append(f"{counted(count, 'row')} {are} also in the job {job!r}, which has recorded them: {charged}.")
    return found


def left_out(incidental: IncidentalRows, tally: Tally) -> list[str]:
    """What is in the file and not imported."""
    totals = ", ".join(f"line {row.line}" for row in incidental.totals)
    more = ", ..." if incidental.total_count > len(incidental.totals) else ""
    found = [
        (incidental.total_count, "row with a total", "rows with totals", f" ({totals}{more})"),
        (incidental.repeated_headers, "repeated header", "repeated headers", ""),
        (incidental.blank, "blank line", "blank lines", ""),
        (tally.empty, "row without any value for --amount", "rows without any value for --amount", ""),
        (tally.bad, "row that cannot be used", "rows that cannot be used", ""),
    ]
    return [f"{count:,} {one if count == 1 else many}{where}" for count, one, many, where in found if count]
