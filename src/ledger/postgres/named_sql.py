"""SQL is written as SQL: this reads `-- name: x` sections out of a .sql file."""

import re
from functools import cache
from importlib.resources import files
from typing import LiteralString

_SECTION = re.compile(r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", re.DOTALL | re.MULTILINE)


@cache
def queries(package: str, path: str = "sql/queries.sql") -> dict[str, LiteralString]:
    """The statements of a file in the folder of a package, by their names, without their comments."""
    text = files(package).joinpath(path).read_text()
    return {title: _statement(body) for title, body in _SECTION.findall(text)}


def _statement(body: LiteralString) -> LiteralString:
    return re.sub(r"^\s*--.*\n", "", body, flags=re.MULTILINE).strip().rstrip(";")
