"""Makes the files of the client that are not written by hand, and the wheel.

.venv/bin/python -m clients.python.making          types.py and _sync.py
.venv/bin/python -m clients.python.making --wheel  and the wheel, in clients/python/dist
"""

import keyword
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clients.document import document

Schema = Mapping[str, Any]
ROOT = Path(__file__).parent
PACKAGE = ROOT / "src" / "credit_ledger_client"
_WORDS = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
}
_LONGEST = 100
"""Characters of a sentence."""
_SYNC = (
    (r"async (def|with|for) ", r"\1 "),
    (r"\bawait ", ""),
    (r"\bAsync(Ledger|Account|Hold|Client|Iterator)\b", r"\1"),
    (r"\baclose\b", "close"),
    (r"\baread\b", "read"),
    (r"\baiter_lines\b", "iter_lines"),
    (r"__aenter__", "__enter__"),
    (r"__aexit__", "__exit__"),
    (r"asyncio\.sleep", "time.sleep"),
    (r"for one in page\[name\]:\n +yield one", "yield from page[name]"),
    (r"import asyncio\nimport json\n", "import json\nimport time\n"),
    (
        r'"""The client for asyncio.*?"""\n',
        '"""The client without asyncio. Made of `_async.py`; see clients/python/making.py."""\n',
    ),
)


def sync_of(source: str) -> str:
    """The module without asyncio, from the one with it."""
    for pattern, text in _SYNC:
        source = re.sub(pattern, text, source)
    return source


def types_of(document: Schema) -> str:
    """The module of types, from the OpenAPI document: a TypedDict for each object, and names for unions of them.

    It has what the client names, and what that refers to.
    """
    schemas = _used(document["components"]["schemas"])
    objects = [_object(name, schema) for name, schema in schemas.items() if "properties" in schema]
    others = {name: _written(schema) for name, schema in schemas.items() if "properties" not in schema}
    in_order = sorted(others, key=lambda name: any(re.search(rf"\b{other}\b", others[name]) for other in others))
    aliases = [f"{name}: TypeAlias = {others[name]}" for name in in_order]
    return "\n\n\n".join([_HEAD, *objects, "\n".join(aliases)]) + "\n"


def _used(schemas: Mapping[str, Schema]) -> dict[str, Schema]:
    told = (PACKAGE / "_async.py").read_text() + (PACKAGE / "_bodies.py").read_text()
    used: set[str] = set()
    found = set(re.findall(r"\w+", told)) & schemas.keys()
    while found:
        used |= found
        named = {name for one in found for name in re.findall(r"#/components/schemas/(\w+)", repr(schemas[one]))}
        found = named - used
    return {name: schema for name, schema in schemas.items() if name in used}


_HEAD = '''"""The bodies, answers and problems of the API. Made of its document; see clients/python/making.py."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict, final'''


def _object(name: str, schema: Schema) -> str:
    needed = schema.get("required", ())
    fields = {
        field: _written(part) if field in needed else f"NotRequired[{_written(part)}]"
        for field, part in schema["properties"].items()
    }
    assert not any(map(keyword.iskeyword, fields)), f"{name} has a field that Python cannot name"
    lines = ["@final", f"class {name}(TypedDict):", f'    """{_sentence(schema, name)}"""', ""]
    return "\n".join([*lines, *(f"    {field}: {kind}" for field, kind in fields.items())]).rstrip()


def _sentence(schema: Schema, name: str) -> str:
    """The first sentence of what a schema says of itself, or the beginning of one that is long."""
    first = re.split(r"(?<=[.:])\s", " ".join(str(schema.get("description", name)).split()))[0]
    return first if len(first) < _LONGEST else f"{first[: _LONGEST - 4].rsplit(' ', 1)[0]} ..."


def _written(schema: Schema) -> str:
    """A schema as an annotation."""
    match schema:
        case {"$ref": str(name)}:
            return name.rpartition("/")[2]
        case {"const": value}:
            return f"Literal[{value!r}]"
        case {"enum": list(values)}:
            return f"Literal[{', '.join(map(repr, values))}]"
        case {"anyOf": list(parts)} | {"oneOf": list(parts)}:
            return " | ".join(dict.fromkeys(map(_written, parts)))
        case {"type": "array", "items": items}:
            return f"list[{_written(items)}]"
        case {"type": "object", "additionalProperties": dict(of)} if of:
            return f"dict[str, {_written(of)}]"
        case {"type": "object"}:
            return "dict[str, Any]"
        case {"type": str(word)}:
            return _WORDS[word]
        case _:
            return "Any"


def made() -> dict[Path, str]:
    """Each file that is made, and its text."""
    texts = {
        PACKAGE / "types.py": types_of(document()),
        PACKAGE / "_sync.py": sync_of((PACKAGE / "_async.py").read_text()),
    }
    return {path: _formatted(path, text) for path, text in texts.items()}


def _formatted(path: Path, text: str) -> str:
    """A text as ruff would have it."""
    for command in (["check", "--select", "I", "--fix"], ["format"]):
        text = _run("ruff", *command, "--quiet", "--stdin-filename", str(path), "-", said=text)
    return text


def _run(program: str, *arguments: str, said: str = "") -> str:
    """Run a program of this environment."""
    path = str(Path(sys.executable).with_name(program))
    return subprocess.run([path, *arguments], input=said, capture_output=True, text=True, check=True).stdout  # noqa: S603


if __name__ == "__main__":
    for path, text in made().items():
        path.write_text(text)
    if "--wheel" in sys.argv:
        print(_run("uv", "build", "--wheel", str(ROOT)))  # noqa: T201
