"""Usage: what a deduction, a hold or a metered use paid for, in the caller's words."""

from collections.abc import Mapping
from typing import Literal, get_args

Usage = Mapping[str, str | int | bool]
"""What was used, all optional: provider, model, project, member, metric, key, agent (texts), input_tokens,
output_tokens, cached_tokens (read from a cache, and not among the input tokens), quantity (of the metric; 1 if it is
absent), duration_ms (integers), success (a boolean)."""

Dimension = Literal["provider", "model", "project", "member", "metric", "key", "agent"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
"""The fields of usage by which limits count."""

Quantity = Literal["input_tokens", "output_tokens", "cached_tokens", "quantity", "duration_ms"]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
"""The fields of usage by which prices count."""
COUNTED: tuple[Quantity, ...] = ("input_tokens", "output_tokens", "cached_tokens", "quantity")
"""Those that a price must not leave out: a duration may be said for its own sake."""

PRICED_BY: tuple[Dimension, ...] = ("provider", "model", "metric")
"""The dimensions by which rates are chosen."""

NO_USAGE: Usage = {}


def quantity_of(usage: Usage) -> int:
    """How many units of its metric were used: 1 where usage names a metric and no quantity, 0 where it names none."""
    if "metric" not in usage:
        return 0
    quantity = usage.get("quantity", 1)
    return quantity if isinstance(quantity, int) else 0


def dimensions_of(usage: Usage) -> dict[str, str | int]:
    """The fields of usage by which limits count, without tokens and quantities."""
    return {name: usage[name] for name in DIMENSIONS if name in usage}
