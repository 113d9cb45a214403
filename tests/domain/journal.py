"""A journal: one account's stream and a clock, as plain as a store can be.

It keeps every event in a list, passes `decide` the events that `needed_subjects` asks for, and appends the result.
Nothing is cached, so whatever a test finds here is a matter of the rules alone.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from ledger.domain.account import Account, fold
from ledger.domain.commands import Command
from ledger.domain.decisions.decider import decide
from ledger.domain.decisions.expiry import apply_due_expiries
from ledger.domain.errors import Refusal
from ledger.domain.events import Event, Events
from ledger.domain.related_events import NO_RELATED_EVENTS, RelatedEvents, names_of, needed_subjects

ACCOUNT_ID = "ada"
DAY_ZERO = datetime(2026, 1, 1, tzinfo=UTC)


class Asked(NamedTuple):
    """A command, when it was asked, and what became of it."""

    at: datetime
    command: Command
    told: Events | Refusal


class EventIndex:
    """The events of a list, which may grow, by the things that they are about."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events
        self._known = 0
        self._places: dict[str, list[int]] = {}

    def about(self, names: frozenset[str]) -> RelatedEvents:
        """The events about the named things, in stream order."""
        for place in range(self._known, len(self.events)):
            for name in names_of(self.events[place]):
                self._places.setdefault(name, []).append(place)
        self._known = len(self.events)
        places = sorted({place for name in names for place in self._places.get(name, ())})
        return RelatedEvents(tuple(self.events[place] for place in places)) if names else NO_RELATED_EVENTS


class Journal:
    """The events of one account, the state after them, and the time that it is."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._index = EventIndex(self.events)
        self.account: Account | None = None
        self.now = DAY_ZERO
        self.asked: list[Asked] = []
        self.moves = True
        """Whether random commands exchange credits with accounts that have no journal."""

    def __repr__(self) -> str:
        """What was asked: enough to see from a failing example what it is about."""
        return "\n".join(
            [
                "a journal:",
                *(f"  {at:%m-%d %H:%M:%S.%f} {command}" for at, command, _ in self.asked),
            ]
        )

    @property
    def opened(self) -> Account:
        """The account, where a test knows that there is one."""
        assert self.account is not None
        return self.account

    def decide(self, command: Command) -> Events:
        """What the command would lead to now. Raises a Refusal."""
        return decide(command, self.account, self.now, self.past_of(command))

    def past_of(self, command: Command) -> RelatedEvents:
        """The events that `decide` asks for, looked up until nothing more is asked for."""
        if self._index.events is not self.events:  # a test took some back
            self._index = EventIndex(self.events)
        known, found = NO_RELATED_EVENTS, self._index.about(needed_subjects(command, self.account, NO_RELATED_EVENTS))
        while found != known:
            known, found = found, self._index.about(needed_subjects(command, self.account, found))
        return known

    def carry_out(self, command: Command) -> Events:
        """Decide, and append. Raises a Refusal, and is as it was then."""
        decided = self.decide(command)
        self.account = fold(decided, self.account)
        self.events.extend(decided)
        return decided

    def attempt(self, command: Command) -> Events | Refusal:
        """Carry out, and answer a refusal in place of raising it. What was asked, and when, is kept."""
        told = self._told(command)
        self.asked.append(Asked(self.now, command, told))
        return told

    def _told(self, command: Command) -> Events | Refusal:
        try:
            return self.carry_out(command)
        except Refusal as refusal:
            return refusal

    def settled(self, at: datetime) -> Account:
        """The account as it stands at a moment that is not before its last event, if no command comes until then."""
        return apply_due_expiries(self.opened, max(at, self.opened.recorded_at))[1]
