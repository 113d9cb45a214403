"""A histogram for Prometheus that is filled from one of ours.

The library's own `observe` walks through the bounds and takes a lock, and with several processes writes into a file: as
much as a tenth of a command. So nothing that happens often observes with it. What was counted meanwhile is added when
the metrics are asked for, or every second where another process may be asked.
"""

from prometheus_client import Histogram as PrometheusHistogram

from ledger.timings.histogram import SECOND, Histogram


class FilledHistogram(PrometheusHistogram):
    """Shows what was observed elsewhere."""

    def fill(self, histogram: Histogram, unit: int = 1) -> None:
        """Add what a histogram with the same bounds has observed since the last time. `unit` is how much of it counts
        as 1 here."""
        counts, total = histogram.take()
        if not any(counts):
            return
        self._sum.inc(total / unit)
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)


def in_seconds(bounds: tuple[int, ...]) -> list[float]:
    """Bounds in nanoseconds as bounds in seconds."""
    return [bound / SECOND for bound in bounds]
