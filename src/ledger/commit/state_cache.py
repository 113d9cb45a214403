"""The state cache: the last known stream heads of accounts. Its size is bounded, and it may drop any entry.

A state may be outdated when another process writes; its user must check its version against the log.
"""

from collections import OrderedDict

from ledger.store.stream_heads import StreamHead


class StateCache:
    """At most `limit` accounts; when it is full, it drops the least recently used one."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._accounts: OrderedDict[str, StreamHead] = OrderedDict()

    def __len__(self) -> int:
        return len(self._accounts)

    def get(self, account_id: str) -> StreamHead | None:
        """The stream head of an account; None when the cache does not have it."""
        head = self._accounts.get(account_id)
        if head is not None:
            self._accounts.move_to_end(account_id)
        return head

    def put(self, head: StreamHead) -> None:
        """Store a stream head."""
        account_id = head.account.account_id
        self._accounts[account_id] = head
        self._accounts.move_to_end(account_id)
        if len(self._accounts) > self._limit:
            self._accounts.popitem(last=False)

    def remove(self, account_id: str) -> None:
        """Remove an account."""
        self._accounts.pop(account_id, None)
