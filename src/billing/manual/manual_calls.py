"""The calls to our own provider: nobody is called, and every answer is a page of ours or a row of our own."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import ClassVar

from billing.calls.calls import Changed, HostedPage, ProviderCannot, Purchase, When
from billing.checkouts.checkout import MANUAL
from billing.providers.provider import Delivery

PageOf = Callable[[str, str], str]
"""The path of the page of a checkout, from its account and its id."""


class ManualCalls:
    """The calls of `manual`."""

    provider: ClassVar[str] = MANUAL
    schedules: ClassVar[bool] = True

    def __init__(self, page_of: PageOf) -> None:
        self._page_of = page_of

    async def checkout(self, purchase: Purchase) -> HostedPage:
        """Our own page, on which a purchase is paid."""
        return HostedPage(self._page_of(purchase.account_id, purchase.checkout_id), purchase.checkout_id)

    async def portal(self, subscription_id: str, customer: str | None, return_url: str) -> str:
        """There is none yet."""
        raise ProviderCannot("Subscriptions that are paid by bank transfer have no page of their own yet.")

    async def change(self, subscription_id: str, product: str, quantity: int, when: When, key: str) -> Changed:
        """There is none yet."""
        raise ProviderCannot("Subscriptions that are paid by bank transfer cannot be changed yet.")

    async def cancel(self, subscription_id: str, when: When, key: str) -> Changed:
        """There is none yet."""
        raise ProviderCannot("Subscriptions that are paid by bank transfer cannot be changed yet.")

    async def resume(self, subscription_id: str, key: str) -> Changed:
        """There is none yet."""
        raise ProviderCannot("Subscriptions that are paid by bank transfer cannot be changed yet.")

    async def again(self, subscription_id: str) -> tuple[Delivery, ...]:
        """Nothing: whatever our own provider says is in the inbox with what it did."""
        return ()

    async def since(self, at: datetime) -> AsyncIterator[Delivery]:
        """Nothing, for the same reason."""
        nothing: tuple[Delivery, ...] = ()
        for delivery in nothing:
            yield delivery
