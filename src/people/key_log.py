"""The log of API keys: who made, changed, rotated and revoked them. Each entry has the hash of the one before it.

The functions of sql/0003_key_log.sql and sql/0009_keys.sql write it. `read_key_log` verifies it, and compares the keys
with it, so that a key that was changed in its table is found. The log does not say when a key was used: that is no
administration.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

import orjson
import psycopg

from ledger.postgres.named_sql import queries

GENESIS = bytes(32)
"""The hash before the first entry."""
SQL = queries("people", "sql/key_log.sql")
_ADMINISTERED = ("prefix", "sha256", "name", "scopes", "created_at", "expires_at", "revoked_at")
_SINCE_ACCOUNTS = ("account_id", "member", "made_by", "rate_per_minute", "disabled_at", "replaces")
"""What keys have had since accounts have keys too; nothing before."""
_TIMES = frozenset({"created_at", "expires_at", "revoked_at", "disabled_at"})
_COMPARED = (*_ADMINISTERED, "key_id", *_SINCE_ACCOUNTS)


class KeyLog(NamedTuple):
    """What the log has: the number of its entries, the hash of the last one, and what is wrong, one sentence each."""

    entries: int
    hash: bytes
    faults: tuple[str, ...]


Key = dict[str, Any]
"""What an entry, or a row of the keys, says about a key: the values of _COMPARED."""


async def read_key_log(connection: psycopg.AsyncConnection[Any]) -> KeyLog | None:
    """Verify the log of API keys and the keys; None when the database is of a version that has no such log."""
    if await (await connection.execute(SQL["exists"])).fetchone() != (True,):
        return None
    row = await (await connection.execute(SQL["both"])).fetchone()
    assert row is not None
    return judged(*row)


def judged(entries: Sequence[dict[str, Any]], keys: Sequence[Key]) -> KeyLog:
    """Verify entries, the first one first, and compare keys with them; both are what the statement `both` returns."""
    last, logged = GENESIS, dict[str, Key]()
    for count, row in enumerate(entries, 1):
        last = sha256(last + row["entry"].encode()).digest()
        if row["number"] != count:
            return KeyLog(count, last, (f"the log of API keys has no entry {count}",))
        if row["hash"] != last.hex():
            return KeyLog(count, last, (f"entry {count} of the log of API keys does not continue the one before it",))
        key = _read(orjson.loads(row["entry"])["key"])
        logged[key["prefix"]] = key
    return KeyLog(len(entries), last, tuple(_differences(logged, {key["prefix"]: _read(key) for key in keys})))


def _read(key: Key) -> Key:
    """A key in JSON, with the types of Python."""
    found = dict.fromkeys(_SINCE_ACCOUNTS) | {"key_id": key["prefix"]} | key
    values = {name: _time(found[name]) if name in _TIMES else found[name] for name in _COMPARED}
    return values | {"sha256": bytes.fromhex(key["sha256"])}


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _differences(logged: dict[str, Key], keys: dict[str, Key]) -> Iterable[str]:
    for prefix in sorted(logged.keys() - keys.keys()):
        yield f"the API key {prefix} is in the log of API keys, and there is no such key"
    for prefix in sorted(keys.keys() - logged.keys()):
        yield f"the API key {prefix} is not in the log of API keys"
    for prefix in sorted(keys.keys() & logged.keys()):
        for name in _COMPARED:
            expected, found = logged[prefix][name], keys[prefix][name]
            if found != expected:
                was, now = _shown(expected), _shown(found)
                yield f"the API key {prefix} differs from the log of API keys: its {name} was {was}, and is {now}"


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return ", ".join(value) if isinstance(value, list) else str(value)
