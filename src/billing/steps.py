"""What planners make of facts: commands of the ledger in their order, and reasons to wait."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from billing.facts import DisputeSeen, Fact, PaymentSeen, ProductSeen, RefundSeen, SubscriptionSeen
from billing.known import names_subscription
from ledger.domain.commands import Command

FactKind = type[Fact]
OF_PAYMENT: tuple[FactKind, ...] = (PaymentSeen, ProductSeen, RefundSeen, DisputeSeen)
AFTER_PAYMENT: tuple[FactKind, ...] = (ProductSeen, RefundSeen, DisputeSeen)


@dataclass(frozen=True, slots=True)
class Waits:
    """Why facts cannot be applied: a reason of webhook.REASONS, and what it is about. `final` ends the waiting."""

    reason: str
    detail: str | None = None
    final: bool = False


WaitsByKind = Mapping[FactKind, Waits]


@dataclass(frozen=True, slots=True)
class Step:
    """A command with its operation and its key; it is for the facts of a kind."""

    fact: FactKind
    operation: str
    key: str
    command: Command


@dataclass(frozen=True, slots=True)
class Plan:
    """Commands in their order, and the kinds of facts that must wait."""

    account_id: str | None = None
    steps: tuple[Step, ...] = ()
    waits: WaitsByKind = field(default_factory=dict)


def all_wait(subject: str, reason: Waits) -> WaitsByKind:
    """All facts about a payment or a subscription wait for one reason."""
    return dict.fromkeys((SubscriptionSeen,) if names_subscription(subject) else OF_PAYMENT, reason)
