"""What a picture shows, in sentences, for those who cannot see it."""

from collections.abc import Iterator, Sequence

from api.dashboard.charts.chart import Number, Series, totals
from api.dashboard.charts.drawing import whole


def extremes(rows: Sequence[tuple[str, Sequence[int]]], number: Number, unit: str) -> str:
    """The sum of all, the most and the least, and where they are: the first of several that are equal."""
    together = [(sum(values), label) for label, values in rows]
    if not any(total for total, _ in together):
        return f"There are no {whole(unit)} to show."
    said = f"The sum of {whole(unit)} is {number(sum(total for total, _ in together))}."
    if len(together) == 1:
        return said
    most = max(together, key=lambda row: row[0])
    least = min(together, key=lambda row: row[0])
    return f"{said} The most is {number(most[0])} ({whole(most[1])}), the least {number(least[0])} ({whole(least[1])})."


def levels(rows: Sequence[tuple[str, Sequence[int]]], number: Number, unit: str) -> str:
    """Of what is counted anew at each place, and does not add up: the last, the most and the least."""
    together = [(sum(values), label) for label, values in rows]
    if not any(total for total, _ in together):
        return f"There are no {whole(unit)} to show."
    most = max(together, key=lambda row: row[0])
    least = min(together, key=lambda row: row[0])
    said = f"In the end there are {number(together[-1][0])} {whole(unit)}."
    return f"{said} The most is {number(most[0])} ({whole(most[1])}), the least {number(least[0])} ({whole(least[1])})."


def sums(series: Sequence[Series], rows: Sequence[Sequence[int]], number: Number) -> Iterator[str]:
    """What each series adds up to, if there are several."""
    together = totals(series, rows)
    if len(series) > 1 and any(together):
        yield "; ".join(f"{whole(one.name)} {number(total)}" for one, total in zip(series, together, strict=True)) + "."
