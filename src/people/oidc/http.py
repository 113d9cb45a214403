"""Requests to a provider. No other file of people knows the HTTP library.

An answer that redirects, is too large, comes too late or is no JSON object is a failure. No message shows a secret.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from ssl import SSLContext
from typing import Any

import httpx
import orjson

from people.oidc.words import ProviderAway

TIMEOUT = 5.0
"""Seconds that a request may take, with its whole answer: somebody waits for it."""
LARGEST_ANSWER = 1024 * 1024

Ask = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]
"""`ask`, or what does the same and more."""

logging.getLogger("httpx").setLevel(logging.WARNING)


async def ask(
    url: str,
    form: Mapping[str, str] | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    basic: tuple[str, str] | None = None,
) -> tuple[int, dict[str, Any]]:
    """The status and the object of an answer: to a GET, or to the POST of a form. Raises ProviderAway."""
    client = httpx.AsyncClient(
        verify=_tls(), timeout=TIMEOUT, follow_redirects=False, headers={"Accept-Encoding": "identity"}
    )
    method = "GET" if form is None else "POST"
    options: dict[str, Any] = {"headers": {"Accept": "application/json", **(headers or {})}, "data": form}
    if basic is not None:
        options["auth"] = basic
    try:
        async with asyncio.timeout(TIMEOUT), client, client.stream(method, url, **options) as response:
            content = await _content(url, response)
    except (TimeoutError, httpx.TimeoutException):
        raise ProviderAway(f"{url} did not answer within {TIMEOUT:.0f} seconds") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ProviderAway(f"{url} cannot be reached: {type(error).__name__} {str(error)[:200]}") from error
    return response.status_code, _object(url, response.status_code, content)


async def _content(url: str, response: httpx.Response) -> bytes:
    found = bytearray()
    async for part in response.aiter_raw():
        found += part
        if len(found) > LARGEST_ANSWER:
            raise ProviderAway(f"{url} answered with more than {LARGEST_ANSWER:,} bytes")
    return bytes(found)


def _object(url: str, status: int, content: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise ProviderAway(f"{url} answered {status} with what is no JSON object")
    return found


@cache
def _tls() -> SSLContext:
    """What checks certificates, made once: it takes a tenth of a second."""
    return httpx.create_ssl_context()
