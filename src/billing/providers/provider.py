"""What a payment provider is for us: something whose deliveries can be verified and read as facts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Protocol

from billing.facts import Fact

LONGEST_DELIVERY_ID = 255
"""Characters. Providers use fewer than a hundred."""


def is_delivery_id(text: str) -> bool:
    """Whether a text can be the id of a delivery: printable ASCII of 1 to 255 characters."""
    return text.isascii() and text.isprintable() and 1 <= len(text) <= LONGEST_DELIVERY_ID


class NotGenuine(ValueError):
    """A delivery was not signed with any of the secrets, or too long ago."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One genuine delivery of a provider's webhook.

    `delivery_id` is the same when the provider delivers the same event again; its body may differ all the same. `type`
    is the provider's name for what happened, and empty when the body does not say it. `at` is when it happened. `live`
    is False for an event of the provider's test mode, and None when the delivery does not say it.
    """

    provider: str
    delivery_id: str
    type: str
    body: bytes = field(repr=False)
    at: datetime | None = None
    live: bool | None = None

    @property
    def sha256(self) -> str:
        """The SHA-256 of the body, as 64 hexadecimal digits."""
        return sha256(self.body).hexdigest()


class Provider(Protocol):
    """A payment provider with the secrets of its webhooks."""

    @property
    def name(self) -> str:
        """Its name in our URLs and ids."""

    @property
    def events(self) -> tuple[str, ...]:
        """The types of its events that matter: those to tick at the provider."""

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Delivery:
        """The delivery, if one of the secrets signed exactly these bytes. Raises NotGenuine.

        The names of headers may have any case. A genuine body need not be JSON.
        """

    def facts(self, delivery: Delivery) -> list[Fact]:
        """What a delivery says; nothing for a type that does not matter. It reads the body and nothing else of it.

        Raises Incomplete, with the path of what is missing.
        """
