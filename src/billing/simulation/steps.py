"""What happens in the life of a simulated customer, in nobody's words: each provider has its own way to tell it."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

Reason = Literal["topup", "initial", "renewal", "change"]
Happened = Literal["created", "renewed", "changed", "past_due", "recovered", "cancelled", "resumed", "ended"]
Outcome = Literal["open", "won", "lost"]


@dataclass(frozen=True, slots=True)
class Customer:
    """Whose life it is. All ids of the life are made of `number`."""

    account_id: str
    number: int


@dataclass(frozen=True, slots=True)
class Sale:
    """A payment of a customer, the `number`-th of the life. `attempt` counts the failures before it."""

    number: int
    reason: Reason
    product: str
    quantity: int
    amount_minor: int
    currency: str
    at: datetime
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Subscription:
    """The customer's subscription at a moment. `previous` is the product before a change in its period."""

    product: str
    amount_minor: int
    currency: str
    started_at: datetime
    period_start: datetime
    period_end: datetime
    past_due: bool = False
    ends_at: datetime | None = None
    ended: bool = False
    previous: str | None = None


@dataclass(frozen=True, slots=True)
class Paid:
    """A payment was made, for the subscription if there is one here."""

    sale: Sale
    subscription: Subscription | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A payment for the subscription could not be made."""

    sale: Sale
    subscription: Subscription


@dataclass(frozen=True, slots=True)
class Told:
    """The subscription came to be what it is here."""

    what: Happened
    subscription: Subscription
    at: datetime


@dataclass(frozen=True, slots=True)
class Refunded:
    """Money of a payment went back: `amount_minor` now, `total_minor` in all."""

    sale: Sale
    subscription: Subscription | None
    amount_minor: int
    total_minor: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Disputed:
    """The payer's bank opened a dispute of a payment, or closed it."""

    sale: Sale
    subscription: Subscription | None
    outcome: Outcome
    at: datetime


Step = Paid | Failed | Told | Refunded | Disputed


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that a provider delivers: its type, the JSON of its body, its id and its time."""

    type: str
    payload: dict[str, Any]
    event_id: str
    at: datetime

    def renamed(self, event_id: str) -> "Event":
        """The same event under another id."""
        return replace(self, event_id=event_id)
