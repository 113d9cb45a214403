"""What an account has, as the refolding keeps it: grants, open holds, payments, and credits by grant."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from tests.survival.counters import Count, Part

Data = dict[str, Any]
Parts = list[tuple[str, int]]
"""Credits by grant, in an order that matters."""


@dataclass(slots=True)
class Grant:
    """One grant; `free` is what is neither spent, held, lapsed nor cancelled."""

    number: int
    kind: str
    expires_at: datetime | None
    free: int
    closed: bool = False
    lost: int = 0
    """What lapsed of it and was not reinstated."""
    starts_at: datetime | None = None
    coming: int = 0
    granted: int = 0

    def lapsed(self, at: datetime) -> bool:
        """Whether its time has passed: a lot is spendable while now < expires_at."""
        return self.expires_at is not None and self.expires_at <= at


@dataclass(slots=True)
class Hold:
    """One open hold."""

    parts: Parts
    expires_at: datetime
    version: int
    counts: list[Count]
    quantity: int
    """What is left of the units of its metric."""

    @property
    def left(self) -> Part:
        """What limits have counted of it and may get back."""
        return Part(self.version, self.counts, sum(part for _, part in self.parts), self.quantity)


@dataclass(slots=True)
class Dispute:
    """One dispute of a payment: its state, its money, and what it holds."""

    state: str
    money: int
    held: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Payment:
    """One payment as it was last recorded."""

    status: str
    money: int
    bought: list[str]
    refunds: dict[str, int] = field(default_factory=dict)
    disputes: dict[str, Dispute] = field(default_factory=dict)

    @property
    def lost(self) -> int:
        """The money that was lost in disputes."""
        return sum(one.money for one in self.disputes.values() if one.state == "lost")


class Due(NamedTuple):
    """An event that has to follow at once, as a part of the same command."""

    topic: str
    grant_id: str
    amount: int = 0
    """To be voided."""
    closes: bool = False


def collected(due: Due, there: int) -> tuple[int, int, bool]:
    """What a void takes of what there is, what it cannot take, and whether it closes the grant."""
    amount = there if due.closes else min(due.amount, there)
    return amount, max(due.amount - amount, 0), due.closes


def burn_order(grant: Grant) -> tuple[bool, bool, float, int]:
    """Subscription before permanent, the earliest end first and no end last, then the oldest."""
    end = grant.expires_at
    return grant.kind == "permanent", end is None, end.timestamp() if end else 0.0, grant.number


def split(parts: Parts, amount: int) -> tuple[Parts, Parts]:
    """The first `amount` credits of `parts`, and the rest."""
    first, rest = [], []
    for grant_id, part in parts:
        taken = min(part, amount)
        amount -= taken
        if taken:
            first.append((grant_id, taken))
        if part > taken:
            rest.append((grant_id, part - taken))
    return first, rest


def without(parts: Parts, taken: Parts) -> Parts | None:
    """What is left of `parts` when `taken`, their first credits, are gone; None when these are not their first."""
    first, rest = split(parts, sum(part for _, part in taken))
    return rest if first == taken else None


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def balance_text(figures: tuple[Any, ...]) -> str:
    subscription, permanent, held, end = figures
    return f"{subscription} + {permanent}, {held} held, until {end}"
