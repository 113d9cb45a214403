"""Cursors: where the next page of a list begins, as text that means nothing to a caller.

A cursor belongs to one list: account, filters and order. It carries a code that only this ledger can make, over its key
and that list. One that is damaged, invented, or made for another list is refused and never answered with a wrong page.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any

import orjson

from api.contract.problems import Problem, invalid

_CODE = 16
"""Bytes of the authentication code."""
MAX_CURSOR = 1_536
"""Characters: a key may have two ids, of up to 512 bytes each."""

List = tuple[Any, ...]
"""What a list is a list of: its name, the account, the filters, the order."""


class Cursors:
    """The cursors of a ledger. Each process of its service knows the secret that authenticates them."""

    def __init__(self) -> None:
        self._secret = b""

    def use(self, secret: bytes) -> None:
        """Authenticate with a secret of the ledger."""
        self._secret = secret

    def make(self, of: List, *key: str | int | datetime) -> str:
        """The cursor of the page after the row with this key."""
        values = orjson.dumps(key, option=orjson.OPT_UTC_Z)
        return _text(self._code(of, values) + values)

    def read(self, text: str | None, of: List, kinds: Sequence[type]) -> list[Any] | None:
        """The key in a cursor, its values of some kinds. Raises Problem for a cursor that this list did not give."""
        if text is None:
            return None
        try:
            raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
            authentic = hmac.compare_digest(raw[:_CODE], self._code(of, raw[_CODE:]))
            if not authentic or _text(raw) != text or len(values := orjson.loads(raw[_CODE:])) != len(kinds):
                raise _not_ours()
            return [_value(value, kind) for value, kind in zip(values, kinds, strict=True)]
        except (ValueError, TypeError) as error:
            raise _not_ours() from error

    def _code(self, of: List, values: bytes) -> bytes:
        """A keyed hash. Both parts stand after the length of the first."""
        assert self._secret, "the secret is read when the service starts"
        name = orjson.dumps(of, default=str)
        message = len(name).to_bytes(4, "big") + name + values
        return blake2b(message, key=self._secret, digest_size=_CODE).digest()


def _text(raw: bytes) -> str:
    """The one way to write a cursor; a reader of Base64 takes many others too."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _value(value: Any, kind: type) -> Any:
    value = datetime.fromisoformat(value) if kind is datetime else value
    if type(value) is not kind:
        raise ValueError(value)
    return value


def _not_ours() -> Problem:
    return invalid("cursor", "must be a `next_cursor` of this very list: same account, filters and order")
