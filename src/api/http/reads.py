"""The dependencies of queries."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from fastapi import Request

from ledger.service import Ledger
from projections.models.views import Views


@dataclass(frozen=True, slots=True)
class Reads:
    """The ledger for queries of events, the views for queries of read models, and the ledger's clock."""

    ledger: Ledger
    views: Views
    clock: Callable[[], datetime]


def reads_of(request: Request) -> Reads:
    """The dependencies of the queries of this process."""
    reads: Reads = request.app.state.reads
    return reads
