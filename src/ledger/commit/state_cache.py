"""The state cache: the tips of accounts as they were when last heard of. Bounded, and free to forget anything.

A state in it may be old when another process writes; whoever uses one checks its version against the log.
"""

from collections import OrderedDict

from ledger.store.stream_heads import Tip


class StateCache:
    """At most `limit` accounts; the least recently used goes first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._accounts: OrderedDict[str, Tip] = OrderedDict()

    def __len__(self) -> int:
        return len(self._accounts)

    def get(self, account_id: str) -> Tip | None:
        """The tip of an account, if it is remembered."""
        tip = self._accounts.get(account_id)
        if tip is not None:
            self._accounts.move_to_end(account_id)
        return tip

    def put(self, tip: Tip) -> None:
        """Remember a tip."""
        account_id = tip.account.account_id
        self._accounts[account_id] = tip
        self._accounts.move_to_end(account_id)
        if len(self._accounts) > self._limit:
            self._accounts.popitem(last=False)

    def forget(self, account_id: str) -> None:
        """Drop what is remembered of an account."""
        self._accounts.pop(account_id, None)
