"""What the notations of journals share: the facts of events and the lines of postings."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from audit.export.journals.account_journal import Line
from audit.export.journals.postings import Posting
from ledger.domain.pricing.price import Price
from ledger.store import Logged

Facts = list[tuple[str, str | int]]
"""Metadata of a transaction by name. No name has a meaning for Beancount or hledger."""

_TEXT_FIELDS = (
    *("grant_id", "deduction_id", "hold_id", "payment_id", "refund_id", "dispute_id", "transaction_id", "task_id"),
    *("provider", "plan", "expires_at", "effective_at", "description", "reason", "occurred_at"),
)
_USAGE_FIELDS = (
    *("provider", "model", "project", "member", "metric", "input_tokens", "output_tokens", "cached_tokens"),
    *("key", "agent", "quantity", "duration_ms", "success"),
)


class Notation(Protocol):
    """A format of journals."""

    def heading(self, title: str) -> str:
        """The beginning of a file. `title` is one line of ASCII."""

    def text(self, lines: Sequence[Line]) -> str:
        """The text for some lines of one journal."""


def facts_of(logged: Logged) -> Facts:
    """The metadata of an event."""
    event = logged.event
    facts: Facts = [("position", logged.position), ("version", logged.version)]
    facts.append(("recorded_at", _fact(event.recorded_at)))
    facts += [(name, _fact(value)) for name in _TEXT_FIELDS if (value := getattr(event, name, None)) is not None]
    usage = getattr(event, "usage", None) or {}
    facts += [(name, _said(usage[name])) for name in _USAGE_FIELDS if name in usage]
    price: Price | None = getattr(event, "price", None)
    return facts if price is None else [*facts, ("price", price.exact), ("price_book", price.book)]


def _fact(value: str | datetime) -> str:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


def _said(value: str | int) -> str | int:
    """A value of usage. A boolean becomes a word, because the notations write it in different ways."""
    return ("yes" if value else "no") if isinstance(value, bool) else value


def postings_text(postings: Sequence[Posting], amount: Callable[[Posting], str]) -> str:
    """One line for each posting: the account, at least two spaces, and the text that `amount` returns."""
    width = max(len(posting.account) for posting in postings)
    return "".join(f"  {posting.account:{width}}  {amount(posting)}\n" for posting in postings)
