"""What an entry of the history says to its holder: what happened, in words, with the amount that goes with it."""

from collections.abc import Mapping
from typing import Any

from ledger.explain.event_titles import entry_title


def title_of(entry: Mapping[str, Any]) -> str:
    """What happened, in a word or two."""
    return entry_title(entry["type"], entry["source"])


def about(entry: Mapping[str, Any]) -> str:
    """What it was for: the caller's words, else the model or the task; an empty text when nothing was said."""
    usage = entry["usage"] or {}
    said = entry["description"] or usage.get("model") or entry["task_id"] or entry["transaction_id"]
    return str(said or "")


def origin(entry: Mapping[str, Any]) -> str:
    """Where it came from, beside what it was for: project, model, member."""
    usage = entry["usage"] or {}
    said = about(entry)
    parts = [usage.get(name) for name in ("project", "model", "member")]
    return " \N{MIDDLE DOT} ".join(str(part) for part in parts if part and part != said)


def beside(entry: Mapping[str, Any]) -> str:
    """Project and model of an entry, and its task where nothing describes it, for a table without room for columns."""
    usage = entry["usage"] or {}
    parts = (None if entry["description"] else entry["task_id"], usage.get("project"), usage.get("model"))
    return " \N{MIDDLE DOT} ".join(str(part) for part in parts if part)


def tokens(entry: Mapping[str, Any]) -> tuple[int | None, int | None, int | None]:
    """Input, output and both together; None for what was not said."""
    usage = entry["usage"] or {}
    given, made = usage.get("input_tokens"), usage.get("output_tokens")
    known = [count for count in (given, made) if count is not None]
    return given, made, sum(known) if known else None
