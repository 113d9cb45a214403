"""Records of the log as lines of JSON: how they leave this program, and how they are read where there is no ledger.

A line is exactly one text for each record: members in the order of their names, none for what is null, the stored bytes
as a string that holds them as they are, other bytes as hexadecimal digits. Whoever reads can insist on that, so a line
that somebody touched is not taken for the same.
"""

from typing import Any

import orjson

from ledger.store.chain import Record

_MEMBERS: dict[str, type] = {
    "position": int,
    "account_id": str,
    "version": int,
    "topic": str,
    "state": str,
    "subject": str,
    "receipt": str,
    "fingerprint": str,
    "command_events": int,
    "hash": str,
}
_NEVER_NULL = _MEMBERS.keys() - {"subject", "receipt", "fingerprint", "command_events"}
_HEX = ("fingerprint", "hash")
_LARGEST = {"position": 2**63 - 1, "version": 2**63 - 1, "command_events": 2**31 - 1}


def members_of(record: Record) -> dict[str, Any]:
    """A record as the members of its JSON object."""
    members = {name: value for name, value in record._asdict().items() if value is not None}
    members["state"] = record.state.decode()
    for name in members.keys() & _HEX:
        members[name] = members[name].hex()
    return members


def record_of(said: Any) -> Record:
    """The record that has these members. Raises ValueError, with what is wrong in a sentence."""
    if not isinstance(said, dict):
        raise ValueError("it is not an object")  # noqa: TRY004, what is wrong is the value of a text
    members: dict[str, Any] = said
    if unknown := members.keys() - _MEMBERS.keys():
        raise ValueError(f"it has a member {min(unknown)!r}, which means nothing")
    if missing := _NEVER_NULL - members.keys():
        raise ValueError(f"it has no member {min(missing)!r}")
    for name, value in members.items():
        if type(value) is not _MEMBERS[name]:
            raise ValueError(f"{name} is not {'an integer' if _MEMBERS[name] is int else 'a text'}")
    for name, largest in _LARGEST.items():
        if name in members and not 0 < members[name] <= largest:
            raise ValueError(f"{name} is {members[name]}, which no record has")
    values: dict[str, Any] = dict.fromkeys(_MEMBERS) | members
    values["state"] = values["state"].encode()
    for name in members.keys() & _HEX:
        values[name] = _bytes_of(name, values[name])
    return Record(**values)


def to_line(record: Record) -> bytes:
    """A record as a line, with its end."""
    return orjson.dumps(members_of(record), option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def from_line(line: bytes) -> Record:
    """The record of a line. Raises ValueError, with what is wrong in a sentence; any other spelling is wrong."""
    try:
        members = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error}") from error
    record = record_of(members)
    if to_line(record) != line:
        raise ValueError("it is not spelled as this program spells it: somebody has touched it")
    return record


def _bytes_of(name: str, text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if found.hex() != text:
        raise ValueError(f"{name} is not made of pairs of hexadecimal digits")
    return found
