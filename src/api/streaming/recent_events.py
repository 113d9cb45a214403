"""The recent events of the log, each as the server-sent event that streams send.

Each event is encoded once for all streams. A message contains no text that callers wrote except their ids.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

import orjson

from api.contract.answers.events import EventNotice
from ledger.explain.balance_answer import balance_fields
from ledger.store import Logged


class EventMessage(NamedTuple):
    """One event, encoded as a server-sent event whose id is the position."""

    position: int
    account_id: str
    version: int
    text: bytes


def message_of(logged: Logged) -> EventMessage:
    """Encode an event: its type, and the balance of the account after it."""
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
    return EventMessage(position, account_id, version, server_sent(position, name, data))


def server_sent(position: int, name: str, data: Mapping[str, object]) -> bytes:
    """Encode a server-sent event. The JSON has no line breaks, so the data is one line."""
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (position, name.encode(), orjson.dumps(data, option=orjson.OPT_UTC_Z))


class RecentEvents:
    """Holds at least the newest `size` events after the position where it began, and at most twice as many."""

    def __init__(self, begin: int, size: int) -> None:
        self.floor = begin
        """Every event after this position up to `end` is held."""
        self.end = begin
        self._size = size
        self._messages: list[EventMessage] = []
        self._by_account: dict[str, list[EventMessage]] = {}

    def append(self, messages: Sequence[EventMessage]) -> None:
        """Add the next events of the log."""
        for one in messages:
            self._messages.append(one)
            self._by_account.setdefault(one.account_id, []).append(one)
            self.end = one.position
        if len(self._messages) > 2 * self._size:  # rarely, and many at once, so that dropping is cheap
            self._drop(len(self._messages) - self._size)

    def _drop(self, count: int) -> None:
        dropped, self._messages = self._messages[:count], self._messages[count:]
        self.floor = dropped[-1].position
        for account_id, count in Counter(one.account_id for one in dropped).items():
            rest = self._by_account.pop(account_id)[count:]
            if rest:
                self._by_account[account_id] = rest

    def after(self, position: int, limit: int) -> list[EventMessage] | None:
        """The events after a position; None if older events are needed than those held."""
        if position < self.floor:
            return None
        start = bisect_right(self._messages, position, key=attrgetter("position"))
        return self._messages[start : start + limit]

    def of(self, account_id: str, version: int, limit: int) -> list[EventMessage] | None:
        """The events of an account after a version; None if they may not all be held. Versions are consecutive."""
        messages = self._by_account.get(account_id)
        if messages is None or messages[0].version > version + 1:
            return None
        start = version + 1 - messages[0].version
        return messages[start : start + limit]
