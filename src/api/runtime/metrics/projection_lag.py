"""The lag of the projections for Prometheus: how long after they were recorded they have the events.

It is imported late, and in the projector alone: a worker shows what the projector wrote.
"""

import asyncio
from collections.abc import Mapping

from api.http.histograms.filled_histogram import FilledHistogram, in_seconds
from ledger.timings.histogram import LAGS, SECOND, Histogram

LAG = FilledHistogram(
    "credit_ledger_projection_lag_seconds",
    "Time from the recording of an event until a projection has it",
    ["projection"],
    buckets=in_seconds(LAGS),
)
_EVERY = 1.0
"""Seconds after which a worker can read what was observed."""


async def keep_shown(lags: Mapping[str, Histogram]) -> None:
    """Show the lag of each projection, until cancelled."""
    while True:
        for projection, lag in lags.items():
            LAG.labels(projection).fill(lag, SECOND)
        await asyncio.sleep(_EVERY)
