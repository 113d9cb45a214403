"""The fields of the form that updates an account: what they have at first, and what of it an operator has changed.

The form posts back what its fields had at first, or a digest of it. What is as it was is no part of the command.
"""

from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Any, Literal

import orjson

from ledger.domain.errors import InvalidField
from ledger.domain.profile import Labels, check_labels
from ledger.readable_texts import ProfileTexts

Input = Literal["text", "json", "labels"]
BEFORE = "_before"
"""The end of the name of a hidden field that has what a field had at first."""


def filled(texts: ProfileTexts, labels: Labels) -> dict[str, str]:
    """The values of the form's fields for an account."""
    metadata = orjson.dumps(texts.metadata, option=orjson.OPT_SORT_KEYS).decode() if texts.metadata else ""
    description, lines = texts.description or "", "\n".join(f"{name}={value}" for name, value in labels.items())
    return {
        "description": description,
        "metadata": metadata,
        "labels": lines,
        f"description{BEFORE}": _digest(description),
        f"metadata{BEFORE}": _digest(metadata),
        f"labels{BEFORE}": lines,
    }


def changed(kind: Input, name: str, given: Mapping[str, str]) -> Any:
    """The value of a field for the command; None when it is as it was. Raises ValueError with a sentence."""
    text, before = given.get(name, "").replace("\r\n", "\n"), given.get(f"{name}{BEFORE}", "").replace("\r\n", "\n")
    match kind:
        case "text":
            return None if _digest(text) == before else text
        case "json":
            return None if _digest(text) == before else _object(text)
        case "labels":
            return _changes(_pairs(before), _pairs(text)) or None


def _digest(text: str) -> str:
    return sha256(text.strip().encode()).hexdigest()


def _object(text: str) -> dict[str, Any]:
    with suppress(orjson.JSONDecodeError):
        value = orjson.loads(text or "{}")
        if isinstance(value, dict):
            return value
    raise ValueError("Enter a JSON object, or nothing.")


def _pairs(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in filter(str.strip, text.split("\n")):
        name, is_pair, value = (part.strip() for part in line.partition("="))
        if not (name and is_pair and value):
            raise ValueError("Enter one label on each line, such as plan=pro.")
        if name in found:
            raise ValueError(f"The label {name} is there twice.")
        found[name] = value
    return found


def _changes(before: dict[str, str], after: dict[str, str]) -> dict[str, str | None]:
    new = {name: value for name, value in after.items() if before.get(name) != value}
    try:
        check_labels(new)
    except InvalidField as error:
        raise ValueError(f"This is no label: {error.message}") from error
    return {**new, **dict.fromkeys(name for name in before if name not in after)}
