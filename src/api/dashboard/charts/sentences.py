"""The description of a chart in sentences, for screen readers."""

from collections.abc import Iterator, Sequence

from api.dashboard.charts.chart import Number, Series, totals
from api.dashboard.charts.drawing import whole


def extremes(rows: Sequence[tuple[str, Sequence[int]]], number: Number, unit: str) -> str:
    """The sum, the largest and the smallest value with their labels. Of equal values the first is named."""
    together = [(sum(values), label) for label, values in rows]
    if not any(total for total, _ in together):
        return f"There are no {whole(unit)} to show."
    text = f"The sum of {whole(unit)} is {number(sum(total for total, _ in together))}."
    if len(together) == 1:
        return text
    most = max(together, key=lambda row: row[0])
    least = min(together, key=lambda row: row[0])
    return f"{text} The most is {number(most[0])} ({whole(most[1])}), the least {number(least[0])} ({whole(least[1])})."


def levels(rows: Sequence[tuple[str, Sequence[int]]], number: Number, unit: str) -> str:
    """The last, the largest and the smallest value, for values such as balances that do not add up over time."""
    together = [(sum(values), label) for label, values in rows]
    if not any(total for total, _ in together):
        return f"There are no {whole(unit)} to show."
    most = max(together, key=lambda row: row[0])
    least = min(together, key=lambda row: row[0])
    text = f"At the end there are {number(together[-1][0])} {whole(unit)}."
    return f"{text} The most is {number(most[0])} ({whole(most[1])}), the least {number(least[0])} ({whole(least[1])})."


def sums(series: Sequence[Series], rows: Sequence[Sequence[int]], number: Number) -> Iterator[str]:
    """The sum of each series, if there are several."""
    together = totals(series, rows)
    if len(series) > 1 and any(together):
        yield "; ".join(f"{whole(one.name)} {number(total)}" for one, total in zip(series, together, strict=True)) + "."
