"""The state cache: the heads of accounts as they were when last heard of. Bounded, and free to forget anything.

A state in it may be old when another process writes; whoever uses one checks its version against the log.
"""

from collections import OrderedDict

from ledger.store.stream_heads import StreamHead


class StateCache:
    """At most `limit` accounts; the least recently used goes first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._accounts: OrderedDict[str, StreamHead] = OrderedDict()

    def __len__(self) -> int:
        return len(self._accounts)

    def get(self, account_id: str) -> StreamHead | None:
        """The head of an account, if it is remembered."""
        head = self._accounts.get(account_id)
        if head is not None:
            self._accounts.move_to_end(account_id)
        return head

    def put(self, head: StreamHead) -> None:
        """Remember a head."""
        account_id = head.account.account_id
        self._accounts[account_id] = head
        self._accounts.move_to_end(account_id)
        if len(self._accounts) > self._limit:
            self._accounts.popitem(last=False)

    def forget(self, account_id: str) -> None:
        """Drop what is remembered of an account."""
        self._accounts.pop(account_id, None)
