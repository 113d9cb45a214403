"""Records of the log as lines of JSON: the form in which they are exported, and read again without a ledger.

Each record has exactly one line: members in the order of their names, none for null, stored bytes as a string, other
bytes as hexadecimal digits. A reader accepts only that form, so a line that was edited is never taken for the original.
"""

from typing import Any

import orjson

from ledger.store.records.chain import Record

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
_NEVER_NULL = frozenset(_MEMBERS) - {"subject", "receipt", "fingerprint", "command_events"}
_LARGEST = {"position": 2**63 - 1, "version": 2**63 - 1, "command_events": 2**31 - 1}


def members_of(record: Record) -> dict[str, Any]:
    """The members of the record's JSON object, in the order of their names."""
    position, account_id, version, topic, state, subject, receipt, fingerprint, command_events, hash_ = record
    members: dict[str, Any] = {"account_id": account_id}
    if command_events is not None:
        members["command_events"] = command_events
    if fingerprint is not None:
        members["fingerprint"] = fingerprint.hex()
    members["hash"] = hash_.hex()
    members["position"] = position
    if receipt is not None:
        members["receipt"] = receipt
    members["state"] = state.decode()
    if subject is not None:
        members["subject"] = subject
    members["topic"] = topic
    members["version"] = version
    return members


def record_of(value: Any) -> Record:
    """The record with these members. Raises ValueError, whose message says in a sentence what is wrong."""
    if not isinstance(value, dict):
        raise ValueError("it is not an object")  # noqa: TRY004, what is wrong is the value of a text
    members: dict[str, Any] = value
    for name, value in members.items():
        if type(value) is not _MEMBERS.get(name):
            raise ValueError(_what_is_wrong(name))
    if not members.keys() >= _NEVER_NULL:
        raise ValueError(f"it has no member {min(_NEVER_NULL - members.keys())!r}")
    for name, largest in _LARGEST.items():
        if not 0 < members.get(name, 1) <= largest:
            raise ValueError(f"{name} is {members[name]}, which is out of range")
    fingerprint = members.get("fingerprint")
    return Record(
        members["position"],
        members["account_id"],
        members["version"],
        members["topic"],
        members["state"].encode(),
        members.get("subject"),
        members.get("receipt"),
        None if fingerprint is None else _bytes_of("fingerprint", fingerprint),
        members.get("command_events"),
        _bytes_of("hash", members["hash"]),
    )


def _what_is_wrong(name: str) -> str:
    """What is wrong with a member that is unknown, or whose value has the wrong type."""
    if name not in _MEMBERS:
        return f"it has an unknown member {name!r}"
    return f"{name} is not {'an integer' if _MEMBERS[name] is int else 'a text'}"


def to_line(record: Record) -> bytes:
    """The line of a record, with its line end."""
    return orjson.dumps(members_of(record), option=orjson.OPT_APPEND_NEWLINE)


def from_line(line: bytes) -> Record:
    """The record of a line. Raises ValueError, whose message says what is wrong, for every line not in that form."""
    try:
        members = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error}") from error
    record = record_of(members)
    if to_line(record) != line:
        raise ValueError("it is not written as this program writes it: it was edited")
    return record


def _bytes_of(name: str, text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if found.hex() != text:
        raise ValueError(f"{name} is not made of pairs of hexadecimal digits")
    return found
