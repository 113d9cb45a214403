"""The charts of the usage page: pure functions of the answer of the breakdown query and of the formatter."""

from collections.abc import Mapping, Sequence
from typing import Any

from api.dashboard.charts import Bar, Chart, Point, Series, bars, columns, numbered, shares
from api.dashboard.formatting import Formatter, day, short_day

Part = Mapping[str, Any]

MOST_COLUMNS = 100
"""The largest number of days with a column each; in a longer range each column is seven days."""
MOST_BARS = 12
"""The largest number of bars of a chart; the rest is one more bar."""
NOT_NAMED = "not named"
"""The label of usage for which the caller named no provider, model, project or member."""
OTHERS = "all others"


def charts_of(
    found: Mapping[str, Any], formatter: Formatter, names: Mapping[str, str] | None = None
) -> dict[str, Chart]:
    """The charts by name. The chart of days is always there, the others only if the caller named something.

    `names` are what members are called, by their ids.
    """
    series = _series(found["providers"])
    made = {"days": _days(found["days"], series, formatter)}
    if any(part.get("provider") for part in found["providers"]):
        made["providers"] = _shares(found["providers"], series, formatter)
    for kind, title in (("project", "By project"), ("model", "By model"), ("member", "By member")):
        rows = _called(found[f"{kind}s"], names or {}) if kind == "member" else found[f"{kind}s"]
        if any(row.get(kind) for row in rows):
            made[f"{kind}s"] = _bars(kind, title, rows, series if kind == "project" else (), formatter)
    return made


def _called(members: Sequence[Part], names: Mapping[str, str]) -> list[Part]:
    return [{**row, "member": names.get(row["member"], row["member"])} if row.get("member") else row for row in members]


def _name(part: Part, kind: str) -> str:
    return OTHERS if part.get("other") else part[kind] or NOT_NAMED


def _series(providers: Sequence[Part]) -> tuple[Series, ...]:
    """A series for each of the first eight providers, the same in all charts, and one for the others."""
    names = [_name(part, "provider") for part in providers if not part.get("other")][:8]
    return (*numbered(names), *((Series(OTHERS, "rest"),) if len(providers) > len(names) else ()))


def _values(parts: Sequence[Part], series: Sequence[Series]) -> tuple[int, ...]:
    """Credits by series. A provider without a series counts to the last one."""
    places = {one.name: place for place, one in enumerate(series)}
    values = [0] * max(len(series), 1)
    for part in parts:
        values[places.get(_name(part, "provider"), len(values) - 1)] += part["credits"]
    return tuple(values)


def _days(days: Sequence[Part], series: tuple[Series, ...], formatter: Formatter) -> Chart:
    series = series or (Series("Credits", "s0"),)
    if len(days) <= MOST_COLUMNS:
        points = [Point(short_day(one["date"]), day(one["date"]), _values(one["providers"], series)) for one in days]
        return columns("days", "Credits per day", series, points, formatter.number)
    weeks = [days[start : start + 7] for start in range(0, len(days), 7)]
    points = [_week(week, series) for week in weeks]
    return columns("days", "Credits per seven days", series, points, formatter.number, head="Seven days from")


def _week(days: Sequence[Part], series: Sequence[Series]) -> Point:
    parts = [part for one in days for part in one["providers"]]
    first, last = days[0]["date"], days[-1]["date"]
    return Point(short_day(first), f"{day(first)} to {day(last)}", _values(parts, series))


def _shares(providers: Sequence[Part], series: Sequence[Series], formatter: Formatter) -> Chart:
    values = _values(providers, series)
    return shares("providers", "By provider", series, values, formatter.number, head="Provider")


def _bars(kind: str, title: str, rows: Sequence[Part], series: Sequence[Series], formatter: Formatter) -> Chart:
    """The largest values as bars, each divided by provider if there are series."""
    if series and series[-1].css != "rest" and not all("providers" in row for row in rows):
        series = (*series, Series(OTHERS, "rest"))
    shown = series or (Series("Credits", "s0"),)
    most = [Bar(_name(row, kind), _parts(row, shown)) for row in rows[:MOST_BARS]]
    if rest := [_parts(row, shown) for row in rows[MOST_BARS:]]:
        most.append(Bar(OTHERS, tuple(map(sum, zip(*rest, strict=True)))))
    return bars(f"{kind}s", title, shown, most, formatter.number, head=kind.capitalize())


def _parts(row: Part, series: Sequence[Series]) -> tuple[int, ...]:
    """The credits of a row by series. A row without providers counts to the last series."""
    if len(series) > 1 and "providers" in row:
        return _values(row["providers"], series)
    return (*(0 for _ in series[1:]), row["credits"])
