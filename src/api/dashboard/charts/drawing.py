"""SVG in strokes: lengths across in percent and upright in pixels, so that text keeps its size on every screen.

Only this file makes strokes, and it escapes whatever comes from outside. They are plain strings until the picture is
done, because a page has thousands of them.
"""

import re
from collections.abc import Iterable
from typing import NewType
from unicodedata import bidirectional, east_asian_width

from markupsafe import Markup, escape

FULL = 100_000
"""The whole width, in thousandths of a percent: the unit of everything across."""
PIXEL = 100
"""Of the unit of everything upright."""

Stroke = NewType("Stroke", str)
"""Markup in which all that came from outside is escaped."""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DIRECTIONS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
_WIDE = frozenset("MWmw@%")
_JOINERS = "\u200d\ufe0e\ufe0f"
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
_ANCHORS = {
    "start": "",
    "middle": ' text-anchor="middle"',
    "end": ' text-anchor="end"',
    "before": ' text-anchor="end" dx="-8" dy=".35em"',
}


def picture(kind: str, name: str, title: str, description: str, height: int, body: Iterable[Stroke]) -> Markup:
    """The whole of it; `name` makes its ids unique on a page, height is in pixels."""
    name = escape(name)
    drawn = (
        f'<svg class="plot {kind}" width="100%" height="{height}" overflow="visible" role="img"'
        f' aria-labelledby="{name}-title {name}-desc"><title id="{name}-title">{escape(whole(title))}</title>'
        f'<desc id="{name}-desc">{escape(description)}</desc>{"".join(body)}</svg>'
    )
    return Markup(drawn)  # noqa: S704  Each part of it is a stroke or has been escaped.


def box(css: str, x: int, y: int, width: int, height: int, title: str | None = None) -> Stroke:
    """A rectangle, with a tooltip if it has a title."""
    size = f'y="{upright(y)}" width="{across(width)}" height="{upright(height)}"'
    end = "/>" if title is None else f"><title>{escape(title)}</title></rect>"
    return Stroke(f'<rect class="{escape(css)}" x="{across(x)}" {size}{end}')


def words(css: str, x: int, y: int, anchor: str, text: str) -> Stroke:
    """A line of text; `before` a place is on its left, and as high as it."""
    return Stroke(
        f'<text class="{css}" x="{across(x)}" y="{upright(y)}"{_ANCHORS[anchor]}>{escape(_plain(text))}</text>'
    )


def line(css: str, y: int) -> Stroke:
    """From edge to edge."""
    return Stroke(f'<line class="{css}" x1="0%" x2="100%" y1="{upright(y)}" y2="{upright(y)}"/>')


def rounded(name: str, tops: Iterable[int], height: int, body: Iterable[Stroke]) -> Stroke:
    """What is drawn, with round corners where it reaches the corners of the full bars that begin at the tops."""
    tall = upright(height)
    bars = "".join(f'<rect x="0%" y="{upright(top)}" width="100%" height="{tall}" rx="3"/>' for top in tops)
    clip = f"{escape(name)}-clip"
    return Stroke(f'<clipPath id="{clip}">{bars}</clipPath><g clip-path="url(#{clip})">{"".join(body)}</g>')


def titled(css: str, title: str, body: Iterable[Stroke]) -> Stroke:
    """A group with a tooltip."""
    return Stroke(f'<g class="{css}"><title>{escape(title)}</title>{"".join(body)}</g>')


def across(length: int) -> str:
    """Thousandths of a percent as a percentage."""
    return f"{length / 1_000:.10g}%"


def upright(length: int) -> str:
    """Hundredths of a pixel as pixels."""
    return f"{length / 100:.10g}"


def whole(text: str) -> str:
    """All of a text, as XML can hold it, and so that what is written after it stays after it."""
    if text.isascii() and text.isprintable():
        return text
    plain = _plain(text)
    if any(bidirectional(sign) in _RIGHT_TO_LEFT for sign in plain):
        return f"\N{FIRST STRONG ISOLATE}{plain}\N{POP DIRECTIONAL ISOLATE}"
    return plain


def _plain(text: str) -> str:
    """A text without what XML does not allow and without what turns the direction of its neighbours."""
    return _DIRECTIONS.sub("", _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text))


def shortened(text: str, most: int) -> str:
    """So much of a text as the picture has room for."""
    plain = " ".join(_plain(text).split())
    if len(plain) <= most and cells(plain) <= most:
        return plain
    kept = plain[: most - 1]
    while kept and cells(kept) > most - 1:
        kept = kept[:-1]
    return kept.rstrip(_JOINERS + " ") + _ELLIPSIS


def cells(text: str) -> float:
    """How wide a text is, in small letters: capitals are wider, Chinese letters and pictures take two."""
    return sum(2 if sign in _WIDE or east_asian_width(sign) in "WF" else 1.25 if sign.isupper() else 1 for sign in text)
