"""What a monthly statement prints of its events: what moved credits, the uses of a day on one line, and the money."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from audit.documents.figures import Money, Rows, credits_of, day, figures_of, month_name
from audit.documents.payment_figures import PROVIDERS
from audit.documents.verifying import VerifiedDocument
from audit.statements.event_lines import Row, number, parts, rows_of, signed, summed
from audit.statements.form import Period
from audit.statements.page import period_in_words
from ledger.domain.changes import changes_of
from ledger.domain.events import (
    CreditsDeducted,
    DeductionReversed,
    DisputeRecorded,
    Event,
    HoldCaptured,
    PaymentRecorded,
    PaymentRefunded,
)
from ledger.explain.money import Currencies, currencies_of
from ledger.explain.sentences import counted

MOST_ENTRIES = 1_000
"""Entries one by one. A month with more has an entry for each kind and day."""
_USES = (CreditsDeducted, HoldCaptured, DeductionReversed)
_Line = tuple[Event, Row]


def statement_figures(verified: VerifiedDocument) -> dict[str, Any]:
    """The figures of a verified monthly statement."""
    statement, events = verified.statement, verified.events
    assert statement is not None, "it has one"
    changes = [change for event in events for change in changes_of(event)]
    came, went = summed(changes, coming_in=True), summed(changes, coming_in=False)
    facts = [
        ("Period", period_in_words(statement.period)),
        ("Times", "UTC"),
        ("Up to", _moment(statement.made_at)),
    ]
    more = {
        "headline": _headline(statement.period),
        "nothing": f"No credits moved in this {'month' if _is_month(statement.period) else 'time'}.",
        "sums": [
            ["Opening balance", number(statement.opening.total), parts(statement.opening)],
            ["Came in", *came],
            ["Went out", *went],
            ["Closing balance", number(statement.closing.total), parts(statement.closing)],
        ],
        "entries": _entries(events),
        "money": _money(events, currencies_of(events)),
    }
    return figures_of(verified, "Statement of credits", statement.made_at, facts, more)


def _headline(period: Period) -> str:
    if period.begin is not None and _is_month(period):
        return month_name(period.begin)
    words = period_in_words(period)
    return words[:1].upper() + words[1:]


def _is_month(period: Period) -> bool:
    """Whether a period is a month (UTC)."""
    begin, end = (each and each.astimezone(UTC) for each in period)
    if begin is None or end is None or begin != datetime(begin.year, begin.month, 1, tzinfo=UTC):
        return False
    return end == begin.replace(year=begin.year + begin.month // 12, month=begin.month % 12 + 1)


def _moment(at: datetime) -> str:
    return f"{day(at)}, {at:%H:%M}"


def _entries(events: Sequence[Event]) -> Rows:
    """The events that moved credits: those in which credits were used day by day, others one by one if they are few."""
    lines = [line for line in zip(events, rows_of(events, [{}] * len(events)), strict=True) if line[1].changes]
    found: Rows = []
    for (uses, _), group in groupby(lines, lambda line: (isinstance(line[0], _USES), line[1].day)):
        some = list(group)
        found += [_uses_of_day(some)] if uses else map(_entry, some)
    return found if len(found) <= MOST_ENTRIES else _by_day(lines)


def _by_day(lines: Sequence[_Line]) -> Rows:
    """One entry for everything of a kind that a day has; the last one of a day has the balance after the day."""
    found: Rows = []
    for name, group in groupby(lines, lambda line: line[1].day):
        of_day = list(group)
        kinds: dict[str, list[int]] = {}
        for event, row in of_day:
            kinds.setdefault("Credits used" if isinstance(event, _USES) else row.title, []).append(_credits(event))
        rows = [[name, title, counted(len(each), "time"), signed(sum(each)), ""] for title, each in kinds.items()]
        found += [*rows[:-1], [*rows[-1][:-1], of_day[-1][1].balance]]
    return found


def _uses_of_day(lines: Sequence[_Line]) -> list[str]:
    row, credits = lines[-1][1], sum(_credits(event) for event, _ in lines)
    return [row.day, "Credits used", counted(len(lines), "time"), signed(credits), row.balance]


def _entry(line: _Line) -> list[str]:
    event, row = line
    return [row.day, row.title, " · ".join(row.details), signed(_credits(event)), row.balance]


def _credits(event: Event) -> int:
    return sum(change.subscription + change.permanent for change in changes_of(event))


def _money(events: Iterable[Event], currencies: Currencies) -> Rows:
    """Payments, and what went back. A payment before the month is not among the events, nor is its currency."""
    found: Rows = []
    for event in events:
        match event:
            case PaymentRecorded(status="paid"):
                money, name = Money(event.amount_minor, event.currency), PROVIDERS.get(event.provider, event.provider)
                found.append([day(event.recorded_at), "Paid", f"{name}, {event.payment_id}", str(money)])
            case PaymentRefunded():
                money_back = _back(event.amount_minor, currencies.get((event.provider, event.payment_id)))
                found.append([day(event.recorded_at), "Refunded", event.payment_id, money_back])
            case DisputeRecorded(state="lost"):
                money_back = _back(event.amount_minor, currencies.get((event.provider, event.payment_id)))
                found.append([day(event.recorded_at), "Lost in a dispute", event.payment_id, money_back])
            case _:
                pass
    return found


def _back(minor: int, currency: str | None) -> str:
    return str(Money(-minor, currency)) if currency else f"{credits_of(-minor)} in minor units"
