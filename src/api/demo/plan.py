"""The plan of a demo: what is asked of the ledger at which moment, and what comes of it by the ledger's own rules.

So the plan knows the ids that the ledger will give, asks for nothing that is refused unless that is meant, and stops
when a rule changes. Nothing here has been done yet; filling.py does it.
"""

from collections import defaultdict
from collections.abc import Generator, Iterator
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import NamedTuple

from ledger.domain.account import Account, fold
from ledger.domain.commands import Command, ReceiveCredits, RecordExpiries
from ledger.domain.decisions.decider import decide
from ledger.domain.decisions.moving import received_by
from ledger.domain.errors import InsufficientCredits, LimitReached, Refusal, StandingRefusal
from ledger.domain.events import CreditsSent, Event, Events, Granted
from ledger.domain.related_events import NO_RELATED_EVENTS, RelatedEvents, needed_subjects
from ledger.store import Metadata

_SWEEPER = Metadata("sweeper", "expire", None, "sweep")

_FOUND_OUT = InsufficientCredits | LimitReached | StandingRefusal
"""Refusals that customers find out by asking."""

Activity = Generator[datetime, None, None]
"""Yields the moment at which it continues, and then finds the accounts as everything before has left them."""


class PlannedCommand(NamedTuple):
    """One command, and what comes of it."""

    moment: datetime
    metadata: Metadata
    command: Command
    fingerprint: bytes = b""
    refusal: str | None = None
    """The code with which it is refused; None when it is carried out."""
    version: int = 0
    """The account's version afterwards."""
    moves: bool = False
    """Whether it is a half of a move. Both halves are carried out together, the second right behind the first."""

    @property
    def account_id(self) -> str:
        """Whose account it is about."""
        return self.command.account_id


class PlanMismatch(Exception):
    """The ledger does not answer as the plan says; the message names the command."""


class Plan:
    """Activities in the order of their moments, and the accounts that they change."""

    def __init__(self, begins: datetime, ends: datetime, rng: Random) -> None:
        self.begins, self.now, self.ends, self.rng = begins, begins, ends, rng
        self._activities: list[tuple[datetime, int, Activity]] = []
        self._numbers = count()
        self._commands: list[PlannedCommand] = []
        self._accounts: dict[str, Account] = {}
        self._streams: defaultdict[str, list[Event]] = defaultdict(list)
        self._watched: dict[str, datetime] = {}

    def moment(self, share: float) -> datetime:
        """When that share of the plan's time is over."""
        return self.begins + (self.ends - self.begins) * share

    def follow(self, activity: Activity) -> None:
        """Let an activity continue at the moment that it names. One that a frozen or closed account refuses ends."""
        try:
            moment = max(next(activity), self.now)
        except (StopIteration, StandingRefusal):
            return
        heappush(self._activities, (moment, next(self._numbers), activity))

    def commands(self) -> Iterator[PlannedCommand]:
        """Everything that is asked for, in the order of time. Raises PlanMismatch."""
        while self._activities and self._activities[0][0] <= self.ends:
            self.now, _, activity = heappop(self._activities)
            self.follow(activity)
            yield from self._commands
            self._commands.clear()

    def ask(self, planned: PlannedCommand) -> Events:
        """Add a command to the plan; returns what comes of it. Raises PlanMismatch.

        Too few credits, a limit that is reached, or an account that is frozen or closed, where that is not meant: the
        command is left out, and the refusal is raised.
        """
        account, events, refused = self._accounts.get(planned.account_id), Events(), None
        try:
            events = self._decide(planned, account)
        except Refusal as refusal:
            refused = refusal.code
            if refused != planned.refusal and isinstance(refusal, _FOUND_OUT):
                raise
        account = fold(events, account)
        if refused != planned.refusal or account is None:
            raise PlanMismatch(f"{refused or 'no refusal'} is what comes of {planned}")
        self._accounts[account.account_id] = account
        self._streams[account.account_id] += events
        self._commands.append(planned._replace(version=account.version))
        self._watch(account)
        return events

    def _decide(self, planned: PlannedCommand, account: Account | None) -> Events:
        command = planned.command
        if isinstance(command, ReceiveCredits):
            command = self._received(command)
        needs = needed_subjects(command, account, NO_RELATED_EVENTS)
        related = RelatedEvents(tuple(self._streams[planned.account_id])) if needs else NO_RELATED_EVENTS
        return decide(command, account, planned.moment, related)

    def _received(self, command: ReceiveCredits) -> ReceiveCredits:
        """The second half of a move, with what the newest transfer of the sender sent. No merge here needs several."""
        stream = self._streams[command.from_account_id]
        sent = next(event for event in reversed(stream) if isinstance(event, CreditsSent))
        return received_by(command, [sent], {event.grant_id: event for event in stream if isinstance(event, Granted)})

    def _watch(self, account: Account) -> None:
        """See to it that the sweeper comes when time next takes something from the account."""
        due = account.due_at
        if due is not None and due != self._watched.get(account.account_id):
            self._watched[account.account_id] = due
            self.follow(self._sweep(account.account_id, due))

    def _sweep(self, account_id: str, due: datetime) -> Activity:
        """The sweeper of a service looks once a second."""
        yield due + timedelta(seconds=self.rng.random())
        if self._accounts[account_id].is_due(self.now):
            self.ask(PlannedCommand(self.now, _SWEEPER, RecordExpiries(account_id)))
