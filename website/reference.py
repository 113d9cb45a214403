"""The API reference: the OpenAPI document as pages, one for each tag, and one for the types that they share."""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from website.schemas import begun, described, fields_table, type_of, types_page

_TITLES = {"queries": "Queries", "health": "Health and metrics"}
_METHODS = ("get", "post", "put", "patch", "delete")


def reference_pages(document: dict[str, Any]) -> dict[str, str]:
    """The pages by their file names, in the order of the document; each begins with its title as `# ...`."""
    tagged = defaultdict(list)
    for path, operations in document["paths"].items():
        for method in _METHODS:
            if method in operations:
                operation = operations[method]
                tagged[operation.get("tags", ["other"])[0]].append(_section(document, method, path, operation))
    texts = {tag["name"]: tag.get("description", "") for tag in document.get("tags", [])}
    pages = {f"{_file(tag)}.md": _page(tag, texts.get(tag, ""), parts) for tag, parts in tagged.items()}
    return {**pages, "types.md": types_page(document)}


def _page(tag: str, text: str, sections: list[str]) -> str:
    title = _TITLES.get(tag, tag.capitalize())
    return "\n\n".join([f"# {title}", *([described(text)] if text else []), *sections]) + "\n"


def _file(tag: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", tag.lower())


def _section(document: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> str:
    """One operation: what it is for, its parameters and body, its answers."""
    parts = [f"## {operation.get('summary', path)}", f"```text\n{method.upper()} {path}\n```"]
    if text := operation.get("description"):
        parts.append(described(text))
    if parameters := [_resolved(document, one) for one in operation.get("parameters", [])]:
        parts.append(_table("parameter", "type", "meaning", rows=[_parameter(one) for one in parameters]))
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        parts.append(_body(document, media_type, content["schema"]))
    parts.append(_table("status", "answer", "meaning", rows=_answers(document, operation)))
    return "\n\n".join(parts)


def _body(document: dict[str, Any], media_type: str, schema: dict[str, Any]) -> str:
    said = f"The body is {type_of(schema)}, as `{media_type}`."
    resolved = _resolved(document, schema)
    return f"{said}\n\n{fields_table(resolved)}" if resolved.get("properties") else said


def _parameter(parameter: dict[str, Any]) -> tuple[str, str, str]:
    place = {"path": "In the path", "query": "In the query", "header": "A header"}[parameter["in"]]
    needed = ", required" if parameter.get("required") and parameter["in"] != "path" else ""
    return (
        f"`{parameter['name']}`",
        type_of(parameter["schema"]),
        f"{place}{needed}. {begun(parameter.get('description', ''))}",
    )


def _answers(document: dict[str, Any], operation: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for status, answer in sorted(operation["responses"].items()):
        found = _resolved(document, answer)
        types = [
            f"{type_of(content['schema'])}" if content.get("schema") else f"`{media_type}`"
            for media_type, content in found.get("content", {}).items()
        ]
        yield status, " or ".join(dict.fromkeys(types)), found.get("description", "")


def _table(*heads: str, rows: Any) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(described(cell, cell=True) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _resolved(document: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """What a reference means, or the value itself."""
    while "$ref" in value:
        found = document
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        value = found
    return value
