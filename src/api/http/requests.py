"""Requests as this service reads them, below any framework: a few headers, a bounded body, strict JSON."""

import re
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import orjson
from starlette.types import Receive, Scope, Send

from api.contract.bodies import MAX_KEY
from api.contract.problems import Problem, invalid

MAX_BODY = 64 * 1024
"""Bytes of the body of one command."""
MAX_BATCH_BODY = 8 * 1024 * 1024
"""Bytes of the body of a batch."""

_KEY = re.compile(rb"[\x20-\x7e]{1,%d}" % MAX_KEY)
_VERSION = re.compile(rb'"(\d{1,18})"')


class Reply(NamedTuple):
    """A status, headers and a body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


Headers = dict[bytes, bytes]
"""Headers by their lower-case names; of one that comes several times, the last."""


def headers_of(scope: Scope) -> Headers:
    """The headers of a request."""
    return dict(scope["headers"])


def idempotency_key(headers: Headers) -> str | None:
    """The Idempotency-Key header. Raises Problem unless it is 1 to 255 printable ASCII characters."""
    value = headers.get(b"idempotency-key")
    if value is None:
        return None
    if not _KEY.fullmatch(value):
        raise invalid("Idempotency-Key", "must be 1 to 255 printable ASCII characters")
    return value.decode()


def check_key(value: object, field: str) -> str:
    """An idempotency key that came in a body."""
    if not isinstance(value, str) or not value.isascii() or not _KEY.fullmatch(value.encode()):
        raise invalid(field, "must be 1 to 255 printable ASCII characters")
    return value


def expected_version(headers: Headers) -> int | None:
    """The version in an If-Match header. Raises Problem unless it is one number in double quotes."""
    value = headers.get(b"if-match")
    if value is None:
        return None
    match = _VERSION.fullmatch(value.strip())
    if match is None:
        raise invalid("If-Match", 'must be one account version in double quotes, such as "7"')
    return int(match[1])


def is_dry_run(scope: Scope) -> bool:
    """Whether the query says dry_run=true. Raises Problem for parameters that are not known."""
    query: bytes = scope["query_string"]
    if not query:
        return False
    parameters = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    for name in parameters.keys() - {"dry_run"}:
        raise invalid(name, "is not a parameter of this request")
    value = parameters.get("dry_run", ["false"])[-1]  # a query can be there and say nothing, such as "&"
    if value not in {"true", "false"}:
        raise invalid("dry_run", "must be true or false")
    return value == "true"


async def read_body(headers: Headers, receive: Receive, limit: int) -> bytes:
    """The whole body. Raises Problem: body_too_large, unsupported_media_type."""
    length = headers.get(b"content-length")
    if length is not None and length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    chunks = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body"):
            break
    body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    if body:
        _check_media_type(headers)
    return body


def _too_large(limit: int) -> Problem:
    return Problem("body_too_large", f"The body may have {limit} bytes.", limit=limit)


def _check_media_type(headers: Headers) -> None:
    value = headers.get(b"content-type")
    if value is None or value == b"application/json":
        return
    media_type = value.partition(b";")[0].strip().lower()
    if media_type != b"application/json" and not (
        media_type.startswith(b"application/") and media_type.endswith(b"+json")
    ):
        raise Problem(
            "unsupported_media_type",
            "Send the body as 'Content-Type: application/json'.",
            allowed="application/json",
        )


def read_json(body: bytes) -> dict[str, Any]:
    """A JSON object; an empty body is an empty object. Raises Problem: malformed_json, validation_failed."""
    if not body:
        return {}
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem("malformed_json", f"The body is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise invalid("body", "must be a JSON object")
    return value


async def send_reply(send: Send, reply: Reply) -> None:
    """Send a reply."""
    length = (b"content-length", str(len(reply.body)).encode())
    await send({"type": "http.response.start", "status": reply.status, "headers": [*reply.headers, length]})
    await send({"type": "http.response.body", "body": reply.body})
