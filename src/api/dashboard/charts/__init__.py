"""Charts as pure functions of numbers: SVG without scripts, styles or clocks, and the same numbers as a table."""

from api.dashboard.charts.across import bars, shares
from api.dashboard.charts.chart import Bar, Chart, Key, Number, Point, Series, Table, numbered
from api.dashboard.charts.upright import Counts, columns

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
