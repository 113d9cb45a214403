"""Desks: the accounts for which commands are in flight."""

from collections import deque
from collections.abc import Iterator

from ledger.commit.state_cache import StateCache
from ledger.commit.submission import Submission
from ledger.store.stream_heads import Tip


class Desk:
    """One account while commands for it are in flight.

    `tip` is where its stream ends after everything decided so far, `committed` after everything that is in the log.
    While `blocks` is not 0 new submissions wait: the state is being loaded or a unit is under way.
    """

    __slots__ = ("account_id", "blocks", "committed", "in_batches", "keys", "tip", "waiting")

    def __init__(self, account_id: str, tip: Tip | None) -> None:
        self.account_id = account_id
        self.tip = tip
        self.committed = tip
        self.blocks = 0
        self.in_batches = 0
        self.keys: dict[str, Submission] = {}
        """Submissions in batches by their receipts, for those that come with the same key meanwhile."""
        self.waiting: deque[Submission] = deque()


class Desks:
    """All desks, and the cache that they come from and go back to."""

    def __init__(self, cache: StateCache) -> None:
        self._cache = cache
        self._desks: dict[str, Desk] = {}

    def __iter__(self) -> Iterator[Desk]:
        return iter(self._desks.values())

    def find(self, account_id: str) -> Desk | None:
        """The desk of an account, if it is open."""
        return self._desks.get(account_id)

    def open(self, account_id: str) -> Desk:
        """A new desk with the tip that is remembered."""
        desk = self._desks[account_id] = Desk(account_id, self._cache.get(account_id))
        return desk

    def leave(self, desk: Desk) -> None:
        """Close a desk at which nothing is in flight any more; what it knows goes to the cache."""
        if desk.blocks or desk.in_batches or desk.waiting or self._desks.get(desk.account_id) is not desk:
            return
        del self._desks[desk.account_id]
        if desk.committed is not None:
            self._cache.put(desk.committed)

    def forget(self, desk: Desk) -> None:
        """Believe nothing of what is remembered of a desk's account."""
        desk.tip = desk.committed = None
        self._cache.forget(desk.account_id)

    def clear(self) -> None:
        """Begin anew."""
        self._desks = {}
