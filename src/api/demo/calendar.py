"""Who acts when: habits that take turns, and the sweeper that notices what has expired.

A habit is a generator. It yields the moment at which it wants to go on, and is resumed at that moment, when everything
before it has happened; so it may look at the balance and decide.
"""

from collections.abc import Generator, Iterator
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from random import Random

from api.demo.books import EXPIRE, Books, Wish
from ledger.domain.commands import RecordExpiries
from ledger.domain.events import Events

Habit = Generator[datetime, None, None]

_LOOKS_EVERY = 1.0
"""Seconds, as the sweeper of a service."""
_SWEEPER = "sweeper"


class Calendar:
    """The course of a plan from its first moment on."""

    def __init__(self, begins: datetime, chance: Random) -> None:
        self.now = begins
        self.chance = chance
        self.books = Books()
        self._diary: list[tuple[datetime, int, Habit]] = []
        self._numbers = count()
        self._wished: list[Wish] = []
        self._due: dict[str, datetime] = {}
        """When the sweeper will next look at an account."""

    def follow(self, habit: Habit) -> None:
        """Let a habit go on at the moment that it names next, or end."""
        moment = next(habit, None)
        if moment is not None:
            heappush(self._diary, (max(moment, self.now), next(self._numbers), habit))

    def run(self, until: datetime) -> Iterator[Wish]:
        """All that is wished for, in the order of time. Raises Surprise."""
        yield from self._take()
        while self._diary and self._diary[0][0] <= until:
            self.now, _, habit = heappop(self._diary)
            self.follow(habit)
            yield from self._take()

    def _take(self) -> list[Wish]:
        wished, self._wished = self._wished, []
        return wished

    def wish(self, wish: Wish) -> Events:
        """Put a wish into the plan; returns what comes of it. Raises Surprise."""
        wish, events = self.books.enter(wish)
        self._wished.append(wish)
        if events:
            self._watch(wish.account_id)
        return events

    def _watch(self, account_id: str) -> None:
        """See to it that the sweeper comes when time next takes something from an account."""
        due, watched = self.books.account(account_id).due_at, self._due.get(account_id)
        if due is not None and (watched is None or due < watched):
            self._due[account_id] = due
            self.follow(self._sweep(account_id, due))

    def _sweep(self, account_id: str, due: datetime) -> Habit:
        yield due + timedelta(seconds=self.chance.random() * _LOOKS_EVERY)
        if self._due.get(account_id) == due:
            del self._due[account_id]
        if self.books.account(account_id).is_due(self.now):
            self.wish(Wish(self.now, _SWEEPER, EXPIRE, RecordExpiries(account_id)))
        else:
            self._watch(account_id)
