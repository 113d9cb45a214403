"""What goes into a chart and what comes out of it: frozen values, all of them."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from markupsafe import Markup

Number = Callable[[int], str]
"""Writes an integer as the reader of the page does."""

COLOURS = tuple(f"s{place}" for place in range(8))
REST = "rest"


class Series(NamedTuple):
    """One kind of thing that is told from others by its colour: `css` is the class of that colour."""

    name: str
    css: str


class Point(NamedTuple):
    """One column: a label for the axis, one that says all, and a value per series."""

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
    """The numbers of a picture; `numbers` are the places of the columns that hold some. The first column is a label."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...]


class Chart(NamedTuple):
    """A picture, what it shows in words, what its colours mean, and its numbers."""

    title: str
    description: str
    svg: Markup
    legend: tuple[Key, ...]
    table: Table


def numbered(names: Iterable[str]) -> tuple[Series, ...]:
    """Series in the order of the palette. It has eight colours: whatever comes after them is grey, so put it last."""
    return tuple(Series(name, COLOURS[place] if place < len(COLOURS) else REST) for place, name in enumerate(names))


def table(head: str, series: Sequence[Series], rows: Iterable[tuple[str, Sequence[int]]], number: Number) -> Table:
    """A row per label with a value per series, and their sum where there are several."""
    several = len(series) > 1
    names = (*(one.name for one in series), *(("Total",) if several else ()))
    written = (
        (label, *(number(value) for value in values), *((number(sum(values)),) if several else ()))
        for label, values in rows
    )
    return Table((head, *names), tuple(written), tuple(range(1, len(names) + 1)))


def legend(series: Sequence[Series], rows: Iterable[Sequence[int]], number: Number) -> tuple[Key, ...]:
    """What each colour means and adds up to; nothing where there is only one, or nothing to see."""
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
