"""What a query reads from."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from fastapi import Request

from ledger.service import Ledger
from projections.models.views import Views


@dataclass(frozen=True, slots=True)
class Reads:
    """The ledger, for what the log answers; the views, for what the read models answer; the ledger's clock."""

    ledger: Ledger
    views: Views
    clock: Callable[[], datetime]


def reads_of(request: Request) -> Reads:
    """What the queries of this process read from."""
    reads: Reads = request.app.state.reads
    return reads
