"""Signatures of webhooks: HMAC-SHA256 over the raw bytes, compared in constant time, with every secret tried."""

import base64
import binascii
import hmac
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from billing.providers.provider import NotGenuine, is_delivery_id

TOLERANCE = timedelta(minutes=5)
"""How far a signed time may be from ours."""
MOST_SIGNATURES = 16
"""In one delivery. A provider sends as many as it has secrets, which is two while one is replaced."""
_LONGEST_TIME = 12
"""Digits of seconds since 1970: enough for thirty thousand years, and few enough to be a time."""


def signature(key: bytes, signed: bytes) -> bytes:
    """The HMAC-SHA256 of some bytes: 32 bytes."""
    return hmac.digest(key, signed, "sha256")


def check_signed(keys: Iterable[bytes], signed: bytes, offered: Sequence[bytes]) -> None:
    """Check that one of the keys made one of the offered signatures. Raises NotGenuine.

    It compares every key with every offer, so that its time says nothing about which of them fits.
    """
    if len(offered) > MOST_SIGNATURES:
        raise NotGenuine("there are too many signatures")
    genuine = False
    for key in keys:
        made = signature(key, signed)
        for one in offered:
            genuine |= hmac.compare_digest(made, one)
    if not genuine:
        raise NotGenuine("no signature fits")


def check_time(seconds: str, now: datetime, *, newest: timedelta | None = TOLERANCE) -> None:
    """Check that a signed time, in seconds since 1970, is near `now`. Raises NotGenuine.

    It may be at most five minutes old, and at most `newest` ahead of us; None lets it be ahead by any time.
    """
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= _LONGEST_TIME):
        raise NotGenuine("its time is not a number of seconds")
    age = now - datetime.fromtimestamp(0, UTC) - timedelta(seconds=int(seconds))
    if age > TOLERANCE:
        raise NotGenuine("it was signed too long ago")
    if newest is not None and age < -newest:
        raise NotGenuine("it was signed in the future")


def header(headers: Mapping[str, str], name: str) -> str:
    """The value of a header, whatever the case of its name. Raises NotGenuine when it is missing or empty."""
    value = next((value for key, value in headers.items() if key.lower() == name), "")
    if not value:
        raise NotGenuine(f"the header {name} is missing")
    return value


def fields(text: str, separator: str) -> list[tuple[str, str]]:
    """The pairs of a header such as `t=1,v1=ab`, with its separator between them. What is no pair is left out."""
    parts = (part.partition("=") for part in text.split(separator))
    return [(name, value) for name, equals, value in parts if equals]


def from_hex(text: str) -> bytes:
    """The bytes of hexadecimal digits; empty bytes, which no signature is, for any other text."""
    try:
        return binascii.unhexlify(text.encode())
    except ValueError:
        return b""


def from_base64(text: str) -> bytes:
    """The bytes of base64, with or without padding; empty bytes for any other text."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return b""


def text_key(secret: str) -> bytes:
    """The key of a secret that is used as it is written. Raises ValueError for an empty one: anybody could sign."""
    if not secret.strip():
        raise ValueError("a webhook secret is empty")
    return secret.encode()


def check_standard_webhook(keys: Iterable[bytes], headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """Verify a delivery as Standard Webhooks does, and return its id. Raises NotGenuine.

    The headers are `webhook-id`, `webhook-timestamp` (seconds) and `webhook-signature` (`v1,<base64>`, several by
    space). What is signed is the id, the time and the body, with dots between.
    """
    delivery_id, sent = header(headers, "webhook-id"), header(headers, "webhook-timestamp")
    offers = (one.partition(",") for one in header(headers, "webhook-signature").split(" "))
    if not is_delivery_id(delivery_id):
        raise NotGenuine("its id is not printable ASCII, or too long")
    check_time(sent, now)
    offered = [from_base64(value) for version, _, value in offers if version == "v1"]
    check_signed(keys, f"{delivery_id}.{sent}.".encode() + body, offered)
    return delivery_id


def standard_key(secret: str) -> bytes:
    """The key of a Standard Webhooks secret: base64, after `whsec_` if that is there. Raises ValueError."""
    key = from_base64(secret.strip().removeprefix("whsec_"))
    if not key:
        raise ValueError("a webhook secret is not base64 after `whsec_`")
    return key
