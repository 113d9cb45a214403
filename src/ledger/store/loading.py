"""Folds the rows of the statements `load` and `load_at` into stream heads.

Nothing is folded that is not proven: an event counts only if its hash continues the chain of its account, and a
snapshot only if its event proves it (snapshots.py).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ledger.domain.account import evolve
from ledger.slices import Slices, Steps, in_slices
from ledger.store.records.chain import UnreadableEvent, check_link
from ledger.store.records.codec import decode_event, snapshot_encoding
from ledger.store.snapshots import Snapshot, believed, digest_in, state_digest
from ledger.store.stream_heads import StreamHead, account_of, hash_of, version_of


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


async def fold_rows(rows: Sequence[Any], known: Mapping[str, StreamHead | None], page: int) -> Pages:
    """Fold rows into heads, starting from the known ones. An account with `page` rows may have more."""
    found = {name: Loaded(head) for name, head in known.items()}
    doubted: list[str] = []
    work = Slices()
    for row in rows:
        name, before = row.account, found[row.account]
        if not row.stands and not before.folded:
            before = before._replace(head=None)
        if row.version is not None and before.problem is None and name not in doubted:
            if row.snapshot is None:
                before = await in_slices(_followed(name, row, before), work)
            elif (account := await in_slices(believed(name, row), work)) is not None:
                before = before._replace(head=StreamHead(account, row.hash, row.key, row.version))
            else:
                doubted.append(name)
            before = before._replace(folded=before.folded + 1, position=row.position)
        found[name] = before
        if work.over:
            await work.pause()
    loaded = {name: one._replace(behind=one.folded >= page and not one.problem) for name, one in found.items()}
    return Pages({name: one for name, one in loaded.items() if name not in doubted}, doubted)


def _followed(account_id: str, row: Any, before: Loaded) -> Steps[Loaded]:
    version = version_of(before.head) + 1
    try:
        check_link(account_id, row, hash_of(before.head), version)
        account = evolve(account_of(before.head), decode_event(row.topic, row.state))
    except Exception as problem:  # damaged bytes may fail in any way
        return before._replace(problem=UnreadableEvent(row.position, account_id, problem))
    proven = before.head.proven if before.head is not None else 0
    provable = before.provable
    digest = digest_in(row.state)
    if digest is not None:
        state = yield from snapshot_encoding(account)
        if digest == state_digest(state):
            proven, provable = version, Snapshot(account_id, version, state, row.hash)
    return before._replace(head=StreamHead(account, row.hash, row.key, proven), provable=provable)
