"""Horizontal bars: one bar of shares, or a bar for each label; both are divided by series."""

from collections.abc import Iterator, Sequence

from api.dashboard.charts.chart import Bar, Chart, Key, Number, Series, Table, legend, table
from api.dashboard.charts.drawing import (
    FULL,
    PIXEL,
    Element,
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
"""The width of the smallest value: more than two pixels on a phone, and the hairlines on both sides cover one."""
THICK = 14
"""The height of the bar of shares, in pixels."""
PITCH, TEXT, BEGIN, THIN = 46, 13, 21, 10
"""In pixels: the distance from bar to bar; the text and the bar below its upper edge; the height of the bar."""
ROOM, LETTER = 280, 8
"""In pixels: the width of a line of text on a phone, and of a letter."""
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
    empty: str = "No data in this time",
) -> Chart:
    """One full bar, divided by series: a value for each. The legend has each value and its share."""
    parts = percents(positive(values), number)
    described = _share_sentences(series, values, parts, number, unit)
    rows = zip(series, values, parts, strict=True)
    keys = tuple(Key(*one, f"{number(value)} ({part})") for one, value, part in rows)
    height = THICK if any(positive(values)) else THICK + 28
    return Chart(
        title=title,
        description=described,
        svg=picture("horizontal", name, title, described, height, _shared(name, keys, values, empty)),
        legend=keys if any(values) else (),
        table=_shares_table(head, series, values, parts, unit, number),
    )


def _share_sentences(
    series: Sequence[Series], values: Sequence[int], parts: Sequence[str], number: Number, unit: str
) -> str:
    if not any(values):
        return f"There are no {whole(unit)} to show."
    items = zip(series, values, parts, strict=True)
    each = "; ".join(f"{whole(one.name)} {number(value)} ({part})" for one, value, part in items)
    return f"The sum of {whole(unit)} is {number(sum(values))}. {each}."


def _shared(name: str, keys: Sequence[Key], values: Sequence[int], empty: str) -> Iterator[Element]:
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
) -> Iterator[Element]:
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
    empty: str = "No data in this time",
) -> Chart:
    """A bar for each label in the order given, segmented by series, below its label and its total.

    Values below zero have a number but no bar. The chart grows with the number of bars: pass about twenty at most.
    """
    values = [row.values for row in rows]
    described = " ".join((extremes(rows, number, unit), *sums(series, values, number)))
    height = len(rows) * PITCH - (PITCH - BEGIN - THIN) if rows else PITCH
    return Chart(
        title=title,
        description=described,
        svg=picture("horizontal", name, title, described, height, _barred(name, series, rows, number, empty)),
        legend=legend(series, values, number),
        table=table(head, series, rows, number),
    )


def _barred(name: str, series: Sequence[Series], rows: Sequence[Bar], number: Number, empty: str) -> Iterator[Element]:
    if not rows:
        yield words("none", FULL // 2, PITCH * PIXEL // 2, "middle", empty)
        return
    largest = max(sum(positive(row.values)) for row in rows)
    for place, row in enumerate(rows):
        yield from _lettered(row, place * PITCH + TEXT, number)
    tops = [(place * PITCH + BEGIN) * PIXEL for place in range(len(rows))]
    drawn = (_bar(series, row, top, largest, number) for row, top in zip(rows, tops, strict=True))
    yield rounded(name, tops, THIN * PIXEL, drawn)


def _lettered(row: Bar, y: int, number: Number) -> Iterator[Element]:
    """The label, shortened to the room beside the total, and the total."""
    total = number(sum(row.values))
    room = ROOM // LETTER - int(cells(total)) - 2
    yield words("name", 0, y * PIXEL, "start", shortened(row.label, min(max(room, FEWEST_LETTERS), MOST_LETTERS)))
    yield words("value", FULL, y * PIXEL, "end", total)


def _bar(series: Sequence[Series], row: Bar, top: int, largest: int, number: Number) -> Element:
    drawn = positive(row.values)
    lengths = split(extent(drawn, largest, FULL, LEAST), drawn, LEAST)
    items = zip(series, row.values, strict=True)
    titles = [f"{whole(row.label)}, {whole(one.name)}: {number(value)}" for one, value in items]
    segments = _segments([one.css for one in series], titles, lengths, top, THIN * PIXEL)
    track = box("track", 0, top, FULL, THIN * PIXEL)
    return titled("slot", f"{whole(row.label)}: {number(sum(row.values))}", (track, *segments))
