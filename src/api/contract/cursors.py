"""Cursors: where the next page of a list begins, as text that means nothing to a caller.

A cursor belongs to one list: account, filters and order. It carries a digest of that, so one that is damaged, or was
made for another list, is refused and never answered with the wrong page.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any

import orjson

from api.contract.problems import Problem, invalid

_DIGEST = 9
MAX_CURSOR = 1_024
"""Characters."""

List = tuple[Any, ...]
"""What a list is a list of: its name, the account, the filters, the order."""


def cursor(of: List, *key: str | int | datetime) -> str:
    """The cursor of the page after the row with this key."""
    values = orjson.dumps(key, option=orjson.OPT_UTC_Z)
    return _text(_digest(of, values) + values)


def key_of(text: str | None, of: List, kinds: Sequence[type]) -> list[Any] | None:
    """The key in a cursor, its values of some kinds. Raises Problem for a cursor that this list did not give."""
    if text is None:
        return None
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        values = orjson.loads(raw[_DIGEST:])
        if _text(raw) != text or raw[:_DIGEST] != _digest(of, raw[_DIGEST:]) or len(values) != len(kinds):
            raise _not_ours()
        return [_value(value, kind) for value, kind in zip(values, kinds, strict=True)]
    except (ValueError, TypeError) as error:
        raise _not_ours() from error


def _text(raw: bytes) -> str:
    """The one way to write a cursor; a reader of Base64 takes many others too."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _value(value: Any, kind: type) -> Any:
    value = datetime.fromisoformat(value) if kind is datetime else value
    if type(value) is not kind:
        raise ValueError(value)
    return value


def _digest(of: List, values: bytes) -> bytes:
    return blake2b(orjson.dumps(of, default=str) + values, digest_size=_DIGEST).digest()


def _not_ours() -> Problem:
    return invalid("cursor", "must be a `next_cursor` of this very list: same account, filters and order")
