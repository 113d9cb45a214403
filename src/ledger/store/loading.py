"""Folds the rows of the statement `load` into stream heads."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ledger.slices import Slices
from ledger.store.codec import evolve_stored
from ledger.store.stream_heads import StreamHead, account_of, hash_of


class Loaded(NamedTuple):
    """The head of an account (None: it does not exist), the number of rows folded, and whether there may be more."""

    head: StreamHead | None
    folded: int
    behind: bool


def known_accounts(heads: Mapping[str, StreamHead | None]) -> dict[str, Any]:
    """The known heads of accounts, as parameters of the statement `load`."""
    return {
        "accounts": list(heads),
        "known": [head.account.version if head else 0 for head in heads.values()],
        "hashes": [hash_of(head) for head in heads.values()],
    }


async def fold_rows(rows: Sequence[Any], known: Mapping[str, StreamHead | None], page: int) -> dict[str, Loaded]:
    """Fold rows into heads, starting from the known ones. An account with `page` rows may have more."""
    heads, counts = dict(known), dict.fromkeys(known, 0)
    work = Slices()
    for row in rows:
        if not row.stands and not counts[row.account]:
            heads[row.account] = None
        if row.version is not None:
            account = evolve_stored(account_of(heads[row.account]), row.topic, bytes(row.state))
            heads[row.account] = StreamHead(account, row.hash, row.key)
            counts[row.account] += 1
        if work.over:
            await work.pause()
    return {name: Loaded(head, counts[name], counts[name] >= page) for name, head in heads.items()}
