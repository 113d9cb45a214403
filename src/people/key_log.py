"""The log of API keys: who made, changed, rotated and revoked them. Each entry has the hash of the one before it.

The functions of sql/0003_key_log.sql, sql/0009_keys.sql and sql/0012_uses_and_names.sql write it. `read_key_log`
verifies it, and compares the keys with it, so that a key that was changed in its table is found. The log does not say
when a key was used: that is no administration.

An entry has the SHA-256 of the salted name of a key; the salt goes when the name is erased. Entries of before have the
name. One that lost it does not make its hash any more: it counts if a later entry, `erased`, has its SHA-256.
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
ERASED = "erased"
"""The name of a key whose name is erased."""
_ADMINISTERED = ("prefix", "sha256", "scopes", "created_at", "expires_at", "revoked_at")
_SINCE_ACCOUNTS = ("account_id", "member", "made_by", "rate_per_minute", "disabled_at", "replaces")
"""What keys have had since accounts have keys too; nothing before."""
_TIMES = frozenset({"created_at", "expires_at", "revoked_at", "disabled_at"})
_COMPARED = (*_ADMINISTERED, "key_id", *_SINCE_ACCOUNTS)
_NAMES = ("name_sha256", "name")
"""The forms of the name in an entry: that of now, and that of before."""


class KeyLog(NamedTuple):
    """What the log has: the number of its entries, the hash of the last one, and what is wrong, one sentence each."""

    entries: int
    hash: bytes
    faults: tuple[str, ...]
    redacted: int = 0
    """Entries that lost the name of a key, for which a later one vouches."""


Entry = dict[str, Any]
Key = dict[str, Any]
"""What an entry, or a row of the keys, says about a key: the values of _COMPARED, and its name in some form."""


async def read_key_log(connection: psycopg.AsyncConnection[Any]) -> KeyLog | None:
    """Verify the log of API keys and the keys; None when the database is of a version that has no such log."""
    if await (await connection.execute(SQL["exists"])).fetchone() != (True,):
        return None
    row = await (await connection.execute(SQL["both"])).fetchone()
    assert row is not None
    return judged(*row)


def judged(entries: Sequence[dict[str, Any]], keys: Sequence[Key]) -> KeyLog:
    """Verify entries, the first one first, and compare keys with them; both are what the statement `both` returns."""
    last, others = GENESIS, dict[int, bytes]()
    for count, row in enumerate(entries, 1):
        if row["number"] != count:
            return KeyLog(count, last, (f"the log of API keys has no entry {count}",))
        follows, last = sha256(last + row["entry"].encode()).digest(), bytes.fromhex(row["hash"])
        if follows != last:
            others[count] = follows
    vouched = _vouched(orjson.loads(row["entry"]) for row in entries if row["number"] not in others)
    for count, follows in others.items():
        if vouched.get(str(count)) != sha256(entries[count - 1]["entry"].encode()).hexdigest():
            fault = f"entry {count} of the log of API keys does not continue the one before it"
            return KeyLog(count, follows, (fault,))
    logged = {key["prefix"]: key for key in (_read(orjson.loads(row["entry"])["key"]) for row in entries)}
    faults = _differences(logged, {key["prefix"]: _with_digest(key) for key in keys})
    return KeyLog(len(entries), last, tuple(faults), len(others))


def _vouched(entries: Iterable[Entry]) -> dict[str, str]:
    """The SHA-256 of each entry that lost a name, by its number, as the entries of erasures have it."""
    erasures = [entry for entry in entries if entry["action"] == "erased"]
    return {number: digest for entry in erasures for number, digest in (entry["redacted"] or {}).items()}


def _read(key: Key) -> Key:
    """A key in JSON, with the types of Python."""
    found = dict.fromkeys(_SINCE_ACCOUNTS) | {"key_id": key["prefix"]} | key
    names = {form: key[form] for form in _NAMES if form in key}
    values = {name: _time(found[name]) if name in _TIMES else found[name] for name in _COMPARED}
    return values | names | {"sha256": bytes.fromhex(key["sha256"])}


def _with_digest(key: Key) -> Key:
    """A row of the keys, with its name in both forms."""
    salt, name = key["name_salt"], key["name"]
    if salt is None:
        return _read({**key, "name_sha256": None if name == ERASED else "lost"})
    salted = bytes.fromhex(salt.removeprefix("\\x")) + name.encode()
    return _read({**key, "name_sha256": sha256(salted).hexdigest()})


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _differences(logged: dict[str, Key], keys: dict[str, Key]) -> Iterable[str]:
    for prefix in sorted(logged.keys() - keys.keys()):
        yield f"the API key {prefix} is in the log of API keys, and there is no such key"
    for prefix in sorted(keys.keys() - logged.keys()):
        yield f"the API key {prefix} is not in the log of API keys"
    for prefix in sorted(keys.keys() & logged.keys()):
        for name in (*_COMPARED, *(form for form in _NAMES if form in logged[prefix])):
            expected, found = logged[prefix][name], keys[prefix][name]
            if found != expected:
                was, now = _shown(expected), _shown(found)
                yield f"the API key {prefix} differs from the log of API keys: its {name} was {was}, and is {now}"


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return ", ".join(value) if isinstance(value, list) else str(value)
