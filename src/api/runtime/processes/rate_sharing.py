"""The file in which several workers share the rate limits of API keys."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from api.runtime.settings import Settings
from people.rate_limits import make_shared

SHARED_RATES = "CREDIT_LEDGER_SHARED_RATES"
"""Where worker processes find the file."""


@contextmanager
def sharing_rates(settings: Settings) -> Iterator[None]:
    """Until the block ends, workers share their limits. A single worker keeps them in memory."""
    if settings.workers == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="credit-ledger-rates-") as folder:
        shared = Path(folder) / "rates"
        make_shared(shared)
        os.environ[SHARED_RATES] = str(shared)
        try:
            yield
        finally:
            del os.environ[SHARED_RATES]
