"""Columns: one for each day, or any other span, stacked by series."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from api.dashboard.charts.chart import Chart, Number, Point, Series, legend, table
from api.dashboard.charts.drawing import FULL, PIXEL, Stroke, box, cells, line, picture, shortened, titled, whole, words
from api.dashboard.charts.scale import Axis, axis, extent, positive, split, ticks
from api.dashboard.charts.sentences import extremes, levels, sums

HEIGHT = 220
TOP = 12 * PIXEL
DEEP = 180 * PIXEL
"""From the last gridline to the baseline: a multiple of what 1 to 5 gridlines divide it by."""
BASE = TOP + DEEP
LEAST = 2 * PIXEL
"""The height of the smallest value."""
HAIRLINE = PIXEL
"""Between the segments of a column."""
WIDEST = 9_000
LONGEST_LABEL = 12
LETTER = 6.2
"""Pixels of a letter at 11 pixels of font, on average."""
AIR = 8
"""Pixels between labels, at least."""
OVER_LEFT, OVER_RIGHT = 36, 8
"""Pixels by which a label may reach over the edge: on the left is the room of the axis."""
NARROW, WIDE = 240, 520
"""Pixels that columns have on a phone, and where the minor labels begin to show: see `@container` in the stylesheet."""
_FILLED = ((14, 62), (45, 72), (120, 84))
"""Up to so many columns, so many percent of the width are theirs: more have no gaps, and are `dense`."""


Counts = Literal["amounts", "levels"]


class Label(NamedTuple):
    """A text below the axis, at the middle, the start or the end of what it names."""

    x: int
    anchor: str
    text: str

    def reach(self, width: int) -> tuple[float, float]:
        """From which pixel to which, if all is so many pixels wide."""
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
    unit: str = "credits",
    head: str = "Day",
    empty: str = "Nothing in this time",
    counts: Counts = "amounts",
) -> Chart:
    """A column for each point in the order given, stacked by series; values below zero are written but not drawn.

    `name` is unique on the page, `unit` what the values are, `head` what the points are, `empty` what to say of none.
    Amounts add up over the points; of levels, which do not, the last ones are told.
    """
    rows = [(point.full, point.values) for point in points]
    values = [point.values for point in points][-1 if counts == "levels" else 0 :]
    told = levels(rows, number, unit) if counts == "levels" else extremes(rows, number, unit)
    described = " ".join((*_from_to(points), told, *sums(series, values, number)))
    drawn = _drawn(series, points, number, empty)
    kind = "upright" if _filled(len(points)) < 100 else "upright dense"
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


def _drawn(series: Sequence[Series], points: Sequence[Point], number: Number, empty: str) -> Iterator[Stroke]:
    largest = max((sum(positive(point.values)) for point in points), default=0)
    scale = axis(largest) if largest else Axis(0, 4)
    yield from _grid(scale, number)
    for place, point in enumerate(points):
        yield _of_point(series, point, _slot(place, len(points)), scale, number)
    yield line("axis", BASE)
    yield from _labels(points)
    if not largest:
        yield words("none", FULL // 2, TOP + DEEP * 3 // 8 + 4 * PIXEL, "middle", empty)


def _grid(scale: Axis, number: Number) -> Iterator[Stroke]:
    texts = ticks(scale, number) if scale.step else [number(0)]
    for place in range(scale.lines + 1):
        y = BASE - DEEP * place // scale.lines
        if place:
            yield line("grid", y)
        if place < len(texts):
            yield words("tick", 0, y, "before", texts[place])


class Slot(NamedTuple):
    """The place of a point, across, and of the column in it."""

    begin: int
    end: int
    x: int
    width: int


def _slot(place: int, count: int) -> Slot:
    """A column never touches the next one, if only by a thousandth of a percent."""
    begin, end = FULL * place // count, FULL * (place + 1) // count
    width = max(min((end - begin) * _filled(count) // 100, end - begin - 1, WIDEST), 1)
    return Slot(begin, end, begin + (end - begin - width) // 2, width)


def _filled(count: int) -> int:
    return next((percent for most, percent in _FILLED if count <= most), 100)


def _of_point(series: Sequence[Series], point: Point, slot: Slot, scale: Axis, number: Number) -> Stroke:
    """All that belongs to one point, with the ground on which a pointer finds it."""
    ground = box("hit", slot.begin, 0, slot.end - slot.begin, BASE)
    return titled(
        "slot",
        f"{whole(point.full)}: {number(sum(point.values))}",
        (ground, *_column(series, point, slot, scale, number)),
    )


def _column(series: Sequence[Series], point: Point, slot: Slot, scale: Axis, number: Number) -> Iterator[Stroke]:
    """Its segments from the baseline up. All but the last leave a hairline above them."""
    values = positive(point.values)
    left = extent(values, scale.top, DEEP, LEAST)
    y = BASE
    for one, value, height in zip(series, point.values, split(left, values, LEAST), strict=True):
        if not height:
            continue
        y, left = y - height, left - height
        trim = min(HAIRLINE, height // 2) if left else 0
        said = f"{whole(point.full)}, {whole(one.name)}: {number(value)}"
        yield box(one.css, slot.x, y + trim, slot.width, height - trim, said)


def _labels(points: Sequence[Point]) -> Iterator[Stroke]:
    """As many as have room, the last one always; those that a phone has no room for are minor."""
    labels = [_label(place, point, len(points)) for place, point in enumerate(points)]
    shown = _stride(labels, 1, WIDE)
    major = _stride(labels, shown, NARROW)
    for place, label in enumerate(labels):
        back = len(labels) - 1 - place
        if back % shown == 0:
            yield words("tick" if back % major == 0 else "tick minor", label.x, BASE + 18 * PIXEL, *label[1:])


def _label(place: int, point: Point, count: int) -> Label:
    """Below the middle of its column, unless it would reach too far over the edge of a phone."""
    slot = _slot(place, count)
    text = shortened(point.label, LONGEST_LABEL)
    middle = Label((slot.begin + slot.end) // 2, "middle", text)
    left, right = middle.reach(NARROW)
    if left < -OVER_LEFT:
        return Label(slot.x, "start", text)
    return middle if right <= NARROW + OVER_RIGHT else Label(slot.x + slot.width, "end", text)


def _stride(labels: Sequence[Label], least: int, width: int) -> int:
    """Of which multiple of the least, counted from the last, labels have air between them at this width."""
    stride = least
    while stride < len(labels) and not _airy(labels[::-1][::stride], width):
        stride += least
    return stride


def _airy(backwards: Sequence[Label], width: int) -> bool:
    reaches = [label.reach(width) for label in backwards]
    return all(before[1] + AIR <= after[0] for after, before in pairwise(reaches))
