"""What deductions cost, and what they would have cost: sums by group, in bounded memory.

The cost of a deduction is what was asked for: what was uncollected of it is a part. What came back of it is taken away,
in the same proportion from what it cost and from what it would have cost.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from ledger.domain.pricing.price import NoPrice, Why

KeyT = TypeVar("KeyT", bound=Hashable)
MOST_GROUPS = 100_000
"""The most groups of a kind that are summed up apart. Those that come later are summed up together."""
MOST_REFUSALS = 10_000
Name = str | None
"""A plan, provider, model or metric; None for deductions without one."""


class Effect(NamedTuple):
    """What an event adds. `other` is what it would have cost, why that is not known, or None: it says no usage.

    A reversal is no use, and its credits are negative.
    """

    uses: int
    cost: int
    other: int | NoPrice | None


@dataclass(slots=True)
class Costs:
    """Sums of deductions and captures in three parts: those that the other book prices, which have both costs; those
    that it refuses; and those that say no usage. `reversed` is what came back of all, and is taken away already."""

    uses: int = 0
    cost: int = 0
    would_cost: int = 0
    refused_uses: int = 0
    refused_cost: int = 0
    unsaid_uses: int = 0
    unsaid_cost: int = 0
    reversed: int = 0

    def add(self, effect: Effect) -> None:
        """Add one event."""
        uses, cost, other = effect
        match other:
            case None:
                self.unsaid_uses += uses
                self.unsaid_cost += cost
            case NoPrice():
                self.refused_uses += uses
                self.refused_cost += cost
            case _:
                self.uses += uses
                self.cost += cost
                self.would_cost += other
        if not uses:
            self.reversed -= cost

    @property
    def difference(self) -> int:
        """How many credits more the other book would have cost, where it has a price."""
        return self.would_cost - self.cost

    @property
    def whole(self) -> int:
        """What all of it cost: what the other book prices, what it refuses, and what says no usage."""
        return self.cost + self.refused_cost + self.unsaid_cost


class Groups(Generic[KeyT]):
    """Sums by key, for the first `most` keys. Each of those is complete; `others` are all further ones together."""

    __slots__ = ("_most", "costs", "others")

    def __init__(self, most: int) -> None:
        self._most = most
        self.costs: dict[KeyT, Costs] = {}
        self.others: Costs | None = None

    def add(self, key: KeyT, effect: Effect) -> None:
        """Add one event."""
        costs = self.costs.get(key)
        if costs is None:
            costs = self._begun(key)
        costs.add(effect)

    def _begun(self, key: KeyT) -> Costs:
        if len(self.costs) < self._most:
            found = self.costs[key] = Costs()
            return found
        if self.others is None:
            self.others = Costs()
        return self.others

    def sorted(self) -> list[tuple[KeyT, Costs]]:
        """All groups, those whose cost would change most first."""
        return sorted(self.costs.items(), key=lambda one: (-abs(one[1].difference), -one[1].whole, str(one[0])))


class Refused(NamedTuple):
    """Usage that the other book refuses: whose it is, and why. `fields` are those that it does not charge, or needs."""

    provider: Name
    model: Name
    metric: Name
    why: Why
    fields: tuple[str, ...]


@dataclass(slots=True)
class WhatIf:
    """The costs of a period, as a whole and in groups, and what the other book refuses."""

    most: int = MOST_GROUPS
    total: Costs = field(default_factory=Costs)
    accounts: Groups[str] = field(init=False)
    plans: Groups[Name] = field(init=False)
    providers: Groups[Name] = field(init=False)
    models: Groups[tuple[Name, Name]] = field(init=False)
    """By provider and model."""
    refusals: Groups[Refused] = field(init=False)

    def __post_init__(self) -> None:
        self.accounts, self.plans = Groups(self.most), Groups(self.most)
        self.providers, self.models = Groups(self.most), Groups(self.most)
        self.refusals = Groups(min(self.most, MOST_REFUSALS))
