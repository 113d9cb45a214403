"""Texts for those who may read them: tokens are opened where an answer is made, and nowhere else.

A text whose key was destroyed is null. Rows without tokens cost nothing: then no key is asked for.
"""

from collections.abc import Collection, Sequence
from typing import Any

import orjson

from ledger.service import Ledger
from ledger.store.log import StoredRow
from ledger.store.sealing import unseal
from ledger.texts import SEALED

_TEXTS = ("description", "metadata", "reason")
_TOKEN = f'"{SEALED}'.encode()


async def with_descriptions(ledger: Ledger, account_id: str, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of one account with their descriptions as they were written."""
    sealed = any((row["description"] or "").startswith(SEALED) for row in rows)
    key = (await _keys(ledger, [account_id])).get(account_id) if sealed else None
    return [row | {"description": unseal(key, account_id, row["description"])} for row in rows]


async def readable_data(ledger: Ledger, rows: Sequence[StoredRow]) -> list[dict[str, Any]]:
    """The states of some events, read, with their texts as they were written; `erased` names those that are gone."""
    keys = await _keys(ledger, {row.account_id for row in rows if _TOKEN in row.state})
    return [_readable(row, keys.get(row.account_id)) for row in rows]


def _readable(row: StoredRow, key: bytes | None) -> dict[str, Any]:
    state: dict[str, Any] = orjson.loads(row.state)
    data = state["data"]
    erased = []
    for name in _TEXTS:
        if name in data:
            data[name] = unseal(key, row.account_id, data[name])
            if data[name] is None:
                erased.append(name)
                del data[name]
    return state | {"erased": erased} if erased else state


async def _keys(ledger: Ledger, accounts: Collection[str]) -> dict[str, bytes]:
    if not accounts:
        return {}
    async with ledger.log.reader() as reader:
        return await reader.text_keys(accounts)
