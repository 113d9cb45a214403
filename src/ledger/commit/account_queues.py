"""Account queues: the accounts for which commands are in flight."""

from collections.abc import Iterator

from ledger.commit.state_cache import StateCache
from ledger.commit.submission import AccountQueue


class AccountQueues:
    """All queues, and the cache that they come from and go back to."""

    def __init__(self, cache: StateCache) -> None:
        self._cache = cache
        self._queues: dict[str, AccountQueue] = {}

    def __iter__(self) -> Iterator[AccountQueue]:
        return iter(self._queues.values())

    def find(self, account_id: str) -> AccountQueue | None:
        """The queue of an account, if it is open."""
        return self._queues.get(account_id)

    def open(self, account_id: str) -> AccountQueue:
        """A new queue with the head that is remembered."""
        queue = self._queues[account_id] = AccountQueue(account_id, self._cache.get(account_id))
        return queue

    def leave(self, queue: AccountQueue) -> None:
        """Close a queue at which nothing is in flight any more; what it knows goes to the cache."""
        if queue.blocks or queue.in_batches or queue.waiting or self._queues.get(queue.account_id) is not queue:
            return
        del self._queues[queue.account_id]
        if queue.committed is not None:
            self._cache.put(queue.committed)

    def forget(self, queue: AccountQueue) -> None:
        """Believe nothing of what is remembered of a queue's account."""
        queue.head = queue.committed = None
        self._cache.forget(queue.account_id)

    def clear(self) -> None:
        """Begin anew."""
        self._queues = {}
