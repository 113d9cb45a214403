"""A journal: one account's stream and a clock, as plain as a store can be.

It keeps every event in a list, passes `decide` the events that `needed_subjects` asks for, and appends the result.
Nothing is cached, so whatever a test finds here is a matter of the rules alone.
"""

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


class Journal:
    """The events of one account, the state after them, and the time that it is."""

    def __init__(self) -> None:
        self.events: list[Event] = []
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
        related = past_of(self.events, command, self.account)
        return decide(command, self.account, self.now, related)

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


def past_of(events: list[Event], command: Command, account: Account | None) -> RelatedEvents:
    """The events that `decide` asks for, looked up until nothing more is asked for."""
    known, found = NO_RELATED_EVENTS, related_events_about(events, needed_subjects(command, account, NO_RELATED_EVENTS))
    while found != known:
        known, found = found, related_events_about(events, needed_subjects(command, account, found))
    return known


def related_events_about(events: list[Event], names: frozenset[str]) -> RelatedEvents:
    """The events about the named things, in stream order."""
    if not names:
        return NO_RELATED_EVENTS
    return RelatedEvents(tuple(e for e in events if names_of(e) & names))
