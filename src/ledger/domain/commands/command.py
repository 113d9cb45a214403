"""What all commands share: the limits of ids, metadata and times."""

import re
from datetime import datetime, timedelta

from ledger.domain.errors import InvalidField

MAX_ID = 128

MAX_METADATA_BYTES = 4_096
"""The largest metadata in bytes of JSON. It is checked where JSON is read, in api/contract/bodies.py."""

BACK_DATING = timedelta(days=35)
"""How long before the moment of decision usage may have occurred."""

_DOTS = frozenset({".", ".."})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def check_id(field: str, value: str | None) -> None:
    """Raise InvalidField unless `value` is None or 1 to MAX_ID characters without control characters."""
    if value is None:
        return
    if not 0 < len(value) <= MAX_ID:
        raise InvalidField(field, f"must have 1 to {MAX_ID} characters")
    if _CONTROL.search(value):
        raise InvalidField(field, "must not contain control characters")


def check_instant(field: str, value: datetime) -> None:
    """Raise InvalidField unless `value` says its offset from UTC."""
    if value.tzinfo is None:
        raise InvalidField(field, "must say its offset from UTC")


def check_account_id(value: str, field: str = "account_id") -> None:
    """Raise InvalidField unless `value` is an id that is valid as one segment of a URL path, its slashes encoded.

    Proxies and clients remove dot segments from paths, some of them also between encoded slashes.
    """
    check_id(field, value)
    if value in _DOTS or ("/" in value and not _DOTS.isdisjoint(value.split("/"))):
        raise InvalidField(field, "must not have a dot segment: '.' or '..', alone or between slashes")
