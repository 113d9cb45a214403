"""Old versions of events, made readable.

Every stored event says which version of its type it is (`schema`). What is stored is never rewritten: when the meaning
of a type changes, its number in SCHEMAS goes up and UPCASTS gets a function from the old data to the new. The bytes of
every version that ever was are kept under tests/golden, and must stay readable for ever.
"""

from collections.abc import Callable, Mapping
from typing import Any

Data = dict[str, Any]

SCHEMAS: Mapping[str, int] = {}
"""The newest version of each type; types that are not named are at 1."""

UPCASTS: Mapping[tuple[str, int], Callable[[Data], Data]] = {}
"""(type, version) -> a function that takes data of that version to the next one."""


def schema_of(topic: str) -> int:
    """The version in which a type is written today."""
    return SCHEMAS.get(topic, 1)


def upcast(topic: str, schema: int, data: Data) -> Data:
    """Data of any version of a type as data of the newest. Raises ValueError for a version from the future."""
    newest = schema_of(topic)
    if schema > newest:
        raise ValueError(f"{topic} is stored in version {schema} and this program knows {newest}: update the program")
    for version in range(schema, newest):
        data = UPCASTS[topic, version](data)
    return data
