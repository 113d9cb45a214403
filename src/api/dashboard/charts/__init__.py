"""Charts as pure functions of numbers: an SVG without scripts and styles, and a table of the same numbers."""

from api.dashboard.charts.chart import Bar, Chart, Key, Number, Point, Series, Table, numbered
from api.dashboard.charts.horizontal import bars, shares
from api.dashboard.charts.vertical import Counts, columns

__all__ = [
    "Bar",
    "Chart",
    "Counts",
    "Key",
    "Number",
    "Point",
    "Series",
    "Table",
    "bars",
    "columns",
    "numbered",
    "shares",
]
