"""Receipts: what remembers that an idempotency key was used, and with what.

A key is unique per account and operation, for ever. The receipt stands on the last event of its command, so it is
written with it or not at all. It keeps a fingerprint of what was asked for: sixteen bytes of BLAKE2b that tell whether
a body is the same, and four bytes of CRC-32 for each field that tell which fields differ.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from struct import pack
from zlib import crc32

from ledger.store.codec import to_json

BODY_FIELDS: Mapping[str, tuple[str, ...]] = {
    "open": ("signup_credits", "metadata"),
    "grant": ("kind", "amount", "expires_at", "source", "transaction_id", "description", "metadata"),
    "deduct": ("amount", "task_id", "description", "usage", "metadata"),
    "reverse": ("deduction_id", "amount", "reason"),
    "hold": ("amount", "expires_in_seconds", "task_id", "description"),
    "capture": ("hold_id", "amount", "final", "on_excess", "usage"),
    "extend": ("hold_id", "expires_in_seconds"),
    "release": ("hold_id",),
    "void": ("grant_id", "amount", "reason"),
    "payment": ("payment_id", "provider", "status", "amount_minor", "currency", "plan", "grant"),
    "payment_refund": ("payment_id", "refund_id", "amount_minor"),
    "freeze": ("reason",),
    "unfreeze": ("reason",),
    "close": ("reason",),
}
"""What a caller can say with each operation, in the order in which fingerprints keep it. New fields go at the end."""

_WHOLE = 16
_FIELD = 4


def receipt_name(operation: str, key: str) -> str:
    """The name of a receipt within its account."""
    return f"{operation}:{key}"


def fingerprint(values: Sequence[object]) -> bytes:
    """What was asked for, in short: `values` are those of BODY_FIELDS in their order, None where nothing was said."""
    parts = [_part(value) for value in values]
    # Trailing silence is left out, so that a field that is added later does not change the print of an old body.
    whole = blake2b(b"\0".join(parts).rstrip(b"\0"), digest_size=_WHOLE).digest()
    return whole + pack(f">{len(parts)}I", *map(crc32, parts))


def _part(value: object) -> bytes:
    """One value in bytes; the quotation mark keeps an empty text apart from none, and "5" from 5."""
    if value is None:
        return b""
    return b'"' + value.encode() if type(value) is str else to_json(value)


def differing_fields(operation: str, before: bytes, now: bytes) -> list[str]:
    """The names of the fields in which two fingerprints of one operation differ."""
    names = BODY_FIELDS[operation]
    return [name for index, name in enumerate(names) if _field(before, index) != _field(now, index)]


def _field(print_: bytes, index: int) -> bytes:
    start = _WHOLE + index * _FIELD
    return print_[start : start + _FIELD] or bytes(_FIELD)  # a field that is newer than the print was not said


def same_body(before: bytes, now: bytes) -> bool:
    """Whether two fingerprints of one operation are of the same body."""
    return before[:_WHOLE] == now[:_WHOLE]
