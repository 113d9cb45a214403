"""Which answers are worth another attempt, and when. A command is repeated with its key: it is done once."""

import random
from collections.abc import Mapping

import httpx

ATTEMPTS = 5
"""How often a request is sent at most."""
_LONGEST = 30.0
"""Seconds between two attempts, at most, unless the ledger asks for more."""
_PASSING = frozenset(
    {"rate_limited", "overloaded", "unavailable", "storage_full", "internal_error", "provider_failed", "body_timeout"}
)
"""The codes of problems that may pass by themselves."""
_OF_READS = frozenset({"not_yet_visible", "projection_unavailable", "query_timeout", "document_unavailable"})
_BEFORE_IT_WAS_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_NEVER_SENT = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)
"""The address or the key is none: the next attempt would fail too."""


def may_repeat(error: httpx.TransportError, *, safe: bool) -> bool:
    """Whether a request without an answer can be sent again; `safe` ones can whatever became of the first."""
    return not isinstance(error, _NEVER_SENT) and (safe or isinstance(error, _BEFORE_IT_WAS_SENT))


def passes(code: str, *, safe: bool) -> bool:
    """Whether a problem may pass, so that the same request can succeed. Of others, only what was not carried out."""
    return code in (_PASSING | _OF_READS if safe else {"rate_limited", "overloaded"})


def pause(attempt: int, headers: Mapping[str, str]) -> float:
    """Seconds until the next attempt, after the one with this number, from 1 on: what the ledger asks for, and a random
    part of a time that doubles."""
    asked = headers.get("retry-after", "")
    jitter = random.uniform(0, min(0.1 * 2**attempt, _LONGEST))  # noqa: S311 (it spreads clients, and protects nothing)
    return (float(asked) if asked.isdecimal() else 0.0) + jitter
