"""The tail: the newest events of the log, in the words in which listeners are told of them.

An event is put into words once, however many listen. Nothing that callers wrote freely is told, but for their ids.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

import orjson

from api.contract.event_answers import EventNotice
from ledger.explain.balance_answer import balance_fields
from ledger.store import Logged


class Told(NamedTuple):
    """One event as listeners are told of it: a server-sent event with its position as id."""

    position: int
    account_id: str
    version: int
    text: bytes


def tell(logged: Logged) -> Told:
    """What changed, and where the account stands after it."""
    position, account_id, version, event = logged
    name = type(event).__name__
    data: EventNotice = {
        "position": position,
        "account_id": account_id,
        "version": version,
        "type": name,
        "recorded_at": event.recorded_at,
        "balance": balance_fields(event.balance),
    }
    return Told(position, account_id, version, server_sent(position, name, data))


def server_sent(position: int, name: str, data: Mapping[str, object]) -> bytes:
    """One server-sent event. JSON has no line breaks of its own, so the data is one line."""
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (position, name.encode(), orjson.dumps(data, option=orjson.OPT_UTC_Z))


class Tail:
    """At least the newest `size` events above the position where it began, and at most twice as many."""

    def __init__(self, begin: int, size: int) -> None:
        self.floor = begin
        """Every event above this position, up to `end`, is here."""
        self.end = begin
        self._size = size
        self._told: list[Told] = []
        self._of: dict[str, list[Told]] = {}

    def append(self, told: Sequence[Told]) -> None:
        """What comes next in the log."""
        for one in told:
            self._told.append(one)
            self._of.setdefault(one.account_id, []).append(one)
            self.end = one.position
        if len(self._told) > 2 * self._size:  # seldom and many at once: then forgetting costs next to nothing
            self._forget(len(self._told) - self._size)

    def _forget(self, count: int) -> None:
        gone, self._told = self._told[:count], self._told[count:]
        self.floor = gone[-1].position
        for account_id, lost in Counter(one.account_id for one in gone).items():
            rest = self._of.pop(account_id)[lost:]
            if rest:
                self._of[account_id] = rest

    def after(self, position: int, limit: int) -> list[Told] | None:
        """What came after a position; None when the tail does not reach back so far."""
        if position < self.floor:
            return None
        start = bisect_right(self._told, position, key=attrgetter("position"))
        return self._told[start : start + limit]

    def of(self, account_id: str, version: int, limit: int) -> list[Told] | None:
        """What came after a version of an account; None when the tail cannot know that. Versions have no holes."""
        told = self._of.get(account_id)
        if told is None or told[0].version > version + 1:
            return None
        start = version + 1 - told[0].version
        return told[start : start + limit]
