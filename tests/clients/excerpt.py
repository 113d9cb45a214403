"""A part of the OpenAPI document with something of each kind: what is generated of it is compiled in seconds."""

import re
from collections.abc import Mapping
from typing import Any

OPERATIONS = frozenset({"open_account", "deduct", "hold", "capture_hold", "batch", "list_grants", "get_deduction"})
"""Bodies of two forms and of none, problems with facts, results that differ by a word, pages, and what is expanded."""
_REFERENCE = re.compile(r"'#/components/(\w+)/([^']+)'")


def excerpt(document: Mapping[str, Any], operations: frozenset[str] = OPERATIONS) -> dict[str, Any]:
    """The document with some operations alone, and the components that they refer to."""
    paths = {
        path: {method: found for method, found in item.items() if found["operationId"] in operations}
        for path, item in document["paths"].items()
    }
    paths = {path: item for path, item in paths.items() if item}
    assert sum(map(len, paths.values())) == len(operations)
    named: set[tuple[str, str]] = set()
    new = _named(paths)
    while new:
        named |= new
        new = {found for kind, name in new for found in _named(document["components"][kind][name])} - named
    components = {
        kind: {name: part for name, part in parts.items() if kind == "securitySchemes" or (kind, name) in named}
        for kind, parts in document["components"].items()
    }
    return {**document, "paths": paths, "components": components}


def _named(part: Any) -> set[tuple[str, str]]:
    return set(_REFERENCE.findall(repr(part)))
