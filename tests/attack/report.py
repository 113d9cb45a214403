"""Where reports go: between markers of docs/reliability.md."""

from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


def put(name: str, report: str) -> None:
    """Put a report between the markers with a name."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = PAGE.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{PAGE.name} lacks the markers {begin} and {end}")
    PAGE.write_text(f"{before}{begin}\n\n{report}\n\n{end}{after}")
