"""Histories explained event by event; the related events that an explanation needs come from a plain list."""

from collections.abc import Iterator, Sequence

from ledger.domain.account import Account
from ledger.domain.events import Event
from ledger.domain.related_events import NO_RELATED_EVENTS, RelatedEvents
from ledger.explain.explaining import explain, subjects_of
from ledger.explain.explanation import Explanation
from tests.domain.journal import EventIndex


def related_events_for(event: Event, earlier: EventIndex) -> RelatedEvents:
    """The earlier events that the explanation of `event` needs."""
    known, found = NO_RELATED_EVENTS, earlier.about(subjects_of(event, NO_RELATED_EVENTS))
    while found != known:
        known, found = found, earlier.about(subjects_of(event, found))
    return known


def explained(events: Sequence[Event]) -> Iterator[tuple[Account | None, Event, Explanation]]:
    """Each event with the account before it and its explanation, up to the first that cannot be applied."""
    account: Account | None = None
    earlier: list[Event] = []
    index = EventIndex(earlier)
    for event in events:
        told = explain(account, event, related_events_for(event, index))
        yield account, event, told
        earlier.append(event)
        account = told.after
        if account is None:
            return
