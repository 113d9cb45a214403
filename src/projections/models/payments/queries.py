"""Queries to the payments: pages of an account's payments, the disputes of all accounts, and their revenue."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ledger.domain.events import DisputeState
from projections.models.payments.projection import PAYMENTS
from projections.models.views import Question, Snapshot


async def page(
    moment: Snapshot, account_id: str, *, now: datetime, before: int, status: str | None, limit: int
) -> list[dict[str, Any]]:
    """A page of payments with versions below `before`, newest first, each with the grants that it bought."""
    statement = PAYMENTS.statements["page"]
    return await moment.rows(statement, account=account_id, now=now, before=before, status=status, limit=limit)


class DocumentedPayment(NamedTuple):
    """What a receipt needs to know of a payment: where its events are, and its place among those ever paid."""

    provider: str
    status: str
    paid: bool
    version: int
    plan: str | None
    grants: tuple[int, ...]
    """The versions of the grants that it bought, so far."""
    place: int


async def documented(moment: Snapshot, account_id: str, payment_id: str) -> list[DocumentedPayment]:
    """The payments with an id, one for each provider that has used it, in the order in which they were recorded."""
    return documented_in(await moment.answer(documented_question(account_id, payment_id)))


def documented_question(account_id: str, payment_id: str) -> Question:
    """The question that `documented` asks, for those who ask it alone."""
    return Question(PAYMENTS.statements["documented"], {"account": account_id, "payment": payment_id})


def documented_in(rows: Sequence[Mapping[str, Any]]) -> list[DocumentedPayment]:
    """The payments in the rows of its answer."""
    return [DocumentedPayment(**{**row, "grants": tuple(row["grants"])}) for row in rows]


class DisputePlace(NamedTuple):
    """The place of a dispute in the list of all: when it changed, its account, and the version of its last event."""

    changed_at: datetime
    account_id: str
    version: int


async def disputes(
    moment: Snapshot, *, state: DisputeState | None, before: DisputePlace | None, limit: int
) -> list[dict[str, Any]]:
    """A page of the disputes of all accounts, those that changed last first."""
    at, account, version = before or (None, None, None)
    place = {"before": at, "account": account, "version": version}
    return await moment.rows(PAYMENTS.statements["disputes"], state=state, limit=limit, **place)


class Revenue(NamedTuple):
    """What was paid in one currency in a span of time, and what went back: refunded, or lost in disputes."""

    currency: str
    paid_minor: int
    payments: int
    refunded_minor: int
    lost_minor: int


async def revenue(moment: Snapshot, starts: Sequence[datetime]) -> list[list[Revenue]]:
    """The revenue of each span, by currency. `starts` also has the end of the last span."""
    statement = PAYMENTS.statements["revenue"]
    rows = await moment.rows(statement, starts=list(starts), first=starts[0], last=starts[-1])
    found: list[list[Revenue]] = [[] for _ in starts[1:]]
    for row in rows:
        numbers = (int(row[name]) for name in ("paid_minor", "payments", "refunded_minor", "lost_minor"))
        found[row["place"] - 1].append(Revenue(row["currency"], *numbers))
    return found
