"""The pictures of the usage page, from what the breakdown answers: pure functions of that and of the reader."""

from collections.abc import Mapping, Sequence
from typing import Any

from api.dashboard.charts import Bar, Chart, Point, Series, bars, columns, numbered, shares
from api.dashboard.formatting import Reader, day, short_day

Part = Mapping[str, Any]

MOST_COLUMNS = 100
"""Days that are still columns of their own; of more, each column is a week."""
MOST_BARS = 12
"""Bars of a picture: what is beyond is one bar. The table of a picture has what the picture has."""
UNSAID = "not said"
"""Where a caller named no provider, model, project or member."""
OTHERS = "all others"


def charts_of(found: Mapping[str, Any], reader: Reader) -> dict[str, Chart]:
    """By name, those that have something to show; the one of days is always there."""
    series = _series(found["providers"])
    made = {"days": _days(found["days"], series, reader)}
    if any(part.get("provider") for part in found["providers"]):
        made["providers"] = _shares(found["providers"], series, reader)
    for kind, title in (("project", "By project"), ("model", "By model"), ("member", "By member")):
        rows = found[f"{kind}s"]
        if any(row.get(kind) for row in rows):
            made[f"{kind}s"] = _bars(kind, title, rows, series if kind == "project" else (), reader)
    return made


def _name(part: Part, kind: str) -> str:
    return OTHERS if part.get("other") else part[kind] or UNSAID


def _series(providers: Sequence[Part]) -> tuple[Series, ...]:
    """The providers that are told apart, the same in all pictures, and one more for the rest."""
    names = [_name(part, "provider") for part in providers if not part.get("other")][:8]
    return (*numbered(names), *((Series(OTHERS, "rest"),) if len(providers) > len(names) else ()))


def _values(parts: Sequence[Part], series: Sequence[Series]) -> tuple[int, ...]:
    """Credits by series: who is none of them is of the rest."""
    places = {one.name: place for place, one in enumerate(series)}
    values = [0] * max(len(series), 1)
    for part in parts:
        values[places.get(_name(part, "provider"), len(values) - 1)] += part["credits"]
    return tuple(values)


def _days(days: Sequence[Part], series: tuple[Series, ...], reader: Reader) -> Chart:
    series = series or (Series("Credits", "s0"),)
    if len(days) <= MOST_COLUMNS:
        points = [Point(short_day(one["date"]), day(one["date"]), _values(one["providers"], series)) for one in days]
        return columns("days", "Credits per day", series, points, reader.number)
    weeks = [days[start : start + 7] for start in range(0, len(days), 7)]
    points = [_week(week, series) for week in weeks]
    return columns("days", "Credits per seven days", series, points, reader.number, head="Seven days from")


def _week(days: Sequence[Part], series: Sequence[Series]) -> Point:
    parts = [part for one in days for part in one["providers"]]
    first, last = days[0]["date"], days[-1]["date"]
    return Point(short_day(first), f"{day(first)} to {day(last)}", _values(parts, series))


def _shares(providers: Sequence[Part], series: Sequence[Series], reader: Reader) -> Chart:
    values = _values(providers, series)
    return shares("providers", "By provider", series, values, reader.number, head="Provider")


def _bars(kind: str, title: str, rows: Sequence[Part], series: Sequence[Series], reader: Reader) -> Chart:
    """The largest, each in its providers where there are series; else whole."""
    if series and series[-1].css != "rest" and not all("providers" in row for row in rows):
        series = (*series, Series(OTHERS, "rest"))
    shown = series or (Series("Credits", "s0"),)
    most = [Bar(_name(row, kind), _parts(row, shown)) for row in rows[:MOST_BARS]]
    if rest := [_parts(row, shown) for row in rows[MOST_BARS:]]:
        most.append(Bar(OTHERS, tuple(map(sum, zip(*rest, strict=True)))))
    return bars(f"{kind}s", title, shown, most, reader.number, head=kind.capitalize())


def _parts(row: Part, series: Sequence[Series]) -> tuple[int, ...]:
    """What nobody tells apart is of the last series."""
    if len(series) > 1 and "providers" in row:
        return _values(row["providers"], series)
    return (*(0 for _ in series[1:]), row["credits"])
