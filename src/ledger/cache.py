"""The state cache: accounts as they were at their newest known version. Bounded, and free to forget anything.

A state in it may be old when another process writes; whoever uses one checks its version against the log.
"""

from collections import OrderedDict

from ledger.account import Account


class StateCache:
    """At most `limit` accounts; the least recently used goes first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._accounts: OrderedDict[str, Account] = OrderedDict()

    def __len__(self) -> int:
        return len(self._accounts)

    def get(self, account_id: str) -> Account | None:
        """The state of an account, if it is remembered."""
        account = self._accounts.get(account_id)
        if account is not None:
            self._accounts.move_to_end(account_id)
        return account

    def put(self, account: Account) -> None:
        """Remember a state."""
        self._accounts[account.account_id] = account
        self._accounts.move_to_end(account.account_id)
        if len(self._accounts) > self._limit:
            self._accounts.popitem(last=False)

    def forget(self, account_id: str) -> None:
        """Drop what is remembered of an account."""
        self._accounts.pop(account_id, None)
