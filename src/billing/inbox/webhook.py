"""A webhook: one delivery of a provider, as the inbox has it, and the states that it goes through."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal

from billing.providers.provider import Delivery

State = Literal["new", "applied", "waiting", "ignored", "dismissed"]
Mode = Literal["live", "test"]

REASONS: dict[str, str] = {
    "waiting_for_payment": "It is about a payment that has not been reported as paid yet.",
    "waiting_for_subscription": "It is about a subscription, or a payment of one, that cannot be applied yet.",
    "unknown_account": "Nothing says which account it is for, or there is no such account.",
    "unknown_product": "The catalogue has no plan and no package with the product that was paid for.",
    "refund_failed": "A refund failed, and its money is back: grant again what was taken for it, and dismiss this.",
    "account_closed": "The account is closed: reopen it, or refund the payment at the provider.",
    "belongs_to_another_account": "Another account has recorded the payment.",
    "missing_path": "The payload has nothing that can be understood at a path that it must have.",
    "failed": "An error in the ledger kept it from being applied; its log has the cause.",
    "refused": "The ledger refused what follows from it.",
    "unavailable": "The ledger could not be reached, or was busy.",
    "test_mode": "It was sent in the test mode of the provider, and this ledger takes real money.",
    "live_mode": "It is about real money, and this ledger takes only the test mode of the provider.",
    "not_used": "It says nothing that the ledger uses.",
    "paid_by_subscription": "It is the order of a plan: the payments of its subscription grant the credits.",
    "dismissed": "An operator dismissed it.",
}
"""Why a webhook is not applied, each with its sentence."""

FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=10)
_MOST_DOUBLINGS = 10


@dataclass(frozen=True, slots=True)
class Arrival:
    """A genuine delivery at the moment of its arrival, with its headers."""

    delivery: Delivery
    headers: dict[str, str]
    received_at: datetime

    @property
    def digest(self) -> str:
        """What identifies it: the SHA-256 of its provider, its id and its body, as hexadecimal digits."""
        return _digest(self.delivery)

    @property
    def webhook_id(self) -> str:
        """Its id. The same delivery with the same body has the same one, wherever it arrives."""
        return webhook_id(self.delivery)


def webhook_id(delivery: Delivery) -> str:
    """The id of the webhook of a delivery."""
    return f"whk_{_digest(delivery)[:32]}"


def _digest(delivery: Delivery) -> str:
    named = b"\0".join([delivery.provider.encode(), delivery.delivery_id.encode(), delivery.sha256.encode()])
    return sha256(named).hexdigest()


@dataclass(frozen=True, slots=True)
class PutDown:
    """What the inbox answers to a delivery; `duplicate` when it was there before."""

    webhook_id: str
    state: State
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook without its body."""

    number: int
    webhook_id: str
    provider: str
    delivery_id: str
    sha256: bytes
    received_at: datetime
    type: str
    live: bool | None
    state: State
    reason: str | None
    detail: str | None
    things: list[str]
    about: list[str]
    account_id: str | None
    attempts: int
    next_try_at: datetime | None
    decided_at: datetime | None
    decided_by: str | None
    applied_positions: list[int]
    has_body: bool

    @property
    def sentence(self) -> str | None:
        """Why it is not applied, for people; None when there is nothing to say."""
        if self.reason is None:
            return None
        said = REASONS.get(self.reason, self.reason)
        return f"{said} ({self.detail})" if self.detail else said


def other_mode(mode: Mode, *, live: bool | None) -> str | None:
    """The reason to ignore a delivery that belongs to the other mode; None when it belongs to `mode`, or says none."""
    if live is None or live == (mode == "live"):
        return None
    return "live_mode" if live else "test_mode"


def pause_after(attempts: int) -> timedelta:
    """How long a webhook waits after so many attempts: 1 second, then twice as long each time, at most 10 minutes."""
    return min(FIRST_PAUSE * (1 << min(max(attempts - 1, 0), _MOST_DOUBLINGS)), LONGEST_PAUSE)
