"""The schemas of problems, one for each code with its facts, and the responses that name them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from api.contract.openapi.facts import FACTS
from api.contract.openapi.schemas import SCHEMAS, Schema, reference
from api.contract.problems import PROBLEM_JSON, STATUSES

CODES = "x-problems"
"""Where a response has the codes of its problems until the document is whole."""
_MOST_NAMED = 8
"""How many codes a description repeats."""
_OFTEN = 3
"""A response of as many operations has a place of its own in the document."""
_RESPONSES = "#/components/responses/"
_OF_QUERIES = "not_yet_visible"
_USUAL: Mapping[int, Sequence[str]] = {
    400: ["malformed_json"],
    401: ["unauthenticated"],
    403: ["missing_scope"],
    413: ["body_too_large"],
    422: ["validation_failed"],
    429: ["rate_limited"],
    503: ["overloaded", "unavailable", "storage_full", "projection_unavailable", "query_timeout"],
}
"""The problems of routes that name none."""
_MANIFOLD = frozenset({401, 403, 404, 409, 410, 422})
"""The statuses of which routes outside of /v1 can have any problem, unless they name some."""


def problem_response(status: int, *codes: str) -> Schema:
    """How a route announces the problems of one status: those that are named, or the usual ones of such a route."""
    for code in codes:
        assert STATUSES[code][0] == status, f"{code} is not of status {status}"
    return {"description": "", CODES: list(codes)}


def problem_name(code: str) -> str:
    """The name of the schema of a code."""
    return "".join(word.capitalize() for word in code.split("_")) + "Problem"


def problem_schemas(facts: Mapping[Any, Schema]) -> dict[str, Schema]:
    """A schema for each code. `facts` has the schemas of the types in FACTS."""
    return {problem_name(code): _schema(code, facts) for code in STATUSES}


def _schema(code: str, facts: Mapping[Any, Schema]) -> Schema:
    status, title = STATUSES[code]
    named = FACTS.get(code, {})
    return {
        "title": problem_name(code),
        "description": f"{title}.",
        "type": "object",
        "properties": {
            "type": {"type": "string", "const": f"urn:credit-ledger:problem:{code}"},
            "title": {"type": "string"},
            "status": {"type": "integer", "const": status},
            "code": {"type": "string", "const": code},
            "detail": {"type": "string"},
            **{name.rstrip("?"): facts[kind] for name, kind in named.items()},
        },
        "required": ["type", "title", "status", "code", "detail", *(name for name in named if name[-1] != "?")],
    }


def union_of(codes: Sequence[str]) -> Schema:
    """The schema of a problem that has one of some codes."""
    if len(codes) == 1:
        return reference(problem_name(codes[0]))
    mapping = {code: SCHEMAS + problem_name(code) for code in codes}
    return {
        "oneOf": [reference(problem_name(code)) for code in codes],
        "discriminator": {"propertyName": "code", "mapping": mapping},
    }


def announce(method: str, path: str, responses: dict[str, Any]) -> None:
    """Give the responses of a route the schemas of their problems."""
    for status, response in responses.items():
        if CODES in response:
            codes = response.pop(CODES) or _usual(method, path, int(status))
            content = {PROBLEM_JSON: {"schema": union_of(codes)}}
            responses[status] = _described(codes) | {"content": content} | _headers(int(status), codes)


def _usual(method: str, path: str, status: int) -> Sequence[str]:
    all_of_it = [code for code, (its, _) in STATUSES.items() if its == status]
    if method != "get":
        all_of_it = [code for code in all_of_it if code != _OF_QUERIES]
    if not path.startswith("/v1/") and status in _MANIFOLD:
        return all_of_it
    if status == HTTPStatus.NOT_FOUND and "{account_id}" in path:
        return ["account_not_found"]
    if status == HTTPStatus.CONFLICT and method == "get":
        return [_OF_QUERIES]
    return _USUAL.get(status, all_of_it)


def _described(codes: Sequence[str]) -> Schema:
    named = [f"`{code}`" for code in codes[:_MOST_NAMED]]
    more = f" or one of {len(codes) - _MOST_NAMED} others" if len(codes) > _MOST_NAMED else ""
    listed = f"{', '.join(named[:-1])} or {named[-1]}" if len(named) > 1 and not more else ", ".join(named)
    return {"description": listed + more}


def _headers(status: int, codes: Sequence[str]) -> Schema:
    waits = status in {429, 503} or _OF_QUERIES in codes
    retry = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
    return {"headers": retry} if waits else {}


def share(document: Schema) -> None:
    """Put each problem response that many operations have into the components once, and refer to it."""
    places = [
        (operation["responses"], status)
        for item in document["paths"].values()
        for operation in item.values()
        for status, response in operation["responses"].items()
        if PROBLEM_JSON in response.get("content", {})
    ]
    times = Counter(repr(responses[status]) for responses, status in places)
    shared: dict[str, Schema] = {}
    for responses, status in sorted(places, key=lambda place: -times[repr(place[0][place[1]])]):
        response = responses[status]
        name = _response_name(status, response)
        if times[repr(response)] >= _OFTEN and shared.setdefault(name, response) == response:
            responses[status] = {"$ref": _RESPONSES + name}
    document["components"]["responses"] = dict(sorted(shared.items()))


def _response_name(status: str, response: Schema) -> str:
    schema = response["content"][PROBLEM_JSON]["schema"]
    if "$ref" in schema:
        found: str = schema["$ref"].removeprefix(SCHEMAS)
        return found.removesuffix("Problem")
    return HTTPStatus(int(status)).name.title().replace("_", "")


def types_of_facts() -> Iterable[Any]:
    """The types in FACTS, each once."""
    return {kind: None for named in FACTS.values() for kind in named.values()}
