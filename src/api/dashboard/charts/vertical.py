"""Vertical columns: one for each day or other span of time, stacked by series."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from api.dashboard.charts.chart import Chart, Number, Point, Series, legend, table
from api.dashboard.charts.drawing import (
    FULL,
    PIXEL,
    Element,
    box,
    cells,
    line,
    picture,
    shortened,
    titled,
    whole,
    words,
)
from api.dashboard.charts.scale import Axis, axis, extent, positive, split, ticks
from api.dashboard.charts.sentences import extremes, levels, sums

HEIGHT = 220
TOP = 12 * PIXEL
DEEP = 180 * PIXEL
"""From the last gridline to the baseline: a multiple of 1 to 5, so that gridlines have whole distances."""
BASE = TOP + DEEP
LEAST = 2 * PIXEL
"""The height of the smallest value."""
HAIRLINE = PIXEL
"""The gap between the segments of a column."""
WIDEST = 9_000
LONGEST_LABEL = 12
LETTER = 6.2
"""The average width of a letter in pixels, at a font size of 11 pixels."""
AIR = 8
"""The least distance between labels, in pixels."""
OVER_LEFT, OVER_RIGHT = 36, 8
"""How far a label may extend over the edges, in pixels. The labels of the axis leave room on the left."""
NARROW, WIDE = 240, 520
"""In pixels: the width of a chart on a phone, and the width from which minor labels show (`@container` in app.css)."""
_FILLED = ((14, 62), (45, 72), (120, 84))
"""Pairs: up to this many columns, columns fill this percentage of the width. More columns have no gaps (`dense`)."""


Counts = Literal["amounts", "levels"]


class Label(NamedTuple):
    """A label below the axis, anchored at the middle, the start or the end of its column."""

    x: int
    anchor: str
    text: str

    def reach(self, width: int) -> tuple[float, float]:
        """The first and the last pixel of the label in a chart of this width."""
        at, long = self.x * width / FULL, cells(self.text) * LETTER
        begin = at - {"start": 0, "middle": long / 2, "end": long}[self.anchor]
        return begin, begin + long


def columns(
    name: str,
    title: str,
    series: Sequence[Series],
    points: Sequence[Point],
    number: Number,
    *,
    tick: Number | None = None,
    unit: str = "credits",
    head: str = "Day",
    empty: str = "No data in this time",
    counts: Counts = "amounts",
) -> Chart:
    """A column for each point in the order given, stacked by series; values below zero have a number but no bar.

    `name` is unique on the page, `unit` names the values, `head` names the points, `empty` is the text without values.
    `tick` formats the values of the axis; without it they are integers with the unit of the step, such as 20k.
    Amounts add up over the points. Levels do not, so the legend has their last values.
    """
    rows = [(point.full, point.values) for point in points]
    values = [point.values for point in points][-1 if counts == "levels" else 0 :]
    sentence = levels(rows, number, unit) if counts == "levels" else extremes(rows, number, unit)
    described = " ".join((*_from_to(points), sentence, *sums(series, values, number)))
    drawn = _drawn(series, points, number, tick, empty)
    kind = "vertical" if _filled(len(points)) < 100 else "vertical dense"
    return Chart(
        title=title,
        description=described,
        svg=picture(kind, name, title, described, HEIGHT, drawn),
        legend=legend(series, values, number),
        table=table(head, series, rows, number),
    )


def _from_to(points: Sequence[Point]) -> Iterator[str]:
    if len(points) > 1:
        yield f"From {whole(points[0].full)} to {whole(points[-1].full)}."


def _drawn(
    series: Sequence[Series], points: Sequence[Point], number: Number, tick: Number | None, empty: str
) -> Iterator[Element]:
    largest = max((sum(positive(point.values)) for point in points), default=0)
    scale = axis(largest) if largest else Axis(0, 4)
    yield from _grid(scale, _ticks(scale, number, tick))
    for place, point in enumerate(points):
        yield _of_point(series, point, _slot(place, len(points)), scale, number)
    yield line("axis", BASE)
    yield from _labels(points)
    if not largest:
        yield words("none", FULL // 2, TOP + DEEP * 3 // 8 + 4 * PIXEL, "middle", empty)


def _ticks(scale: Axis, number: Number, tick: Number | None) -> list[str]:
    if not scale.step:
        return [(tick or number)(0)]
    return ticks(scale, number) if tick is None else [tick(scale.step * line) for line in range(scale.lines + 1)]


def _grid(scale: Axis, texts: Sequence[str]) -> Iterator[Element]:
    for place in range(scale.lines + 1):
        y = BASE - DEEP * place // scale.lines
        if place:
            yield line("grid", y)
        if place < len(texts):
            yield words("tick", 0, y, "before", texts[place])


class Slot(NamedTuple):
    """The horizontal span of a point, and of the column in it."""

    begin: int
    end: int
    x: int
    width: int


def _slot(place: int, count: int) -> Slot:
    """The span of a point. Columns keep a gap of at least a thousandth of a percent."""
    begin, end = FULL * place // count, FULL * (place + 1) // count
    width = max(min((end - begin) * _filled(count) // 100, end - begin - 1, WIDEST), 1)
    return Slot(begin, end, begin + (end - begin - width) // 2, width)


def _filled(count: int) -> int:
    return next((percent for most, percent in _FILLED if count <= most), 100)


def _of_point(series: Sequence[Series], point: Point, slot: Slot, scale: Axis, number: Number) -> Element:
    """The column of a point, with a transparent background that receives the pointer."""
    background = box("hit", slot.begin, 0, slot.end - slot.begin, BASE)
    return titled(
        "slot",
        f"{whole(point.full)}: {number(sum(point.values))}",
        (background, *_column(series, point, slot, scale, number)),
    )


def _column(series: Sequence[Series], point: Point, slot: Slot, scale: Axis, number: Number) -> Iterator[Element]:
    """The segments of a column from the baseline up, with a hairline between them."""
    values = positive(point.values)
    left = extent(values, scale.top, DEEP, LEAST)
    y = BASE
    for one, value, height in zip(series, point.values, split(left, values, LEAST), strict=True):
        if not height:
            continue
        y, left = y - height, left - height
        trim = min(HAIRLINE, height // 2) if left else 0
        title = f"{whole(point.full)}, {whole(one.name)}: {number(value)}"
        yield box(one.css, slot.x, y + trim, slot.width, height - trim, title)


def _labels(points: Sequence[Point]) -> Iterator[Element]:
    """As many labels as have room, always with the last one. Labels without room on a phone are minor."""
    labels = [_label(place, point, len(points)) for place, point in enumerate(points)]
    shown = _stride(labels, 1, WIDE)
    major = _stride(labels, shown, NARROW)
    for place, label in enumerate(labels):
        back = len(labels) - 1 - place
        if back % shown == 0:
            yield words("tick" if back % major == 0 else "tick minor", label.x, BASE + 18 * PIXEL, *label[1:])


def _label(place: int, point: Point, count: int) -> Label:
    """The label below the middle of its column, or at a side of it where it would extend over the edge of a phone."""
    slot = _slot(place, count)
    text = shortened(point.label, LONGEST_LABEL)
    middle = Label((slot.begin + slot.end) // 2, "middle", text)
    left, right = middle.reach(NARROW)
    if left < -OVER_LEFT:
        return Label(slot.x, "start", text)
    return middle if right <= NARROW + OVER_RIGHT else Label(slot.x + slot.width, "end", text)


def _stride(labels: Sequence[Label], least: int, width: int) -> int:
    """The smallest multiple of `least` at which every so many labels, counted from the last, fit into this width."""
    stride = least
    while stride < len(labels) and not _fit(labels[::-1][::stride], width):
        stride += least
    return stride


def _fit(backwards: Sequence[Label], width: int) -> bool:
    reaches = [label.reach(width) for label in backwards]
    return all(before[1] + AIR <= after[0] for after, before in pairwise(reaches))
