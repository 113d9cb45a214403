"""Account queues: one for each account that has commands in flight."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from ledger.commit.state_cache import StateCache
from ledger.commit.submission import AccountQueue, Submission
from ledger.domain.decisions.expiry import has_many_due
from ledger.domain.related_events import NO_RELATED_EVENTS, needed_subjects
from ledger.store.stream_heads import account_of, is_large, needs_digest

QueueSet = dict[AccountQueue, None]
"""Account queues in order; the values are unused."""


class AccountQueues:
    """All open queues. A queue gets its state from the cache when it opens, and puts it back when it closes."""

    def __init__(self, cache: StateCache) -> None:
        self._cache = cache
        self._queues: dict[str, AccountQueue] = {}

    def __iter__(self) -> Iterator[AccountQueue]:
        return iter(self._queues.values())

    def find(self, account_id: str) -> AccountQueue | None:
        """The queue of an account, if it is open."""
        return self._queues.get(account_id)

    def open(self, account_id: str) -> AccountQueue:
        """Open the queue of an account, with the stream head from the cache if the cache has it."""
        queue = self._queues[account_id] = AccountQueue(account_id, self._cache.get(account_id))
        return queue

    def close_if_idle(self, queue: AccountQueue) -> None:
        """Close a queue that has no commands in flight, and put its committed state into the cache."""
        if queue.blocks or queue.in_batches or queue.waiting or self._queues.get(queue.account_id) is not queue:
            return
        del self._queues[queue.account_id]
        if queue.committed is not None:
            self._cache.put(queue.committed)

    def put_back(self, queues: QueueSet, submissions: Iterable[Submission]) -> list[Submission]:
        """Let submissions wait in their queues again, before those that came later. `queues` are blocked.

        It returns those whose queues were dropped, because the database was lost.
        """
        waiting: dict[AccountQueue, list[Submission]] = {}
        dropped = []
        for submission in submissions:
            queue = self._queues.get(submission.account_id)
            if queue is None or queue not in queues:
                dropped.append(submission)
            else:
                waiting.setdefault(queue, []).append(submission)
        for queue, theirs in waiting.items():
            queue.waiting.extendleft(reversed(theirs))
        return dropped

    def detach(self, submissions: Iterable[Submission]) -> None:
        """Take submissions off their queues, because their outcome comes from somewhere else."""
        for submission in submissions:
            queue = submission.queue
            assert queue is not None
            queue.in_batches -= 1
            release_key(queue, submission)
            self.close_if_idle(queue)

    def discard_state(self, queue: AccountQueue) -> None:
        """Discard the state of a queue's account, here and in the cache."""
        queue.head = queue.committed = None
        self._cache.remove(queue.account_id)

    def clear(self) -> list[Submission]:
        """Drop all queues, and return the submissions that waited in them."""
        waiting: list[Submission] = []
        for queue in self._queues.values():
            waiting += queue.waiting
            queue.waiting.clear()
        self._queues = {}
        return waiting


def needs_locked_lane(queue: AccountQueue, submission: Submission, clock: Callable[[], datetime]) -> bool:
    """Whether a command needs earlier events, which only the log has, or takes so long that it has to give way."""
    account = account_of(queue.head)
    if needed_subjects(submission.command, account, NO_RELATED_EVENTS):
        return True
    if account is None or not is_large(account):
        return False
    return has_many_due(account, clock()) or needs_digest(queue.head, account)


def queues_of(submissions: Iterable[Submission]) -> QueueSet:
    """The queues of submissions."""
    return {submission.queue: None for submission in submissions if submission.queue is not None}


def release_key(queue: AccountQueue, submission: Submission) -> None:
    """Let no later submission with the same key follow this one."""
    receipt = submission.receipt
    if receipt is not None and queue.keys.get(receipt) is submission:
        del queue.keys[receipt]
