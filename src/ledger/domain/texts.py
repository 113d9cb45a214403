"""Texts: what callers write in words of their own, and the only places where personal data can be.

A description, a reason and metadata are sealed before a command is decided on: events, states and everything made of
them hold a token in the place of the text. Only the store has the keys (store/sealing.py); here it is said what a token
is, and which fields of a command are texts.
"""

import re
from collections.abc import Mapping
from typing import Any

from ledger.domain.errors import InvalidField

MAX_TEXT = 500
SEALED = "sealed:"
"""What a token begins with."""

JsonObject = Mapping[str, Any]
"""Data of the caller's own: at most 4 KiB of JSON, kept and never read."""

_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class Sealed(str):
    """A token: nothing can be read in it without the key of its account."""

    __slots__ = ()


def check_text(field: str, value: str | None) -> None:
    """Raise InvalidField unless `value` is None, a token, or at most MAX_TEXT characters of readable text."""
    if value is None or type(value) is Sealed:
        return
    if len(value) > MAX_TEXT:
        raise InvalidField(field, f"must have at most {MAX_TEXT} characters")
    if _CONTROL_BUT_LINES.search(value):
        raise InvalidField(field, "must not contain control characters")
