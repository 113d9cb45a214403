"""Reads named statements, sections that begin with `-- name: x`, from a .sql file."""

import re
from functools import cache
from importlib.resources import files
from typing import LiteralString

_SECTION = re.compile(r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", re.DOTALL | re.MULTILINE)


@cache
def queries(package: str, path: str = "sql/queries.sql") -> dict[str, LiteralString]:
    """The statements of a file in a package's folder, by name, without their comments."""
    text = files(package).joinpath(path).read_text()
    return {title: _statement(body) for title, body in _SECTION.findall(text)}


def _statement(body: LiteralString) -> LiteralString:
    return re.sub(r"^\s*--.*\n", "", body, flags=re.MULTILINE).strip().rstrip(";")
