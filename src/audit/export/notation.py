"""What journals in plain text have in common: the words for an event, and how lines of postings look."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from audit.export.account_journal import Line
from audit.export.postings import Posting
from ledger.domain.events import (
    CreditsDeducted,
    CreditsExpired,
    CreditsGranted,
    CreditsHeld,
    DeductionReversed,
    Event,
    GrantVoided,
    HoldCaptured,
    HoldExpired,
    HoldReleased,
    PaymentRecorded,
    PaymentRefunded,
)
from ledger.store import Logged

Facts = list[tuple[str, str | int]]
"""What is said of an event beside its postings, by name. No name is one that means something to a tool."""

_TITLES: dict[type[Event], str] = {
    CreditsGranted: "grant",
    CreditsDeducted: "deduction",
    CreditsHeld: "hold",
    HoldCaptured: "capture",
    HoldReleased: "release",
    HoldExpired: "hold expiry",
    DeductionReversed: "reversal",
    GrantVoided: "void",
    CreditsExpired: "expiry",
    PaymentRecorded: "payment",
    PaymentRefunded: "refund",
}
_SAID = (
    *("grant_id", "deduction_id", "hold_id", "payment_id", "refund_id", "transaction_id", "task_id"),
    *("provider", "plan", "expires_at", "effective_at", "description", "reason"),
)
_USED = ("provider", "model", "project", "member", "metric", "input_tokens", "output_tokens")


class Notation(Protocol):
    """A way to write journals."""

    def heading(self, title: str) -> str:
        """What a file begins with. `title` is one line of ASCII."""

    def text(self, lines: Sequence[Line]) -> str:
        """Some lines of one journal."""


def title_of(event: Event) -> str:
    """What an event that moves something is, in the words of the glossary."""
    return _TITLES[type(event)]


def facts_of(logged: Logged) -> Facts:
    """What is worth knowing of an event."""
    event = logged.event
    facts: Facts = [("position", logged.position), ("version", logged.version)]
    facts.append(("recorded_at", _told(event.recorded_at)))
    facts += [(name, _told(value)) for name in _SAID if (value := getattr(event, name, None)) is not None]
    usage = getattr(event, "usage", None) or {}
    return facts + [(name, usage[name]) for name in _USED if name in usage]


def _told(value: str | datetime) -> str:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


def postings_text(postings: Sequence[Posting], amount: Callable[[Posting], str]) -> str:
    """One line for each posting: the account, two spaces or more, and what `amount` says of it."""
    width = max(len(posting.account) for posting in postings)
    return "".join(f"  {posting.account:{width}}  {amount(posting)}\n" for posting in postings)
