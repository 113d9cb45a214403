"""The details of one event on a page: a row for each lot and hold, and the balances before and after the event."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

from ledger.domain.amounts import Balance, Kind
from ledger.explain.explanation import ExplainedDraw, ExplainedLot, ExplainedReturn, Explanation


class Row(NamedTuple):
    """How an event changed one lot or hold, in credits, and why. The change of a lot that it did not draw from is 0."""

    effect: str
    name: str
    kind: Kind | None
    expires_at: datetime | None
    before: int
    change: int
    after: int
    why: str


class EventDetails(NamedTuple):
    """An explained event, prepared for a page."""

    explanation: Explanation
    rows: list[Row]
    more_not_drawn: int
    """The number of lots that were not drawn from and have no row."""

    @property
    def change(self) -> int:
        """The credits that the event added (above zero) or took (below zero)."""
        return self.explanation.balance.total - self.explanation.before.total

    @property
    def balances(self) -> list[tuple[str, int, int]]:
        """Each part of the balance by name, before and after the event."""
        return balances_between(self, self)


_PARTS: tuple[tuple[str, Callable[[Balance], int]], ...] = (
    ("Total", lambda balance: balance.total),
    ("Subscription", lambda balance: balance.subscription),
    ("Permanent", lambda balance: balance.permanent),
    ("Held", lambda balance: balance.held),
    ("Available", lambda balance: balance.available),
)


def balances_between(first: EventDetails, last: EventDetails) -> list[tuple[str, int, int]]:
    """Each part of the balance by name, before one event and after a later one."""
    before, after = first.explanation.before, last.explanation.balance
    return [(name, part(before), part(after)) for name, part in _PARTS]


def details_of(explanation: Explanation) -> EventDetails:
    """Prepare an explanation for a page."""
    details = explanation.details
    more = details.passed_over_count - len(details.passed_over)
    return EventDetails(explanation, list(_rows(explanation)), max(more, 0))


def _rows(explanation: Explanation) -> Iterator[Row]:
    details = explanation.details
    if details.lot is not None:
        yield _row("lot", details.lot, "")
    for draw in details.draws:
        yield _row("drawn", draw, draw.why)
    for back in details.returns:
        yield _row(back.fate, back, back.why if back.fate == "returned" else f"{back.amount:,}: {back.why}")
    if (hold := details.hold) is not None:
        yield Row("hold", hold.hold_id, None, hold.expires_at, hold.before, hold.after - hold.before, hold.after, "")
    for count in details.counts:
        name = count.limit_id if count.value is None else f"{count.limit_id}, {count.value}"
        change = count.after - count.before
        yield Row(
            "counted", name, None, count.until, count.before, change, count.after, f"of {count.amount:,} {count.unit}"
        )
    for left in details.passed_over:
        yield Row("not drawn", left.grant_id, left.kind, left.expires_at, left.amount, 0, left.amount, left.why)


def _row(effect: str, part: ExplainedLot | ExplainedDraw | ExplainedReturn, why: str) -> Row:
    change = part.after - part.before
    return Row(effect, part.grant_id, part.kind, part.expires_at, part.before, change, part.after, why)
