"""Queries to the rollups: totals and closing balances of spans of time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ledger.postgres.arrays import integers, moments
from projections.models.days import By, pieces
from projections.models.rollups.projection import ROLLUPS
from projections.models.views import Question, Snapshot


class Total(NamedTuple):
    """The sums of a span of time, in credits, and the counts of entries."""

    granted: int = 0
    deducted: int = 0
    reversed: int = 0
    expired: int = 0
    voided: int = 0
    transferred: int = 0
    grants: int = 0
    deductions: int = 0
    reversals: int = 0
    expiries: int = 0
    voids: int = 0
    transfers: int = 0

    def __add__(self, other: "Total") -> "Total":  # type: ignore[override]  # a sum, as its name says
        return Total(*(one + more for one, more in zip(self, other, strict=True)))


class Closing(NamedTuple):
    """The credits of an account by kind at a moment."""

    subscription: int
    permanent: int


async def totals(
    moment: Snapshot, account_id: str, spans: Sequence[tuple[datetime, datetime]], by: By = "recorded"
) -> list[Total]:
    """The total of each of some spans. Spans must begin and end at the start of a bucket."""
    return totals_in(await moment.answer(totals_question(account_id, spans, by)), len(spans))


def totals_question(account_id: str, spans: Sequence[tuple[datetime, datetime]], by: By = "recorded") -> Question:
    """The question for the totals of some spans."""
    return Question(ROLLUPS.statements["sums"], _parameters(account_id, spans, by))


def _parameters(account_id: str, spans: Sequence[tuple[datetime, datetime]], by: By) -> dict[str, Any]:
    parts = pieces(spans, by)
    return {
        "account": account_id,
        "places": integers([piece.place for piece in parts]),
        "starts": moments([piece.start for piece in parts]),
        "ends": moments([piece.end for piece in parts]),
        "widths": integers([piece.width for piece in parts]),
    }


def totals_in(rows: Sequence[dict[str, Any]], spans: int) -> list[Total]:
    """The totals in the rows of such a question."""
    found = [Total()] * spans
    for row in rows:
        found[row["place"]] += Total(*(int(row[name]) for name in Total._fields))
    return found


async def closings(moment: Snapshot, account_id: str, starts: Sequence[datetime]) -> list[Closing]:
    """The balance by kind at each of some moments, before anything that happened at that moment."""
    rows = await moment.rows(ROLLUPS.statements["closings"], account=account_id, moments=moments(starts))
    return [Closing(row["subscription"], row["permanent"]) for row in rows]
