"""Compares kept snapshots with what the events of their accounts add up to, for whoever folds those events anyway."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from ledger.domain.account import Account
from ledger.store.reader import SQL, Connection
from ledger.store.records.codec import SNAPSHOT_TOPIC, encode_snapshot
from ledger.store.snapshots import state_digest


class FalseSnapshot(NamedTuple):
    """A snapshot that differs from the events, and the two digests; `expected` is None when it has no event."""

    account_id: str
    version: int
    expected: str | None
    found: str


class KeptSnapshots:
    """The snapshots of some accounts, in the format that this program reads."""

    def __init__(self, states: dict[tuple[str, int], bytes]) -> None:
        self._states = states
        self.false: list[FalseSnapshot] = []
        """Those that differ from what `compare` was given."""

    @classmethod
    async def of(cls, connection: Connection, accounts: Sequence[str]) -> "KeptSnapshots":
        """Read the snapshots of some accounts."""
        found = await _rows(connection, "kept_snapshots", accounts=list(accounts), snapshot=SNAPSHOT_TOPIC)
        return cls({(account, version): state for account, version, state in found})

    def compare(self, account: Account) -> None:
        """Compare the snapshot at an account's version, if there is one, with the account folded from its events."""
        place = account.account_id, account.version
        state = self._states.pop(place, None)
        if state is not None and state != (expected := encode_snapshot(account)):
            self.false.append(FalseSnapshot(*place, state_digest(expected), state_digest(state)))

    def left(self) -> list[FalseSnapshot]:
        """The snapshots that were not compared."""
        return [FalseSnapshot(*place, None, state_digest(state)) for place, state in self._states.items()]


async def accounts_with_snapshots(connection: Connection, after: str, limit: int) -> list[str]:
    """A page of the accounts above `after` that have snapshots, sorted."""
    found = await _rows(connection, "accounts_with_snapshots", after=after, snapshot=SNAPSHOT_TOPIC, limit=limit)
    return [account for (account,) in found]


async def _rows(connection: Connection, name: str, **parameters: Any) -> list[Any]:
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(SQL[name], parameters)
        return await cursor.fetchall()
