"""The dependencies of queries."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from fastapi import Request

from api.contract.cursors import Cursors
from ledger.service import Ledger
from projections.models.views import Views


@dataclass(frozen=True, slots=True)
class Reads:
    """The ledger for queries of events, the views for queries of read models, the ledger's clock, and its cursors."""

    ledger: Ledger
    views: Views
    clock: Callable[[], datetime]
    cursors: Cursors = field(default_factory=Cursors)


def reads_of(request: Request) -> Reads:
    """The dependencies of the queries of this process."""
    reads: Reads = request.app.state.reads
    return reads
