"""Upcasts: they convert stored data of old event versions to the newest version.

Every stored event contains the version of its type (`schema`). Stored events are never rewritten: when the meaning of a
type changes, its number in SCHEMAS goes up, and UPCASTS gets a function from the old data to the new. tests/golden
keeps the bytes of every version, and they must stay readable for ever.
"""

from collections.abc import Callable, Mapping
from typing import Any

Data = dict[str, Any]

SCHEMAS: Mapping[str, int] = {}
"""The newest version of each type; types without an entry are at version 1."""

UPCASTS: Mapping[tuple[str, int], Callable[[Data], Data]] = {}
"""(type, version): the function that converts data of that version to the next one."""


def schema_of(topic: str) -> int:
    """The version in which a type is written now."""
    return SCHEMAS.get(topic, 1)


def upcast(topic: str, schema: int, data: Data) -> Data:
    """Convert data of any version to the newest. Raises ValueError for a version that this program does not know."""
    newest = schema_of(topic)
    if schema > newest:
        raise ValueError(f"{topic} is stored in version {schema} and this program knows {newest}: update the program")
    for version in range(schema, newest):
        data = UPCASTS[topic, version](data)
    return data
