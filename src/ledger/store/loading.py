"""Folds the rows of the statements `load` and `load_at` into stream heads.

Nothing is folded that is not proven: an event counts only if its hash continues the chain of its account, and a
snapshot only if its event proves it (snapshots.py).
"""

from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from ledger.domain.account import evolve
from ledger.slices import Slices, in_slices
from ledger.store.records.chain import UnreadableEvent, check_link
from ledger.store.records.codec import decode_event, snapshot_encoding
from ledger.store.snapshots import Snapshot, believed, digest_in, state_digest
from ledger.store.stream_heads import StreamHead, account_of, hash_of, key_of, version_of


class Loaded(NamedTuple):
    """What was loaded of an account.

    `head` is its end (None: it does not exist), `folded` the number of rows folded, `behind` whether there may be more.
    `provable` is the newest state among those that were folded of which a snapshot can be kept. `problem` is the event
    at which loading ended early. `position` is that of the last row folded.
    """

    head: StreamHead | None
    folded: int = 0
    behind: bool = False
    provable: Snapshot | None = None
    problem: UnreadableEvent | None = None
    position: int = 0

    def after(self, more: "Loaded") -> "Loaded":
        """This, continued with the next page of the same account."""
        return more._replace(
            folded=self.folded + more.folded,
            provable=more.provable or self.provable,
            position=more.position or self.position,
        )


class Pages(NamedTuple):
    """Accounts as far as they were loaded, and those whose snapshot is not believed, of which nothing was loaded."""

    loaded: dict[str, Loaded]
    doubted: list[str]


def known_accounts(heads: Mapping[str, StreamHead | None]) -> dict[str, Any]:
    """The parameters of the statement `load` that name accounts and the versions that are known of them."""
    return {
        "accounts": list(heads),
        "known": [version_of(head) for head in heads.values()],
        "hashes": [hash_of(head) for head in heads.values()],
    }


async def fold_rows(rows: Iterable[Any], known: Mapping[str, StreamHead | None], page: int) -> Pages:
    """Fold rows, sorted by account and version, into heads, starting from the known ones.

    An account with `page` rows may have more.
    """
    loaded = {name: Loaded(head) for name, head in known.items()}
    doubted: list[str] = []
    work = Slices()
    for name, of_account in groupby(rows, attrgetter("account")):
        folding = _Folding(name, known[name])
        if await folding.fold(of_account, work):
            loaded[name] = folding.result(page)
        else:
            doubted.append(name)
            del loaded[name]
    return Pages(loaded, doubted)


class _Folding:
    """One account while its rows are folded. It makes a stream head at the end, and not for each row."""

    __slots__ = (
        "_account",
        "_folded",
        "_hash",
        "_head",
        "_key",
        "_name",
        "_position",
        "_problem",
        "_provable",
        "_proven",
    )

    def __init__(self, account_id: str, head: StreamHead | None) -> None:
        self._name = account_id
        self._folded = self._position = 0
        self._provable: Snapshot | None = None
        self._problem: UnreadableEvent | None = None
        self._begin(head)

    def _begin(self, head: StreamHead | None) -> None:
        self._head = head
        self._account, self._hash, self._key = account_of(head), hash_of(head), key_of(head)
        self._proven = 0 if head is None else head.proven

    async def fold(self, rows: Iterable[Any], work: Slices) -> bool:
        """Fold rows up to one that cannot be read. Returns False when there is a snapshot that is not believed."""
        for row in rows:
            if not row.stands and not self._folded:
                self._begin(None)
            if row.version is None:
                break
            self._key = row.key
            if row.snapshot is not None:
                if not await self._believe(row, work):
                    return False
            elif not self._follow(row):
                break
            elif (digest := digest_in(row.state)) is not None:
                await self._prove(row, digest, work)
            self._folded += 1
            self._position = row.position
            if work.over:
                await work.pause()
        return True

    def _follow(self, row: Any) -> bool:
        version = 1 if self._account is None else self._account.version + 1
        try:
            check_link(self._name, row, self._hash, version)
            self._account = evolve(self._account, decode_event(row.topic, row.state))
        except Exception as problem:  # damaged bytes may fail in any way
            self._problem = UnreadableEvent(row.position, self._name, problem)
            return False
        self._hash = row.hash
        return True

    async def _prove(self, row: Any, digest: str, work: Slices) -> None:
        assert self._account is not None
        state = await in_slices(snapshot_encoding(self._account), work)
        if digest == state_digest(state):
            self._proven, self._provable = row.version, Snapshot(self._name, row.version, state, row.hash)

    async def _believe(self, row: Any, work: Slices) -> bool:
        self._account = await in_slices(believed(self._name, row), work)
        self._hash, self._proven = row.hash, row.version
        return self._account is not None

    def result(self, page: int) -> Loaded:
        """What was loaded."""
        head = self._head
        if self._folded:
            assert self._account is not None
            head = StreamHead(self._account, self._hash, self._key, self._proven)
        behind = self._folded >= page and self._problem is None
        return Loaded(head, self._folded, behind, self._provable, self._problem, self._position)
