"""Calls over HTTP to payment providers, and what becomes of their answers. No other file knows the HTTP library.

A call is sent once. It is not sent again by itself, because a call that was not answered may have been carried out.
Only what is read in the background is asked for again, when the provider says that it was asked too often. An answer
that redirects, is too large, comes too late or is no JSON object is a failure. No message shows the API key.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from ssl import SSLContext
from time import monotonic
from typing import Any, Literal
from urllib.parse import quote

import httpx
import orjson

from billing.calls.calls import ProviderFailed
from billing.facts import Incomplete
from billing.providers.payload import Payload, parsed

TIMEOUT = 10.0
"""Seconds that a call may take, from its first byte to the last one of its answer."""
PAUSES = (5.0, 15.0, 30.0, 30.0)
"""Seconds between two attempts to read, when a provider is asked too often. Their limits are for a minute."""
LARGEST_ANSWER = 8 * 1024 * 1024
"""Bytes of an answer that are read. A page of a hundred events has about a tenth."""
_LONGEST_MESSAGE = 200
_MESSAGES = ("error.message", "error.detail", "errors.0.detail", "errors.0.title", "message", "detail", "error")
"""Where providers say what was wrong."""

logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells each call, with the ids in its address
_TOO_OFTEN = 429
NOT_FOUND = 404
_NOTHING = (b"", b"null")
Method = Literal["GET", "POST", "PATCH", "DELETE"]
Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that says yes.

    `as_of` is a moment before the provider looked, in whole seconds of its own clock: what happens to a thing after it
    was read is always told to be later than that.
    """

    payload: Payload
    as_of: datetime
    status: int


class Api:
    """The API of a provider at an address, with a key. `title` is the provider's name for people."""

    def __init__(self, provider: str, title: str, address: str, key: str, headers: Mapping[str, str]) -> None:
        self.provider = provider
        self._title = title
        self._key = key
        self._client = httpx.AsyncClient(
            base_url=address,
            # Not compressed: a small answer could have a large one in it.
            headers={"Authorization": f"Bearer {key}", "Accept-Encoding": "identity", **headers},
            verify=_tls(),
            timeout=TIMEOUT,
            follow_redirects=False,
            # Calls are rare, and on a connection that the provider has closed meanwhile one would be lost.
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        self.host = self._client.base_url.host

    async def call(
        self,
        method: Method,
        path: str,
        *,
        query: Pairs = (),
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Make a call. An answer without a body, or with null, has an empty object. Raises ProviderFailed."""
        began = monotonic()
        try:
            async with (
                asyncio.timeout(TIMEOUT),
                self._client.stream(method, path, params=list(query), content=body, headers=headers) as response,
            ):
                content = await self._content(response)
        except (TimeoutError, httpx.TimeoutException):
            raise self.failed(f"did not answer within {TIMEOUT:.0f} seconds: whether it did it is not known") from None
        except httpx.ConnectError as error:
            raise self.failed(f"cannot be reached: {self._cut(str(error))}") from error
        except httpx.HTTPError as error:
            said = self._cut(str(error)) or type(error).__name__
            raise self.failed(f"did not answer: {said}; whether it did it is not known") from error
        payload = self._payload(response, content)
        return Answer(payload, _asked_at(response, monotonic() - began), response.status_code)

    async def read(self, path: str, query: Pairs = ()) -> Answer:
        """Read what may be much, for nobody who waits: again after a pause, if the provider is asked too often.

        Raises ProviderFailed.
        """
        for pause in PAUSES:
            try:
                return await self.call("GET", path, query=query)
            except ProviderFailed as error:
                if status_of(error) != _TOO_OFTEN:
                    raise
            await asyncio.sleep(pause)
        return await self.call("GET", path, query=query)

    async def find(self, path: str, query: Pairs = ()) -> Answer | None:
        """Read something that may not be there: None where the provider says that it is not. Raises ProviderFailed."""
        try:
            return await self.call("GET", path, query=query)
        except ProviderFailed as error:
            if status_of(error) != NOT_FOUND:
                raise
        return None

    async def _content(self, response: httpx.Response) -> bytes:
        found = bytearray()
        async for part in response.aiter_raw():
            found += part
            if len(found) > LARGEST_ANSWER:
                raise self.failed(f"answered with more than {LARGEST_ANSWER:,} bytes", response.status_code)
        return bytes(found)

    def _payload(self, response: httpx.Response, content: bytes) -> Payload:
        try:
            payload = parsed(b"{}" if content in _NOTHING else content)
        except Incomplete:
            payload = None
        if not response.is_success:
            said = _message(payload) if payload is not None else ""
            raise self.failed(
                f"answered {response.status_code}" + (said and f": {self._cut(said)}"), response.status_code
            )
        if payload is None:
            raise self.failed(f"answered {response.status_code} with what is no JSON object", response.status_code)
        return payload

    def failed(self, what: str, status: int | None = None) -> ProviderFailed:
        """The error that the provider did something else than what was asked, as a sentence about it."""
        facts = {} if status is None else {"provider_status": status}
        return ProviderFailed(f"{self._title} {what.rstrip('.')}.", provider=self.provider, **facts)

    def text(self, payload: Payload, path: str) -> str:
        """The text, or the id of the thing, at a path of an answer. Raises ProviderFailed."""
        found = payload.reference(path)
        if found is None:
            raise self._missing(path)
        return found

    def url(self, payload: Payload, path: str) -> str:
        """The address at a path of an answer, as a browser can open it. Raises ProviderFailed."""
        found = payload.address(path)
        if found is None:
            raise self._missing(path)
        return found

    def _missing(self, path: str) -> ProviderFailed:
        return self.failed(f"answered with nothing usable at {path}")

    def _cut(self, text: str) -> str:
        """A text of the provider on one line, cut short, and without the key if it repeats that."""
        line = " ".join(text.replace(self._key, "[key]").split())
        return line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]}…"


def status_of(error: ProviderFailed) -> object:
    """The status of the answer with which a call failed; None where there was no answer."""
    return error.facts.get("provider_status")


@cache
def _tls() -> SSLContext:
    """What checks certificates, made once: it takes a tenth of a second."""
    return httpx.create_ssl_context()


def path_of(*parts: str) -> str:
    """A path made of names and ids. No id can lead elsewhere."""
    return "/" + "/".join(quote(part, safe="").replace(".", "%2E") for part in parts)


def as_json(value: Any) -> bytes:
    """A value as JSON, the same bytes for the same value."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _message(payload: Payload) -> str:
    found = (payload.at(path).value for path in _MESSAGES)
    return next((text for text in found if isinstance(text, str) and text), "")


def _asked_at(response: httpx.Response, seconds: float) -> datetime:
    """A moment before the call was made, by the provider's clock if it tells it."""
    try:
        answered = parsedate_to_datetime(response.headers.get("date", "")).astimezone(UTC)
    except ValueError:
        answered = datetime.now(UTC)
    return (answered - timedelta(seconds=seconds + 1)).replace(microsecond=0)
