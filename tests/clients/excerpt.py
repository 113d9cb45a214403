"""An excerpt of an OpenAPI document, for generators that take long: a few operations, with every shape of the whole.

A shape is what a generator has to know: a method, a kind of parameter, a content type, and the keywords of a schema
without their values and without limits. Two objects with other fields are of one shape.
"""

from collections.abc import Collection, Hashable, Iterable, Iterator
from itertools import chain
from typing import Any

Document = dict[str, Any]
Shapes = frozenset[Hashable]
_METHODS = ("get", "put", "post", "patch", "delete")
_WORDS = {"title", "description", "summary", "example", "examples", "operationId", "tags", "security", "default"}
"""What is for people, or makes no other code."""
_LIMITS = {"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}
_LIMITS |= {"pattern", "uniqueItems"}
_NAMED = {"properties", "patternProperties", "responses", "content", "headers", "mapping"}
"""Whose keys are names, or statuses or content types, and no keywords."""
_REF = "#/components/"


def excerpt(document: Document, wanted: Collection[str]) -> Document:
    """The document with the wanted operations, by their ids, and as few others as have all shapes with them."""
    shapes = shapes_of(document)
    chosen = list(wanted)
    missing = together(shapes.values()) - together(shapes[name] for name in chosen)
    while missing:
        best = max(sorted(shapes), key=lambda name: len(shapes[name] & missing))
        chosen.append(best)
        missing -= shapes[best]
    return _only(document, chosen)


def operations(document: Document) -> dict[str, tuple[str, str, Document]]:
    """The path, the method and the description of each operation by its id."""
    return {
        item[method]["operationId"]: (path, method, item[method])
        for path, item in document["paths"].items()
        for method in _METHODS
        if method in item
    }


def together(shapes: Iterable[Shapes]) -> Shapes:
    """All of some shapes."""
    return frozenset(chain.from_iterable(shapes))


def shapes_of(document: Document) -> dict[str, Shapes]:
    """The shapes of each operation, and of all that it names, by its id."""
    return {
        name: together([frozenset([method]), *(frozenset(_shapes(part)) for _, part in _named(document, operation))])
        for name, (_, method, operation) in operations(document).items()
    }


def _only(document: Document, chosen: Collection[str]) -> Document:
    """The document with these operations, and with the components that they name."""
    paths: Document = {}
    components: Document = {"securitySchemes": document["components"].get("securitySchemes", {})}
    for path, method, operation in (operations(document)[name] for name in chosen):
        paths.setdefault(path, {})[method] = operation
        for reference, part in _named(document, operation):
            if reference:
                kind, name = reference.removeprefix(_REF).split("/")
                components.setdefault(kind, {})[name] = part
    return {**document, "paths": paths, "components": components}


def _named(document: Document, operation: Document) -> Iterator[tuple[str, Document]]:
    """The operation, without a name, and all components that it names, also by way of others."""
    seen, waiting = {""}, [("", operation)]
    while waiting:
        reference, part = waiting.pop()
        yield reference, part
        for other in set(_references(part)) - seen:
            seen.add(other)
            kind, name = other.removeprefix(_REF).split("/")
            waiting.append((other, document["components"][kind][name]))


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, str) and part.startswith(_REF):
        yield part
    elif isinstance(part, dict | list):
        for value in part.values() if isinstance(part, dict) else part:
            yield from _references(value)


def _shapes(part: Any) -> Iterator[Hashable]:
    """The shapes within a part of the document."""
    if isinstance(part, list):
        for value in part:
            yield from _shapes(value)
    elif isinstance(part, dict):
        keywords = frozenset(part) - _WORDS - _LIMITS
        yield keywords, *(str(part.get(word)) for word in ("type", "format", "in"))
        yield from part.get("content", ())
        for key in keywords:
            yield from _shapes(list(part[key].values()) if key in _NAMED else part[key])
