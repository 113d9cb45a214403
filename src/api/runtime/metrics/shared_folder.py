"""The folder in which the processes of a service share their metrics.

Several workers share all of theirs. A single worker keeps its own in memory, and reads those of the projector.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from api.http.histograms import PROJECTOR_METRICS
from api.runtime.settings import Settings

_LIBRARY = "PROMETHEUS_MULTIPROC_DIR"
"""Where the library for Prometheus finds the folder when it is imported."""


@contextmanager
def sharing_metrics(settings: Settings) -> Iterator[None]:
    """Until the block ends, processes find the folder."""
    with tempfile.TemporaryDirectory(prefix="credit-ledger-metrics-") as folder:
        os.environ[_LIBRARY if settings.workers > 1 else PROJECTOR_METRICS] = folder
        yield


def with_shared_metrics(environment: dict[str, str]) -> dict[str, str]:
    """The environment of a process whose metrics a worker reads."""
    folder = environment.get(PROJECTOR_METRICS)
    return environment | {_LIBRARY: folder} if folder else environment
