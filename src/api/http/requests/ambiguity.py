"""Ambiguous requests are refused: what may come once and comes twice, and what is not UTF-8 when percent-decoded.

Two programs that read such a request may understand two things: a proxy the first value, and this service the last.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

import orjson
from starlette.types import Scope

from api.contract.exact_numbers import Path, below, read_exactly
from api.contract.problems import Problem, invalid

_ONCE = frozenset(
    (
        b"authorization",
        b"content-length",
        b"content-type",
        b"host",
        b"idempotency-key",
        b"last-event-id",
        b"origin",
        b"sec-fetch-dest",
        b"sec-fetch-site",
        b"sec-purpose",
        b"x-position",
    )
)
"""The headers that are no lists (RFC 9110, 5.3), of those that are read."""
_REPLACED = "\N{REPLACEMENT CHARACTER}"
"""What a server puts where the bytes of an address are not UTF-8."""
_NOT_UTF8 = "must be UTF-8 when it is percent-decoded"
_TWICE = "must come once"
_PARAMETERS = "credit_ledger.parameters"
"""The entry of an ASGI scope that has the parameters of its query."""


def check_unambiguous(scope: Scope, headers: Mapping[bytes, bytes]) -> None:
    """Check the path of a request, and its headers, which are given by their names too. Raises Problem."""
    if len(headers) != len(scope["headers"]):
        _check_headers(name for name, _ in scope["headers"])
    if _REPLACED in scope["path"] and not _is_utf8(unquote_to_bytes(scope.get("raw_path") or b"%ff")):
        raise invalid("path", _NOT_UTF8)


def _check_headers(names: Iterable[bytes]) -> None:
    seen = set()
    for name in names:
        if name in _ONCE and name in seen:
            raise invalid(name.decode().title(), _TWICE)
        seen.add(name)


def parameters_of(scope: Scope) -> dict[str, str]:
    """The parameters of the query, which are read once for each request. Raises Problem."""
    query: bytes = scope["query_string"]
    if not query:
        return {}
    found: dict[str, str] | None = scope.get(_PARAMETERS)
    if found is None:
        found = scope[_PARAMETERS] = _parameters_in(query)
    return found


def _parameters_in(query: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise invalid("query", _NOT_UTF8) from None
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise invalid(_first_repeated(name for name, _ in pairs), _TWICE)
    return parameters


def _first_repeated(names: Iterable[str]) -> str:
    seen = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    raise AssertionError("no name is repeated")


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


# Names in JSON ---------------------------------------------------------------------------------------------------


def repeats_names(document: bytes, value: Any, names: int = 0) -> bool:
    """Whether an object of a JSON document has a name twice; `value` is what orjson made of it, with the last one.

    `names` is a number of names that the caller knows to be in the value: if there is no other colon, this is quick.

    A document has one colon for each name, and those within its texts. The value, written again, has the same colons,
    less those of what was dropped. A colon within a text may also be written as an escape. What is nested deeper than
    orjson writes is read again.
    """
    colons = document.count(b":")
    if colons == names:
        return False
    if b"\\u003" in document:
        plain = document.replace(b"\\\\", b"__")  # a backslash that is left begins an escape
        colons += plain.count(b"\\u003a") + plain.count(b"\\u003A")
    try:
        return colons != orjson.dumps(value).count(b":")
    except orjson.JSONEncodeError:
        return next(repeated_names(document), None) is not None


class Repeated:
    """In place of an object: the name that it has twice."""

    def __init__(self, name: str) -> None:
        self.name = name


def repeated_names(document: bytes) -> Iterator[tuple[Path, str]]:
    """The objects of a document that have a name twice: the path of each, and the name.

    The document is one that orjson reads. What orjson has dropped of it may be nested deeper than any command may be.
    """
    whole = read_exactly(document, object_pairs_hook=_as_object)
    waiting: list[tuple[Path, Any]] = [((), whole)]
    for path, part in waiting:
        if isinstance(part, Repeated):
            yield path, part.name
        elif isinstance(part, dict):
            waiting += [(below(path, name), value) for name, value in part.items() if _may_hold(value)]
        elif isinstance(part, list):
            waiting += [(below(path, index), value) for index, value in enumerate(part) if _may_hold(value)]


def _as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Repeated:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Repeated(_first_repeated(name for name, _ in pairs))


def _may_hold(value: Any) -> bool:
    return isinstance(value, dict | list | Repeated)


def name_twice(path: Path, name: str) -> Problem:
    """The problem of an object that has a name twice."""
    return invalid(".".join(map(str, (*path, name))), _TWICE)
