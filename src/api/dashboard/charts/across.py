"""Bars that lie: one bar of shares, or a bar for each label; both are segmented by series."""

from collections.abc import Iterator, Sequence

from api.dashboard.charts.chart import Bar, Chart, Key, Number, Series, Table, legend, table
from api.dashboard.charts.drawing import (
    FULL,
    PIXEL,
    Stroke,
    box,
    cells,
    picture,
    rounded,
    shortened,
    titled,
    whole,
    words,
)
from api.dashboard.charts.scale import extent, percents, positive, split
from api.dashboard.charts.sentences import extremes, sums

LEAST = 800
"""The width of the smallest value: more than two pixels on a phone, of which the hairlines on both sides take one."""
THICK = 14
"""Of the bar of shares, in pixels."""
PITCH, TEXT, BEGIN, THIN = 46, 13, 21, 10
"""Pixels from bar to bar; in each, down to the line of text and to the bar, and how thick that is."""
ROOM, LETTER = 280, 8
"""Pixels of a line of text on a phone, and of a letter in it."""
FEWEST_LETTERS, MOST_LETTERS = 8, 32


def shares(
    name: str,
    title: str,
    series: Sequence[Series],
    values: Sequence[int],
    number: Number,
    *,
    unit: str = "credits",
    head: str = "Part",
    empty: str = "Nothing in this time",
) -> Chart:
    """One full bar, divided by series: a value for each. Its legend says each value and its share."""
    parts = percents(positive(values), number)
    described = _told(series, values, parts, number, unit)
    rows = zip(series, values, parts, strict=True)
    keys = tuple(Key(*one, f"{number(value)} ({part})") for one, value, part in rows)
    height = THICK if any(positive(values)) else THICK + 28
    return Chart(
        title=title,
        description=described,
        svg=picture("across", name, title, described, height, _shared(name, keys, values, empty)),
        legend=keys if any(values) else (),
        table=_shares_table(head, series, values, parts, unit, number),
    )


def _told(series: Sequence[Series], values: Sequence[int], parts: Sequence[str], number: Number, unit: str) -> str:
    if not any(values):
        return f"There are no {whole(unit)} to show."
    told = zip(series, values, parts, strict=True)
    each = "; ".join(f"{whole(one.name)} {number(value)} ({part})" for one, value, part in told)
    return f"The sum of {whole(unit)} is {number(sum(values))}. {each}."


def _shared(name: str, keys: Sequence[Key], values: Sequence[int], empty: str) -> Iterator[Stroke]:
    height = THICK * PIXEL
    drawn = positive(values)
    titles = [f"{whole(key.name)}: {key.value}" for key in keys]
    lengths = split(FULL if any(drawn) else 0, drawn, LEAST)
    segments = _segments([key.css for key in keys], titles, lengths, 0, height)
    yield rounded(name, [0], height, (box("track", 0, 0, FULL, height), *segments))
    if not any(drawn):
        yield words("none", FULL // 2, height + 24 * PIXEL, "middle", empty)


def _segments(
    colours: Sequence[str], titles: Sequence[str], lengths: Sequence[int], y: int, height: int
) -> Iterator[Stroke]:
    x = 0
    for css, title, length in zip(colours, titles, lengths, strict=True):
        if length:
            yield box(css, x, y, length, height, title)
        x += length


def _shares_table(
    head: str, series: Sequence[Series], values: Sequence[int], parts: Sequence[str], unit: str, number: Number
) -> Table:
    written = zip(series, values, parts, strict=True)
    rows = tuple((one.name, number(value), part) for one, value, part in written)
    return Table((head, unit.capitalize(), "Share"), rows, (1, 2))


def bars(
    name: str,
    title: str,
    series: Sequence[Series],
    rows: Sequence[Bar],
    number: Number,
    *,
    unit: str = "credits",
    head: str = "Name",
    empty: str = "Nothing in this time",
) -> Chart:
    """A bar for each label in the order given, segmented by series, below its label and its total.

    Values below zero are written but not drawn. The picture grows with the bars: show the first twenty or so.
    """
    values = [row.values for row in rows]
    described = " ".join((extremes(rows, number, unit), *sums(series, values, number)))
    height = len(rows) * PITCH - (PITCH - BEGIN - THIN) if rows else PITCH
    return Chart(
        title=title,
        description=described,
        svg=picture("across", name, title, described, height, _barred(name, series, rows, number, empty)),
        legend=legend(series, values, number),
        table=table(head, series, rows, number),
    )


def _barred(name: str, series: Sequence[Series], rows: Sequence[Bar], number: Number, empty: str) -> Iterator[Stroke]:
    if not rows:
        yield words("none", FULL // 2, PITCH * PIXEL // 2, "middle", empty)
        return
    largest = max(sum(positive(row.values)) for row in rows)
    for place, row in enumerate(rows):
        yield from _lettered(row, place * PITCH + TEXT, number)
    tops = [(place * PITCH + BEGIN) * PIXEL for place in range(len(rows))]
    drawn = (_bar(series, row, top, largest, number) for row, top in zip(rows, tops, strict=True))
    yield rounded(name, tops, THIN * PIXEL, drawn)


def _lettered(row: Bar, y: int, number: Number) -> Iterator[Stroke]:
    """The label as far as its total leaves room."""
    total = number(sum(row.values))
    room = ROOM // LETTER - int(cells(total)) - 2
    yield words("name", 0, y * PIXEL, "start", shortened(row.label, min(max(room, FEWEST_LETTERS), MOST_LETTERS)))
    yield words("value", FULL, y * PIXEL, "end", total)


def _bar(series: Sequence[Series], row: Bar, top: int, largest: int, number: Number) -> Stroke:
    drawn = positive(row.values)
    lengths = split(extent(drawn, largest, FULL, LEAST), drawn, LEAST)
    said = zip(series, row.values, strict=True)
    titles = [f"{whole(row.label)}, {whole(one.name)}: {number(value)}" for one, value in said]
    segments = _segments([one.css for one in series], titles, lengths, top, THIN * PIXEL)
    track = box("track", 0, top, FULL, THIN * PIXEL)
    return titled("slot", f"{whole(row.label)}: {number(sum(row.values))}", (track, *segments))
