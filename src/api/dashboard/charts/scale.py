"""The lengths in a chart. They are integers, so that the parts add up to the whole, however large the numbers are."""

from collections.abc import Sequence
from typing import NamedTuple

from api.dashboard.charts.chart import Number

LINES = 5
"""The largest number of gridlines, without the one at zero."""
_UNITS = ("", "k", "M", "B", "T", "Q")


class Axis(NamedTuple):
    """Gridlines at `step`, twice `step` and so on, `lines` of them."""

    step: int
    lines: int

    @property
    def top(self) -> int:
        """The value of the last gridline."""
        return self.step * self.lines


def axis(largest: int) -> Axis:
    """The finest axis in steps of 1, 2 or 5 times a power of ten that reaches the largest value."""
    power = 1
    while 5 * power * LINES < largest:
        power *= 10
    step = next(times * power for times in (1, 2, 5) if times * power * LINES >= largest)
    return Axis(step, max(1, -(-largest // step)))


def ticks(scale: Axis, number: Number) -> list[str]:
    """The labels of the axis, from zero up. All have the unit of the step, so no label needs a decimal point."""
    place = min((len(str(scale.step)) - 1) // 3, len(_UNITS) - 1)
    step = scale.step // 1_000**place
    return [number(0), *(number(step * line) + _UNITS[place] for line in range(1, scale.lines + 1))]


def positive(values: Sequence[int]) -> list[int]:
    """The values, with 0 in place of those below zero."""
    return [max(value, 0) for value in values]


def extent(values: Sequence[int], largest: int, whole: int, least: int) -> int:
    """The length of a row of values, if the largest row has the length `whole` and each value at least `least`."""
    if not largest:
        return 0
    shown = sum(value > 0 for value in values)
    return max(sum(values) * whole // largest, min(shown * least, whole))


def split(whole: int, values: Sequence[int], least: int) -> list[int]:
    """Proportional lengths that add up to `whole`. A value above zero has at least the length `least`."""
    shown = sum(value > 0 for value in values)
    least = min(least, whole // max(shown, 1))
    short = _short(whole, values, least)
    length = whole - least * len(short)
    total = sum(value for place, value in enumerate(values) if place not in short)
    lengths, so_far = [], 0
    for place, value in enumerate(values):
        begin, so_far = so_far, so_far + (0 if place in short else value)
        lengths.append(least if place in short else _share(length, so_far, total) - _share(length, begin, total))
    return lengths


def _share(length: int, value: int, total: int) -> int:
    return length * value // total if total else 0


def _short(whole: int, values: Sequence[int], least: int) -> set[int]:
    """The indexes of values that get the least length. They shorten the others, so this repeats until none is added."""
    short: set[int] = set()
    while True:
        length = whole - least * len(short)
        total = sum(value for place, value in enumerate(values) if place not in short)
        more = {place for place, value in enumerate(values) if 0 < value * length < least * total} - short
        if not more:
            return short
        short |= more


def percents(values: Sequence[int], number: Number) -> list[str]:
    """Percentages that add up to 100, by the largest remainder. Shares that round to 0 or 100 read <1% or >99%."""
    total = sum(values)
    whole = [100 * value // total if total else 0 for value in values]
    by_remainder = sorted(range(len(values)), key=lambda place: (-(100 * values[place] % (total or 1)), place))
    for place in by_remainder[: 100 - sum(whole) if total else 0]:
        whole[place] += 1
    return [_percent(value, total, share, number) for value, share in zip(values, whole, strict=True)]


def _percent(value: int, total: int, share: int, number: Number) -> str:
    if 0 < 100 * value < total:
        return f"<{number(1)}%"
    if share == 100 and value < total:
        return f">{number(99)}%"
    return f"{number(share)}%"
