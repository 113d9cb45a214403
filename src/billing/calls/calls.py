"""What the ledger asks of a payment provider: a page to pay on, changes of a subscription, and what it has.

Ids of products, subscriptions, payments and customers are ours without the provider's name in front: `sub_1`,
`subscription:41`. What a provider answers about a subscription or a payment is given back as deliveries, shaped like
those of its webhooks, so that there is one reader for both: whoever calls puts them down in the inbox.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal, Protocol

from billing.errors import BillingRefused, Kind
from billing.providers.provider import Delivery

When = Literal["now", "period_end"]


class ProviderFailed(BillingRefused):
    """A provider refused a call, or did not answer it in time.

    The fact `provider_status` is the status of its answer: with one from 400 to 499 nothing was carried out. With
    another one, and with none, that is not known.
    """

    code = "provider_failed"


class ProviderCannot(BillingRefused):
    """A provider has no way to do what is asked."""

    code = "provider_cannot"


@dataclass(frozen=True, slots=True)
class Purchase:
    """What somebody wants to buy. `checkout_id` comes back in the webhooks of the payment, and says whose it is.

    `trial_days` are the days before the first payment of a plan; None: there is no trial, whatever the product has. A
    page with a trial is to last until `expires_at`, where the provider does not end it within a day.
    """

    checkout_id: str
    account_id: str
    kind: Kind
    product: str
    quantity: int
    return_url: str
    cancel_url: str | None = None
    customer: str | None = None
    trial_days: int | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class HostedPage:
    """A page of the provider on which the purchase is paid; without `expires_at` the provider does not tell it.

    Our own provider has pages of this service: their `url` is a path that begins with a slash.
    """

    url: str
    provider_id: str
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of a change: what the provider says about the subscription now, and a page if it must be paid on
    one before it takes effect."""

    deliveries: tuple[Delivery, ...] = ()
    page: HostedPage | None = None


class InvoiceCalls(Protocol):
    """What a payment provider is asked about invoices. Raises ProviderFailed."""

    provider: ClassVar[str]

    async def invoice(self, payment_id: str) -> str | None:
        """The address of the invoice that the provider wrote for a payment, as it is good now; None: it has none."""


class Calls(InvoiceCalls, Protocol):
    """The calls to one payment provider. All raise ProviderFailed and ProviderCannot.

    A `key` is the caller's: a call that is made again with the same key is carried out once, where the provider knows
    such keys; where it does not, the call is one that comes to the same a second time.
    """

    schedules: ClassVar[bool]
    """Whether the provider keeps a change until the end of the period. If not, it is asked for near the end."""

    async def checkout(self, purchase: Purchase) -> HostedPage:
        """A page on which a purchase is paid."""

    async def portal(self, subscription_id: str, customer: str | None, return_url: str) -> str:
        """The address of the page on which a customer sees invoices and changes how they pay."""

    async def quote(self, subscription_id: str, product: str, quantity: int) -> int | None:
        """What a change costs now, in minor units; None where the provider tells it only when the plan changes."""

    async def change(self, subscription_id: str, product: str, quantity: int, when: When, key: str) -> Changed:
        """Put a subscription on another product: now, paid for the time left, or at the end of its period.

        One that does not schedule is asked near the end of the period, and then `period_end` is without a charge now.
        """

    async def cancel(self, subscription_id: str, when: When, key: str) -> Changed:
        """End a subscription, now or at the end of its period."""

    async def resume(self, subscription_id: str, key: str) -> Changed:
        """Take back that a subscription ends, or changes, at the end of its period."""

    async def again(self, subscription_id: str) -> tuple[Delivery, ...]:
        """What the provider says about a subscription and its payments now."""

    def since(self, at: datetime) -> AsyncIterator[Delivery]:
        """What has happened at the provider since a moment, as far back as it tells."""
