"""Files that people write: TOML, or JSON, read strictly. What is wrong is told in one line that names the fields."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

LARGEST = 1024 * 1024
"""The size of the largest file, in bytes."""
_SHOWN = 5
"""The faults of a file that its refusal names."""
_NAME = "[key]"
"""What pydantic puts behind a name that is wrong itself."""
ModelT = TypeVar("ModelT", bound=BaseModel)


def read_document(path: Path, kind: type[ModelT], wrong: type[Exception]) -> ModelT:
    """Read a file as a model. Raises `wrong`, in one line, for one that cannot be read or is no such thing."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise wrong(f"{path}: {error.strerror or error}") from error
    return document_in(str(path), content, kind, wrong)


def document_in(name: str, content: bytes, kind: type[ModelT], wrong: type[Exception]) -> ModelT:
    """Read what is in a file with a name as a model. Raises `wrong`, in one line, for what is no such thing."""
    if len(content) > LARGEST:
        raise wrong(f"{name}: has more than {LARGEST} bytes")
    try:
        return kind.model_validate(_parsed(name, content, wrong))
    except ValidationError as error:
        raise wrong(f"{name}: {'; '.join(_faults(error))}") from error


def _parsed(name: str, content: bytes, wrong: type[Exception]) -> Any:
    format_ = "JSON" if name.endswith(".json") else "TOML"
    try:
        return orjson.loads(content) if format_ == "JSON" else tomllib.loads(content.decode())
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise wrong(f"{name}: is not {format_}: {error}") from error


def _faults(error: ValidationError) -> Iterator[str]:
    """Each fault as a sentence that begins with the path of its field."""
    details = error.errors(include_url=False)
    for detail in details[:_SHOWN]:
        path = ".".join(str(part) for part in detail["loc"] if part != _NAME)
        yield f"{path} {_message(detail)}".strip()
    if len(details) > _SHOWN:
        yield f"and {len(details) - _SHOWN} more"


def _message(detail: ErrorDetails) -> str:
    match detail["type"]:
        case "extra_forbidden":
            return "is not a field"
        case "missing":
            return "is required"
        case "value_error":
            return str((detail.get("ctx") or {})["error"])
    return detail["msg"][:1].lower() + detail["msg"][1:]
