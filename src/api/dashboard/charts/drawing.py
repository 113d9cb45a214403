"""SVG elements: horizontal lengths in percent, vertical lengths in pixels, so that text keeps its size on every screen.

Only this file makes elements, and it escapes all text that it is given. Elements are plain strings until the SVG is
complete, because a page has thousands of them.
"""

import re
from collections.abc import Iterable
from typing import NewType
from unicodedata import bidirectional, east_asian_width

from markupsafe import Markup, escape

FULL = 100_000
"""The whole width, in thousandths of a percent: the unit of horizontal lengths."""
PIXEL = 100
"""A pixel, in hundredths of a pixel: the unit of vertical lengths."""

Element = NewType("Element", str)
"""Markup in which all text is escaped."""

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


def picture(kind: str, name: str, title: str, description: str, height: int, body: Iterable[Element]) -> Markup:
    """The whole SVG; `name` makes its ids unique on a page, `height` is in pixels."""
    name = escape(name)
    drawn = (
        f'<svg class="plot {kind}" width="100%" height="{height}" overflow="visible" role="img"'
        f' aria-labelledby="{name}-title {name}-desc"><title id="{name}-title">{escape(whole(title))}</title>'
        f'<desc id="{name}-desc">{escape(description)}</desc>{"".join(body)}</svg>'
    )
    return Markup(drawn)  # noqa: S704  Each part is an element or has been escaped.


def box(css: str, x: int, y: int, width: int, height: int, title: str | None = None) -> Element:
    """A rectangle, with a tooltip if it has a title."""
    size = f'y="{pixel_text(y)}" width="{percent_text(width)}" height="{pixel_text(height)}"'
    end = "/>" if title is None else f"><title>{escape(title)}</title></rect>"
    return Element(f'<rect class="{escape(css)}" x="{percent_text(x)}" {size}{end}')


def words(css: str, x: int, y: int, anchor: str, text: str) -> Element:
    """A line of text. The anchor `before` puts it to the left of the position and centres it vertically."""
    return Element(
        f'<text class="{css}" x="{percent_text(x)}" y="{pixel_text(y)}"{_ANCHORS[anchor]}>{escape(_plain(text))}</text>'
    )


def line(css: str, y: int) -> Element:
    """A horizontal line over the whole width."""
    return Element(f'<line class="{css}" x1="0%" x2="100%" y1="{pixel_text(y)}" y2="{pixel_text(y)}"/>')


def rounded(name: str, tops: Iterable[int], height: int, body: Iterable[Element]) -> Element:
    """Clip the body to full-width bars with round corners; `tops` are the upper edges of the bars."""
    tall = pixel_text(height)
    bars = "".join(f'<rect x="0%" y="{pixel_text(top)}" width="100%" height="{tall}" rx="3"/>' for top in tops)
    clip = f"{escape(name)}-clip"
    return Element(f'<clipPath id="{clip}">{bars}</clipPath><g clip-path="url(#{clip})">{"".join(body)}</g>')


def titled(css: str, title: str, body: Iterable[Element]) -> Element:
    """A group with a tooltip."""
    return Element(f'<g class="{css}"><title>{escape(title)}</title>{"".join(body)}</g>')


def percent_text(length: int) -> str:
    """Thousandths of a percent as a percentage."""
    return f"{length / 1_000:.10g}%"


def pixel_text(length: int) -> str:
    """Hundredths of a pixel as pixels."""
    return f"{length / 100:.10g}"


def whole(text: str) -> str:
    """The whole text, without characters that XML forbids, and isolated if it is written from right to left."""
    if text.isascii() and text.isprintable():
        return text
    plain = _plain(text)
    if any(bidirectional(sign) in _RIGHT_TO_LEFT for sign in plain):
        return f"\N{FIRST STRONG ISOLATE}{plain}\N{POP DIRECTIONAL ISOLATE}"
    return plain


def _plain(text: str) -> str:
    """A text without the characters that XML forbids and without those that change the direction of writing."""
    return _DIRECTIONS.sub("", _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text))


def shortened(text: str, most: int) -> str:
    """A text, cut off with an ellipsis to at most `most` cells."""
    plain = " ".join(_plain(text).split())
    if len(plain) <= most and cells(plain) <= most:
        return plain
    kept = plain[: most - 1]
    while kept and cells(kept) > most - 1:
        kept = kept[:-1]
    return kept.rstrip(_JOINERS + " ") + _ELLIPSIS


def cells(text: str) -> float:
    """The width of a text in lower-case letters. Capitals count 1.25; wide letters, Chinese and emoji count 2."""
    return sum(2 if sign in _WIDE or east_asian_width(sign) in "WF" else 1.25 if sign.isupper() else 1 for sign in text)
