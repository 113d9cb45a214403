"""Schemas in words: the type of a value in a table, the fields of an object, the page of all types."""

import json
import re
from typing import Any

_CODE = re.compile(r"(`[^`]*`)")
_TYPES = "types.md"
_NAMES = {"integer": "integer", "number": "number", "string": "text", "boolean": "true or false", "null": "null"}


def types_page(document: dict[str, Any]) -> str:
    """A section for each type that the document names, in alphabetical order."""
    schemas = document.get("components", {}).get("schemas", {})
    sections = [_type_section(name, schema) for name, schema in sorted(schemas.items(), key=lambda one: one[0].lower())]
    return "\n\n".join(["# Types", *sections]) + "\n"


def _type_section(name: str, schema: dict[str, Any]) -> str:
    parts = [f"## {name}"]
    if text := schema.get("description"):
        parts.append(described(text))
    if schema.get("properties"):
        parts.append(fields_table(schema))
    else:
        parts.append(f"This is {type_of(schema)}.")
    return "\n\n".join(parts)


def fields_table(schema: dict[str, Any]) -> str:
    """The fields of an object: their types, defaults, and what they mean."""
    required = set(schema.get("required", []))
    lines = ["| field | type | meaning |", "|---|---|---|"]
    for name, field in schema["properties"].items():
        needed = "" if name in required else _default(field)
        text = " ".join(part for part in (needed, begun(field.get("description", ""))) if part)
        lines.append(f"| `{name}` | {described(type_of(field), cell=True)} | {described(text, cell=True)} |")
    return "\n".join(lines)


def _default(field: dict[str, Any]) -> str:
    given = field.get("default")
    return "Optional." if given is None else f"Default: `{json.dumps(given)}`."


def type_of(schema: dict[str, Any]) -> str:
    """A type in a few words, with a link to its section if it has a name."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}]({_TYPES}#{name.lower()})"
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return " or ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    for several in ("oneOf", "anyOf", "allOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(type_of(one) for one in schema[several]))
    return _plain(schema)


def _plain(schema: dict[str, Any]) -> str:
    kind = schema.get("type", "anything")
    if isinstance(kind, list):
        return " or ".join(_plain({**schema, "type": one}) for one in kind)
    if kind == "array":
        return f"list of {type_of(schema.get('items', {}))}{_between(schema, 'minItems', 'maxItems', 'of them')}"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"object of {type_of(values)}" if isinstance(values, dict) and values else "object"
    if kind == "string":
        named = schema.get("format", "text")
        return f"{named}{_between(schema, 'minLength', 'maxLength', 'characters')}"
    return f"{_NAMES.get(kind, kind)}{_between(schema, 'minimum', 'maximum')}"


def _between(schema: dict[str, Any], least: str, most: str, unit: str = "") -> str:
    low, high = schema.get(least), schema.get(most)
    match low, high:
        case None, None:
            return ""
        case _, None:
            words = f"at least {low:,}"
        case None, _:
            words = f"at most {high:,}"
        case _:
            words = f"{low:,} to {high:,}"
    return f", {words} {unit}".rstrip()


def begun(text: str) -> str:
    """A description as a sentence after another."""
    return text[:1].upper() + text[1:]


def described(text: str, *, cell: bool = False) -> str:
    """A description as Markdown: what is no code has no HTML; in a cell of a table there is one line and no bar."""
    parts = _CODE.split(text)
    parts[::2] = [part.replace("<", "&lt;") for part in parts[::2]]
    escaped = "".join(parts)
    return re.sub(r"\s+", " ", escaped).replace("|", r"\|").strip() if cell else escaped
