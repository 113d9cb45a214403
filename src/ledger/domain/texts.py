"""Texts: what callers write in their own words. They are the only fields that may contain personal data.

Descriptions, reasons and metadata are sealed before a command is decided: events, states and everything made from them
hold a token in place of the text. Only the store has the keys (store/records/sealing.py). This module defines
the tokens and checks the texts.
"""

import re
from collections.abc import Mapping
from typing import Any

from ledger.domain.errors import InvalidField

MAX_TEXT = 500
SEALED = "sealed:"
"""The beginning of every token."""

JsonObject = Mapping[str, Any]
"""The caller's own data: at most 4 KiB of JSON. The ledger stores it and does not interpret it."""

_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class Sealed(str):
    """A token: a text that is sealed with the key of its account."""

    __slots__ = ()


def check_text(field: str, value: str | None) -> None:
    """Raise InvalidField unless `value` is None, a token, or at most MAX_TEXT characters without control characters.

    Tabs and line feeds are allowed.
    """
    if value is None or type(value) is Sealed:
        return
    if len(value) > MAX_TEXT:
        raise InvalidField(field, f"must have at most {MAX_TEXT} characters")
    if _CONTROL_BUT_LINES.search(value):
        raise InvalidField(field, "must not contain control characters")
