"""Receipts: records that an idempotency key was used, and with which body.

A key is unique for an account and operation, for ever. The receipt is stored on the last event of its command, so it
is written together with the command or not at all. It contains a fingerprint of the body: sixteen bytes of BLAKE2b that
show whether another body is the same, and four bytes of CRC-32 for each field that show which fields differ.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from struct import Struct
from zlib import crc32

from ledger.store.records.codec import to_json

BODY_FIELDS: Mapping[str, tuple[str, ...]] = {
    "open": ("signup_credits", "metadata", "description", "labels"),
    "update": ("description", "metadata", "labels", "reason"),
    "grant": ("kind", "amount", "expires_at", "source", "transaction_id", "description", "metadata", "effective_at"),
    "deduct": ("amount", "task_id", "description", "usage", "metadata", "occurred_at", "on_shortfall", "priced"),
    "reverse": ("deduction_id", "amount", "reason"),
    "hold": ("amount", "expires_in_seconds", "task_id", "description", "usage", "priced"),
    "capture": ("hold_id", "amount", "final", "on_excess", "usage", "occurred_at", "priced"),
    "extend": ("hold_id", "expires_in_seconds"),
    "release": ("hold_id",),
    "void": ("grant_id", "amount", "reason"),
    "payment": (
        "payment_id",
        "provider",
        "status",
        "amount_minor",
        "currency",
        "plan",
        "grant",
        "grants",
        "subscription",
    ),
    "payment_refund": ("payment_id", "refund_id", "amount_minor", "provider"),
    "payment_dispute": ("payment_id", "dispute_id", "state", "amount_minor", "provider", "reason"),
    "subscription": (
        "subscription_id",
        "provider",
        "status",
        "terms",
        "as_of",
        "quantity",
        "period_start",
        "period_end",
        "ends_at",
        "next_plan",
        "trial_ends_at",
        "pays",
    ),
    "freeze": ("reason",),
    "unfreeze": ("reason",),
    "close": ("reason",),
    "reopen": ("reason",),
    "limits": ("source", "limits"),
    "allowance": ("limit_id", "value", "amount"),
    "meter": ("quantity", "task_id", "usage", "occurred_at"),
    "transfer": ("to_account_id", "amount", "description"),
    "merge": ("successor", "reason"),
    "transfer_reversal": ("transfer_id", "reason"),
    "change_expiry": ("grant_id", "expires_at", "reinstate", "reason"),
}
"""The fields of each operation's body, in the order of the fingerprint. New fields are added at the end."""

_WHOLE = 16
_FIELD = 4
_CHECKSUMS = [Struct(f">{count}I").pack for count in range(16)]


def receipt_name(operation: str, key: str) -> str:
    """The name of a receipt, unique within its account."""
    return f"{operation}:{key}"


def fingerprint(values: Sequence[object]) -> bytes:
    """The fingerprint of a body: `values` are those of BODY_FIELDS in order, None for a field that is absent."""
    parts = [b"" if value is None else _part(value) for value in values]
    # Absent fields at the end are left out, so that a field that is added later leaves old fingerprints unchanged.
    whole = blake2b(b"\0".join(parts).rstrip(b"\0"), digest_size=_WHOLE).digest()
    return whole + _CHECKSUMS[len(parts)](*map(crc32, parts))


def _part(value: object) -> bytes:
    """A value as bytes. The quotation mark distinguishes an empty text from an absent field, and "5" from 5."""
    if type(value) is str:
        return b'"' + value.encode()
    return b"%d" % value if type(value) is int else to_json(value)


def differing_fields(operation: str, before: bytes, now: bytes) -> list[str]:
    """The names of the fields in which two fingerprints of an operation differ."""
    names = BODY_FIELDS[operation]
    return [name for index, name in enumerate(names) if _field(before, index) != _field(now, index)]


def _field(print_: bytes, index: int) -> bytes:
    start = _WHOLE + index * _FIELD
    return print_[start : start + _FIELD] or bytes(_FIELD)  # a field that is newer than the fingerprint was absent


def same_body(before: bytes, now: bytes) -> bool:
    """Whether two fingerprints of an operation are of the same body."""
    return before[:_WHOLE] == now[:_WHOLE]
