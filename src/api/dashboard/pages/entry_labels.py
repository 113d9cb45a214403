"""Labels of history entries on a page: a title, the description, the origin, the token counts and what was measured."""

from collections.abc import Callable, Mapping
from typing import Any

from api.dashboard.formatting import Formatter, plural
from ledger.explain.event_titles import entry_title


def title_of(entry: Mapping[str, Any]) -> str:
    """What happened, in a few words."""
    return entry_title(entry["type"], entry["source"])


def description_of(entry: Mapping[str, Any]) -> str:
    """The caller's description, else the model, the task or the transaction; an empty text if the caller gave none."""
    usage = entry["usage"] or {}
    text = entry["description"] or usage.get("model") or entry["task_id"] or entry["transaction_id"]
    return str(text or "")


def uncollected_of(entry: Mapping[str, Any], number: Callable[[int], str]) -> str:
    """What more was asked for and not available, or what of it is waived; an empty text for nothing."""
    amount = entry["uncollected"]
    if not amount:
        return ""
    return f"{number(amount)} more not available" if amount > 0 else f"{number(-amount)} waived"


def other_account_of(entry: Mapping[str, Any]) -> str:
    """Where credits of a transfer went, or where they came from; an empty text for any other entry."""
    other = entry["other_account_id"]
    if not other:
        return ""
    return f"{'to' if entry['credits'] < 0 else 'from'} {other}"


def origin_of(entry: Mapping[str, Any], names: Mapping[str, str] | None = None) -> str:
    """The other account of a transfer; project, model and member, without the one that is the description already.

    `names` are what members are called, by their ids.
    """
    usage, description, member = entry["usage"] or {}, description_of(entry), (entry["usage"] or {}).get("member")
    called = (names or {}).get(member, member) if member else None
    parts = [other_account_of(entry), usage.get("project"), usage.get("model"), called]
    return " \N{MIDDLE DOT} ".join(str(part) for part in parts if part and part != description)


def task_and_origin(entry: Mapping[str, Any]) -> str:
    """Project and model, and the task if there is no description: one text for a screen too narrow for columns."""
    usage = entry["usage"] or {}
    parts = (None if entry["description"] else entry["task_id"], usage.get("project"), usage.get("model"))
    return " \N{MIDDLE DOT} ".join(str(part) for part in parts if part)


def token_counts(entry: Mapping[str, Any]) -> tuple[int | None, int | None, int | None]:
    """Input tokens, output tokens, and all tokens with those from a cache; None for what the caller did not give."""
    usage = entry["usage"] or {}
    inputs, outputs = usage.get("input_tokens"), usage.get("output_tokens")
    known = [count for count in (inputs, outputs, usage.get("cached_tokens")) if count is not None]
    return inputs, outputs, sum(known) if known else None


def measures(entry: Mapping[str, Any], formatter: Formatter) -> str:
    """How much, tokens from a cache, how long, whether it failed and when it occurred, as far as the caller said so."""
    usage, occurred_at = entry["usage"] or {}, entry["occurred_at"]
    parts = []
    if "quantity" in usage:
        parts.append(plural(usage["quantity"], "unit", formatter.number(usage["quantity"])))
    if "cached_tokens" in usage:
        parts.append(plural(usage["cached_tokens"], "cached token", formatter.number(usage["cached_tokens"])))
    if "duration_ms" in usage:
        parts.append(formatter.duration(usage["duration_ms"]))
    if usage.get("success") is False:
        parts.append("failed")
    if occurred_at is not None:
        parts.append(f"used on {formatter.minute(occurred_at)}")
    return " \N{MIDDLE DOT} ".join(parts)
