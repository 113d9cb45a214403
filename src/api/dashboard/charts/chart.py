"""The input and the output of the chart functions, as frozen values."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from markupsafe import Markup

Number = Callable[[int], str]
"""Formats an integer for the page."""

COLOURS = tuple(f"s{place}" for place in range(8))
REST = "rest"


class Series(NamedTuple):
    """A series of values with a colour of its own; `css` is the class of that colour."""

    name: str
    css: str


class Point(NamedTuple):
    """One column: a short label for the axis, a full label, and a value per series."""

    label: str
    full: str
    values: Sequence[int]


class Bar(NamedTuple):
    """One bar: its label, and a value per series."""

    label: str
    values: Sequence[int]


class Key(NamedTuple):
    """One line of a legend."""

    name: str
    css: str
    value: str


class Table(NamedTuple):
    """The numbers of a chart as a table. The first column is the label; `numbers` are the indexes of the others."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...]


class Chart(NamedTuple):
    """A chart: the SVG, a description of it in sentences, its legend, and its numbers as a table."""

    title: str
    description: str
    svg: Markup
    legend: tuple[Key, ...]
    table: Table


def numbered(names: Iterable[str]) -> tuple[Series, ...]:
    """Series with the colours of the palette, in order. The palette has eight colours; further series are grey."""
    return tuple(Series(name, COLOURS[place] if place < len(COLOURS) else REST) for place, name in enumerate(names))


def table(head: str, series: Sequence[Series], rows: Iterable[tuple[str, Sequence[int]]], number: Number) -> Table:
    """A table with a row per label: a value per series, and their sum if there are several series."""
    several = len(series) > 1
    names = (*(one.name for one in series), *(("Total",) if several else ()))
    written = (
        (label, *(number(value) for value in values), *((number(sum(values)),) if several else ()))
        for label, values in rows
    )
    return Table((head, *names), tuple(written), tuple(range(1, len(names) + 1)))


def legend(series: Sequence[Series], rows: Iterable[Sequence[int]], number: Number) -> tuple[Key, ...]:
    """The name, colour and sum of each series; empty for a single series or if all sums are 0."""
    sums = totals(series, rows)
    if len(series) < 2 or not any(sums):
        return ()
    return tuple(Key(*one, number(total)) for one, total in zip(series, sums, strict=True))


def totals(series: Sequence[Series], rows: Iterable[Sequence[int]]) -> list[int]:
    """The sum of each series."""
    sums = [0] * len(series)
    for values in rows:
        sums = [total + value for total, value in zip(sums, values, strict=True)]
    return sums
