"""What every document prints: the parties, dates, amounts of money, and how to check it. Pure functions."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from audit.documents.document import Party
from audit.documents.verifying import VerifiedDocument
from ledger.explain.money import in_units

MINUS = "\N{MINUS SIGN}"
Rows = list[list[str]]


class Money(NamedTuple):
    """An amount in minor units of its currency."""

    minor: int
    currency: str

    def __str__(self) -> str:
        sign = MINUS if self.minor < 0 else ""
        return f"{sign}{self.currency.upper()} {in_units(abs(self.minor), self.currency):,f}"


def day(at: datetime) -> str:
    """A date in UTC, such as 1 Nov 2026."""
    utc = at.astimezone(UTC)
    return f"{utc.day} {_MONTHS[utc.month - 1][:3]} {utc.year}"


def long_day(at: datetime) -> str:
    """A date in UTC, such as 1 November 2026."""
    utc = at.astimezone(UTC)
    return f"{utc.day} {_MONTHS[utc.month - 1]} {utc.year}"


def month_name(at: datetime) -> str:
    """A month in UTC, such as November 2026."""
    utc = at.astimezone(UTC)
    return f"{_MONTHS[utc.month - 1]} {utc.year}"


_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


def credits_of(amount: int) -> str:
    """An amount of credits, with its sign when it is negative."""
    return f"{MINUS if amount < 0 else ''}{abs(amount):,}"


def figures_of(
    verified: VerifiedDocument, title: str, at: datetime, facts: Sequence[tuple[str, str]], more: dict[str, Any]
) -> dict[str, Any]:
    """The figures of a document: what all have, and `more`. `at` is the time of the document."""
    claims = verified.document.claims
    utc = at.astimezone(UTC)
    number = f" {claims.number}" if claims.number else ""
    return {
        "title": title,
        "date": {name: getattr(utc, name) for name in ("year", "month", "day", "hour", "minute", "second")},
        "seller": _party(claims.seller),
        "holder": _party(claims.holder),
        "facts": [list(one) for one in facts],
        "foot": f"{title}{number} · {claims.seller.name}",
        "proof": _proof(verified),
        **more,
    }


def _party(party: Party) -> dict[str, Any]:
    return {"name": party.name, "lines": party.lines, "tax_id": party.tax_id}


def _proof(verified: VerifiedDocument) -> dict[str, Any]:
    checkpoint, kind = verified.checkpoint, verified.document.kind
    return {
        "description": f"The events behind this {kind}, as the ledger recorded and signed them",
        "words": (
            f"The attached file proof.json has the events behind this {kind} as the ledger recorded them, each with "
            "the proof that the signed log has it. This command checks them without a network, makes the page again "
            "from them, and compares every byte:"
        ),
        "command": f"credit-ledger verify {kind}.pdf --key {verified.verifying_key}",
        "facts": [
            ["Ledger", checkpoint.origin],
            ["Checkpoint", f"{checkpoint.size:,} events, root {checkpoint.root.hex()}"],
        ],
    }
