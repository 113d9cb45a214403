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
        return kind.model_validate(_parsed(path, wrong))
    except OSError as error:
        raise wrong(f"{path}: {error.strerror or error}") from error
    except ValidationError as error:
        raise wrong(f"{path}: {'; '.join(_faults(error))}") from error


def _parsed(path: Path, wrong: type[Exception]) -> Any:
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise wrong(f"{path}: has more than {LARGEST} bytes")
    format_ = "JSON" if path.suffix == ".json" else "TOML"
    try:
        return orjson.loads(content) if format_ == "JSON" else tomllib.loads(content.decode())
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise wrong(f"{path}: is not {format_}: {error}") from error


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
