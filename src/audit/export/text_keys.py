"""The keys of texts in a file: one account and its key, in hexadecimal, on each line.

A person who has this file can read every text. A move to another machine needs it: without the keys the texts of the
log cannot be read there.
"""

from collections.abc import Iterator
from pathlib import Path

import orjson

from audit.export.files import whole_file
from audit.export.json_lines import MAX_LINE, BadLine
from ledger.store import EventLog

PAGE = 1_000
"""Keys in memory at a time."""
_LENGTH = 32


async def export_keys(log: EventLog, path: Path) -> int:
    """Write all keys to a file that only its owner can read. Returns their number. Raises OSError."""
    after, count = "", 0
    with whole_file(path, mode=0o600) as file:
        while keys := await _page(log, after):
            file.write(b"".join(_line(account_id, key) for account_id, key in keys.items()))
            count += len(keys)
            after = max(keys)
    return count


async def _page(log: EventLog, after: str) -> dict[str, bytes]:
    async with log.reader() as reader:
        return await reader.all_text_keys(after, PAGE)


def _line(account_id: str, key: bytes) -> bytes:
    return orjson.dumps({"account_id": account_id, "key": key.hex()}, option=orjson.OPT_APPEND_NEWLINE)


def keys_in(path: Path) -> Iterator[tuple[str, bytes]]:
    """The accounts and keys of a file. Raises BadLine and OSError."""
    with path.open("rb") as file:
        for number, text in enumerate(iter(lambda: file.readline(MAX_LINE), b""), 1):
            try:
                yield _read(text)
            except (ValueError, KeyError, TypeError) as problem:
                raise BadLine(number, "it is not an account with its key as an export writes them") from problem


def _read(text: bytes) -> tuple[str, bytes]:
    members = orjson.loads(text)
    account_id, key = members["account_id"], bytes.fromhex(members["key"])
    if len(key) != _LENGTH or _line(account_id, key) != text:
        raise ValueError(account_id)
    return account_id, key
