"""One append: the columns that ledger.append takes, and what it answers."""

from typing import Any, NamedTuple


class Appended(NamedTuple):
    """What became of a batch: everything but the excluded accounts was appended from `first_position` on."""

    first_position: int
    stale: frozenset[str]
    """Accounts to which somebody else has written; nothing of theirs was appended."""
    used: frozenset[int]
    """Rows (from 0) whose receipt exists already."""


class Batch:
    """Rows on their way to ledger.append, column by column."""

    __slots__ = ("accounts", "counts", "fingerprints", "receipts", "states", "subjects", "topics", "versions")

    def __init__(self) -> None:
        self.accounts: list[str] = []
        self.versions: list[int] = []
        self.topics: list[str | None] = []
        self.states: list[bytes | None] = []
        self.subjects: list[str | None] = []
        self.receipts: list[str | None] = []
        self.fingerprints: list[bytes | None] = []
        self.counts: list[int | None] = []

    def __len__(self) -> int:
        return len(self.accounts)

    def add_event(self, account_id: str, version: int, topic: str, state: bytes, subject: str | None) -> None:
        """One event; `sign` makes it the last of its command."""
        self.accounts.append(account_id)
        self.versions.append(version)
        self.topics.append(topic)
        self.states.append(state)
        self.subjects.append(subject)
        self.receipts.append(None)
        self.fingerprints.append(None)
        self.counts.append(None)

    def sign(self, receipt: str, fingerprint: bytes, count: int) -> None:
        """Put the receipt of a command on its last event, the newest row."""
        self.receipts[-1] = receipt
        self.fingerprints[-1] = fingerprint
        self.counts[-1] = count

    def add_check(self, account_id: str, version: int, receipt: str | None) -> None:
        """No event: check that the account would be at `version` next and that `receipt` is unused."""
        self.accounts.append(account_id)
        self.versions.append(version)
        self.topics.append(None)
        self.states.append(None)
        self.subjects.append(None)
        self.receipts.append(receipt)
        self.fingerprints.append(None)
        self.counts.append(None)

    def parameters(self) -> dict[str, Any]:
        """The parameters of the statement `append`."""
        return {name: getattr(self, name) for name in self.__slots__}
