"""Events told on a page: what happened to each lot and hold as rows of one table, and the balances around it."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

from ledger.domain.amounts import Balance, Kind
from ledger.explain.explanation import ExplainedDraw, ExplainedLot, ExplainedReturn, Explanation


class Row(NamedTuple):
    """What an event did to one lot or hold, in credits, and why; of one that it left alone, nothing changed."""

    word: str
    name: str
    kind: Kind | None
    until: datetime | None
    before: int
    change: int
    after: int
    why: str


class Told(NamedTuple):
    """One event, explained, as a page shows it."""

    explanation: Explanation
    rows: list[Row]
    more: int
    """Lots that were left alone and are not named."""

    @property
    def change(self) -> int:
        """Credits that it added or took."""
        return self.explanation.balance.total - self.explanation.before.total

    @property
    def balances(self) -> list[tuple[str, int, int]]:
        """What each part of the balance was, and is."""
        before, after = self.explanation.before, self.explanation.balance
        return [(name, part(before), part(after)) for name, part in _PARTS]


_PARTS: tuple[tuple[str, Callable[[Balance], int]], ...] = (
    ("Total", lambda balance: balance.total),
    ("Subscription", lambda balance: balance.subscription),
    ("Permanent", lambda balance: balance.permanent),
    ("Held", lambda balance: balance.held),
    ("Available", lambda balance: balance.available),
)


def told_of(explanation: Explanation) -> Told:
    """An explanation for a page."""
    details = explanation.details
    more = details.passed_over_count - len(details.passed_over)
    return Told(explanation, list(_rows(explanation)), max(more, 0))


def _rows(told: Explanation) -> Iterator[Row]:
    details = told.details
    if details.lot is not None:
        yield _row("lot", details.lot, "")
    for draw in details.draws:
        yield _row("drawn", draw, draw.why)
    for back in details.returns:
        yield _row(back.fate, back, back.why if back.fate == "returned" else f"{back.amount:,}: {back.why}")
    if (hold := details.hold) is not None:
        yield Row("hold", hold.hold_id, None, hold.expires_at, hold.before, hold.after - hold.before, hold.after, "")
    for left in details.passed_over:
        yield Row("left alone", left.grant_id, left.kind, left.expires_at, left.amount, 0, left.amount, left.why)


def _row(word: str, part: ExplainedLot | ExplainedDraw | ExplainedReturn, why: str) -> Row:
    change = part.after - part.before
    return Row(word, part.grant_id, part.kind, part.expires_at, part.before, change, part.after, why)
