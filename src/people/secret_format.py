"""The text of an API key: a brand, 8 characters that may be shown, 28 that are secret, and 6 of a checksum.

    clu_7hQ2mXbRk3T9wZ1cV6nB8yLd4sJfG0pKaEhU3KPIJt

It is read by position, from its end. All behind the brand are letters and digits, so that a double click selects the
whole key and a scanner for secrets finds it: `\\b(clk|clu)_[0-9A-Za-z]{42}\\b`. The checksum is the CRC-32 of all
before it: a key with a typing error, or one that a guesser made up, is refused without a look into the database.
"""

import re
import secrets
import string
from typing import NamedTuple
from zlib import crc32

DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
SERVICES = "clk"
"""The brand of the keys of services."""
BRAND = r"^[a-z][a-z0-9]{0,15}(_[a-z0-9]{1,15})?$"
"""What a brand may be."""
_SHOWN, _SECRET, _CHECKSUM = 8, 28, 6
SHORTEST_KEY = len("a_") + _SHOWN + _SECRET + _CHECKSUM
"""Characters of a key with the shortest brand."""
_FORM = re.compile(r"[a-z][a-z0-9_]*_[0-9A-Za-z]{42}")
_WITHIN = re.compile(r"(?<![0-9A-Za-z])(?=([a-z][a-z0-9]{0,15}(?:_[a-z0-9]{1,15})?_[0-9A-Za-z]{42})(?![0-9A-Za-z]))")


class NewSecret(NamedTuple):
    """The text of a new key, and the part of it that may be shown."""

    text: str
    prefix: str


def new_secret(brand: str = SERVICES) -> NewSecret:
    """A new key. 28 characters of it are secret: 166 bits."""
    prefix = _random(_SHOWN)
    start = f"{brand}_{prefix}{_random(_SECRET)}"
    return NewSecret(start + checksum(start), prefix)


def shown_part(text: str) -> str:
    """The part of a key that may be shown, of the whole key or of a beginning of it: `7hQ2mXbR` of `clu_7hQ2mXbR…`."""
    return text.rpartition("_")[2][:_SHOWN]


def checksum(text: str) -> str:
    """The CRC-32 of a text, as 6 digits of base 62."""
    rest, digits = crc32(text.encode()), ""
    for _ in range(_CHECKSUM):
        rest, digit = divmod(rest, len(DIGITS))
        digits = DIGITS[digit] + digits
    return digits


def is_mistyped(text: str) -> bool:
    """Whether a text has the form of a key, and not its checksum. Keys of before have another form."""
    return _FORM.fullmatch(text) is not None and checksum(text[:-_CHECKSUM]) != text[-_CHECKSUM:]


def is_key(text: str) -> bool:
    """Whether a text has the form of a key, with its checksum. No key of an account is from before there was one."""
    return _FORM.fullmatch(text) is not None and checksum(text[:-_CHECKSUM]) == text[-_CHECKSUM:]


def has_key(text: str) -> bool:
    """Whether a key is somewhere in a text, with its checksum: what only looks like one is none."""
    return any(is_key(found[1]) for found in _WITHIN.finditer(text))


def _random(length: int) -> str:
    return "".join(secrets.choice(DIGITS) for _ in range(length))
