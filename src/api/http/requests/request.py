"""Reading of requests without the framework: headers, bodies with a size limit, and strict JSON."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote_plus

import orjson
from starlette.types import Receive, Scope

from api.contract.bodies import FREE_FIELDS, MAX_KEY
from api.contract.exact_numbers import Place, holds_float, inexact_numbers
from api.contract.problems import MAX_ERRORS, Problem, invalid, validation_failed
from api.http.requests.ambiguity import name_twice, parameters_of, repeated_names, repeats_names
from api.http.requests.request_body import body_too_large, receive_body
from ledger.commit.submission import ExpectedVersions
from ledger.domain.commands import MAX_BOUGHT, MAX_METADATA_BYTES
from ledger.domain.errors import MAX_SHOWN
from people.secret_format import SHORTEST_KEY, has_key

_GRANT = 4 * MAX_METADATA_BYTES
_LARGEST = {"metadata": MAX_METADATA_BYTES, "grant": _GRANT, "grants": MAX_BOUGHT * _GRANT}
"""Bytes of JSON that a valid free field has at most. A grant has metadata, and some texts beside it."""
MAX_BODY = 64 * 1024
"""The largest body of one command, in bytes."""
MAX_BATCH_BODY = 8 * 1024 * 1024
"""The largest body of a batch, in bytes."""
MAX_QUERY = 4 * 1024
"""The largest query string, in bytes."""
MAX_PARAMETERS = 50
"""The largest number of parameters of a query string."""
_MOST_DIGITS = 18
"""The largest number of digits of a size: Python refuses to read very long numbers."""
_MOST_TAGS = 50
"""The largest number of entity tags in If-Match."""

_NOT_EXACT = (
    "is a number that cannot be stored exactly: integers have 64 bits, other numbers at most 17 digits; "
    "send it as a string"
)

_KEY = re.compile(rb"[\x20-\x7e]{1,%d}" % MAX_KEY)
_VERSION = re.compile(rb'"(0|[1-9]\d{0,17})"')
_ELEMENT = re.compile(rb'[ \t]*(?:((?:W/)?"[!#-~\x80-\xff]*")[ \t]*)?(?:,|\Z)')
"""An element of a list of entity tags, with the comma after it."""


BODY_READ = "credit_ledger.body_read"
"""In the scope of a request: a list, with the size of its body as soon as it was read."""

HEADERS = "credit_ledger.headers"
"""In the scope of a request: its headers by their names."""

Headers = dict[bytes, bytes]
"""Headers by their lower-case names. Those that may come once do so: see api.http.requests.ambiguity."""


def headers_of(scope: Scope) -> Headers:
    """The headers of a request, which are looked through once."""
    found: Headers | None = scope.get(HEADERS)
    if found is None:
        found = scope[HEADERS] = dict(scope["headers"])
    return found


def idempotency_key(headers: Headers) -> str | None:
    """The Idempotency-Key header. Raises Problem unless it is 1 to 255 printable ASCII characters."""
    value = headers.get(b"idempotency-key")
    if value is None:
        return None
    if not _KEY.fullmatch(value):
        raise invalid("Idempotency-Key", "must be 1 to 255 printable ASCII characters")
    return value.decode()


def check_key(value: object, field: str) -> str:
    """Check an idempotency key of a body. Raises Problem."""
    if not isinstance(value, str) or not value.isascii() or not _KEY.fullmatch(value.encode()):
        raise invalid(field, "must be 1 to 255 printable ASCII characters")
    return value


def expected_versions(headers: Headers, scope: Scope) -> ExpectedVersions | None:
    """The versions in the If-Match headers. Raises Problem if it is not a list of entity tags (RFC 9110, 13.1.1).

    Our tags are versions in double quotes. Other tags and weak tags match no version.
    """
    if b"if-match" not in headers:
        return None
    value = b",".join([value for name, value in scope["headers"] if name == b"if-match"]).strip(b" \t")
    if value == b"*":
        return ExpectedVersions(None)
    tags = _entity_tags(value)
    if len(tags) > _MOST_TAGS:
        raise invalid("If-Match", f"must have at most {_MOST_TAGS} entity tags")
    if not tags:
        raise invalid("If-Match", 'must be * or account versions in double quotes, such as "7"')
    return ExpectedVersions(tuple([int(match[1]) for tag in tags if (match := _VERSION.fullmatch(tag))]))


def _entity_tags(value: bytes) -> list[bytes]:
    """The tags of a list; none if it is not a valid list. Elements may be empty."""
    tags: list[bytes] = []
    at = 0
    while at < len(value) and len(tags) <= _MOST_TAGS:
        element = _ELEMENT.match(value, at)
        if element is None:
            return []
        tags += [element[1]] if element[1] else []
        at = element.end()
    return tags


def check_query(query: bytes) -> None:
    """Refuse a query string with too many bytes or parameters, before anything parses it, and one with an API key:
    proxies and browsers keep addresses. Raises Problem."""
    if len(query) > MAX_QUERY or query.count(b"&") >= MAX_PARAMETERS:
        raise Problem(
            "query_too_large",
            f"The query string may have at most {MAX_QUERY} bytes and {MAX_PARAMETERS} parameters.",
            limit=MAX_QUERY,
            parameters_limit=MAX_PARAMETERS,
        )
    if len(query) >= SHORTEST_KEY and has_key(unquote_plus(query.decode("latin-1"))):
        raise invalid("query", "must not have an API key: others may have read it in the address. Revoke it")


def is_dry_run(scope: Scope) -> bool:
    """Whether the query string has dry_run=true. Raises Problem for unknown parameters."""
    if not scope["query_string"]:
        return False
    parameters = parameters_of(scope)
    for name in parameters.keys() - {"dry_run"}:
        raise invalid(name, "is not a parameter of this request")
    value = parameters.get("dry_run", "false")  # a query string may have no parameters, such as "&"
    if value not in {"true", "false"}:
        raise invalid("dry_run", "must be true or false")
    return value == "true"


async def read_body(scope: Scope, headers: Headers, receive: Receive, limit: int) -> bytes:
    """Read the whole body of a command, and note that it was read.

    Raises ClientLeft, and Problem: body_too_large, body_timeout, overloaded and unsupported_media_type.
    """
    body = await read_raw_body(scope, headers, receive, limit)
    if body:
        _check_media_type(headers)
    return body


async def read_raw_body(scope: Scope, headers: Headers, receive: Receive, limit: int) -> bytes:
    """Read a whole body of any media type, and note that it was read.

    Raises ClientLeft, and Problem: body_too_large, body_timeout and overloaded.
    """
    size = _size_told(headers)
    if size is not None and size > limit:
        raise body_too_large(limit)
    body = await receive_body(receive, limit, size)
    scope.setdefault(BODY_READ, []).append(len(body))
    return body


def _size_told(headers: Headers) -> int | None:
    """The size of the body in bytes, if it is told before: not if it comes in chunks, whatever else is said of it."""
    length = headers.get(b"content-length")
    if length is None or not length.isdigit() or b"transfer-encoding" in headers:
        return None
    return int(length) if len(length) <= _MOST_DIGITS else 10**_MOST_DIGITS


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


def read_json(body: bytes, within: Iterable[str] = ()) -> dict[str, Any]:
    """Parse a JSON object; an empty body is an empty object. Raises Problem: malformed_json, validation_failed.

    `within` names the fields that are commands themselves.
    """
    fields = _read_object(body)
    if repeats_names(body, fields, len(fields)):
        for path, name in repeated_names(body):
            raise name_twice(path, name)
    rounded = _may_be_rounded(fields) or any(_may_be_rounded(command) for command in _objects(fields, within))
    if rounded and (places := inexact_numbers(body)):
        raise _not_exact(places)
    return fields


def _objects(fields: dict[str, Any], names: Iterable[str]) -> list[dict[str, Any]]:
    return [fields[name] for name in names if isinstance(fields.get(name), dict)]


def read_batch(body: bytes, first: int = 0) -> tuple[dict[str, Any], dict[int, Problem]]:
    """Parse a batch, with the problem of each command that has a name twice, or a number that cannot be stored exactly.

    Raises Problem for a name that the batch itself has twice. `first` commands came before those of this body.
    """
    fields = _read_object(body, first)
    names = len(fields) + sum(map(len, _commands_of(fields)))
    repeated = _repeated_in_batch(body) if repeats_names(body, fields, names) else {}
    return fields, _inexact_in_batch(body, fields) | repeated


def _repeated_in_batch(body: bytes) -> dict[int, Problem]:
    problems: dict[int, Problem] = {}
    for path, name in repeated_names(body):
        match path:
            case ("commands", int() as index, *_):
                problems.setdefault(index, name_twice(path[2:], name))
            case _:
                raise name_twice(path, name)
    return problems


def _inexact_in_batch(body: bytes, fields: dict[str, Any]) -> dict[int, Problem]:
    if not any(map(_may_be_rounded, _commands_of(fields))):
        return {}
    wrong: dict[int, list[Place]] = {}
    for path, text in inexact_numbers(body):
        match path:
            case ("commands", int() as index, _, *_):
                wrong.setdefault(index, []).append(Place(path[2:], text))
    return {index: _not_exact(places) for index, places in wrong.items()}


def _commands_of(fields: dict[str, Any]) -> list[dict[str, Any]]:
    commands = fields.get("commands")
    return [one for one in commands if isinstance(one, dict)] if isinstance(commands, list) else []


def _may_be_rounded(fields: dict[str, Any]) -> bool:
    """Only the free fields of callers may contain a float."""
    for name in FREE_FIELDS:  # every command calls this, and a generator takes twice the time
        if name in fields and holds_float(fields[name]) and _can_be_valid(name, fields[name]):
            return True
    return False


def _can_be_valid(name: str, value: object) -> bool:
    """Whether a free field is small enough to be accepted. A larger one is refused for its size, rounded or not."""
    try:
        return len(orjson.dumps(value)) <= _LARGEST[name]
    except orjson.JSONEncodeError:  # nested too deep
        return False


def _read_object(body: bytes, first: int = 0) -> dict[str, Any]:
    if not body:
        return {}
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _unreadable(body, error, first) from error
    if not isinstance(value, dict):
        raise invalid("body", "must be a JSON object")
    return value


def _unreadable(body: bytes, error: orjson.JSONDecodeError, first: int) -> Problem:
    """The problem names a number such as NaN or 1e400, which cannot be stored; any other error is malformed_json."""
    places = [Place(_counted_from(path, first), text) for path, text in inexact_numbers(body)]
    return _not_exact(places) if places else Problem("malformed_json", f"The body is not JSON: {error}.")


def _counted_from(path: tuple[str | int, ...], first: int) -> tuple[str | int, ...]:
    match path:
        case ("commands", int() as index, *rest):
            return ("commands", first + index, *rest)
        case _:
            return path


def _not_exact(places: list[Place]) -> Problem:
    return validation_failed([_number_error(place) for place in places[:MAX_ERRORS]], len(places[MAX_ERRORS:]))


def _number_error(place: Place) -> dict[str, Any]:
    field = ".".join(map(str, place.path)) or "body"
    error = {"field": field, "message": _NOT_EXACT}
    return error | ({"value": place.text} if len(place.text) <= MAX_SHOWN else {})
