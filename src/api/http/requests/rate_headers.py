"""Tells callers their rate limit, in the fields RateLimit and RateLimit-Policy.

They are those of draft-ietf-httpapi-ratelimit-headers (version 10): structured fields (RFC 9651), one policy by name.
"""

from datetime import timedelta

from starlette.types import Message, Scope, Send

from people.api_keys import ApiKey
from people.errors import AccessRefused
from people.keys.ring import KeyRing
from people.rate_limits import Allowance, seconds

_ALLOWANCE = "credit_ledger.allowance"
"""The entry of an ASGI scope that keeps what the caller may still do, as a list that copies of the scope share."""


def telling(scope: Scope, send: Send) -> Send:
    """A `send` that adds the fields to the answer, when it is known whose it is."""
    told: list[Allowance] = []
    scope[_ALLOWANCE] = told

    async def tell(message: Message) -> None:
        if told and message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *_fields(told[-1])]}
        await send(message)

    return tell


def count(keys: KeyRing, scope: Scope, key: ApiKey, commands: int = 1, *, more: bool = False) -> None:
    """Count commands of a caller. Raises AccessRefused: rate_limited. `more` are those after the first of a request.

    A key that has a rate of its own counts its requests by that too.
    """
    if key.rate_per_minute is not None and not more:
        _count_request(keys, key)
    if keys.rates is None:
        return
    allowance = keys.rates.take(key.prefix, commands, more=more)
    if _ALLOWANCE in scope:
        scope[_ALLOWANCE].append(allowance)
    if not allowance.admitted:
        raise AccessRefused(
            "rate_limited",
            f"The API key may send {allowance.limit} commands a second; a batch counts as its commands.",
            retry_after=max(1, seconds(allowance.wait)),
            limit=allowance.limit,
        )


def _count_request(keys: KeyRing, key: ApiKey) -> None:
    allowance = keys.take(key)
    if allowance is not None and not allowance.admitted:
        raise AccessRefused(
            "rate_limited",
            f"The API key may send {allowance.limit} requests a minute.",
            retry_after=max(1, seconds(allowance.wait)),
            limit=allowance.limit,
            remaining=allowance.remaining,
            resets_at=keys.now() + timedelta(seconds=allowance.reset),
        )


def _fields(allowance: Allowance) -> list[tuple[bytes, bytes]]:
    limit, remaining, reset, _, _ = allowance
    return [
        (b"ratelimit-policy", b'"commands";q=%d;w=1' % limit),
        (b"ratelimit", b'"commands";r=%d;t=%d' % (remaining, seconds(reset))),
    ]
