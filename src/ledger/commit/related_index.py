"""The earlier events of one account, by the things that they made or are about.

A batch may have thousands of commands about the past of one account, and each needs the events about its own things.
"""

from collections.abc import Mapping
from operator import itemgetter

from ledger.domain.account import Account
from ledger.domain.commands import Command
from ledger.domain.events import Event
from ledger.domain.related_events import NO_RELATED_EVENTS, RelatedEvents, names_of, needed_subjects


class RelatedIndex:
    """Events by their subjects and their versions."""

    def __init__(self, events: Mapping[int, Event]) -> None:
        self._about: dict[str, dict[int, Event]] = {}
        for version, event in events.items():
            self.add(version, event)

    def add(self, version: int, event: Event) -> None:
        """Add an event."""
        for subject in names_of(event):
            self._about.setdefault(subject, {})[version] = event

    def remove(self, version: int, event: Event) -> None:
        """Remove an event that was added."""
        for subject in names_of(event):
            del self._about[subject][version]

    def needed_by(self, command: Command, account: Account | None) -> tuple[frozenset[str], RelatedEvents]:
        """The things whose events a decision needs, as far as the events here show them, and these events."""
        subjects = needed_subjects(command, account, NO_RELATED_EVENTS)
        related = NO_RELATED_EVENTS
        known: frozenset[str] = frozenset()
        while subjects != known:
            known, related = subjects, self.about(subjects)
            subjects |= needed_subjects(command, account, related)
        return subjects, related

    def about(self, subjects: frozenset[str]) -> RelatedEvents:
        """The events that made one of the subjects or are about one of them."""
        found: dict[int, Event] = {}
        for subject in subjects:
            found |= self._about.get(subject, {})
        return RelatedEvents(tuple([event for _, event in sorted(found.items(), key=itemgetter(0))]))
