"""Providers in memory: they keep the subscription of one customer, change it when they are asked, and say what it is.

A key that they have seen gets the first answer again, as at Stripe. `Lemon` knows no keys and keeps nothing for later,
as Lemon Squeezy: to put a subscription on the plan that it has changes nothing there.
"""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import ClassVar

import orjson

from billing.calls.calls import Changed, HostedPage, ProviderFailed, Purchase, When
from billing.providers.provider import Delivery
from billing.simulation.scenarios import Life
from billing.simulation.steps import Customer
from tests.billing.inbox.desk import events_told
from tests.billing.lives import NOW, PRICES


class Kept(Life):
    """The life of a subscription that a provider changes."""

    @property
    def product(self) -> str:
        """What it is on."""
        return self._open.product

    def put_on(self, product: str) -> None:
        """Put it on another product, without a payment."""
        self._change(product=product, previous=self.product)
        self._tell("changed")


class Registrar:
    """Stripe, as far as it matters here."""

    provider: ClassVar[str] = "stripe"
    schedules: ClassVar[bool] = True

    def __init__(self, account_id: str, number: int) -> None:
        self.customer = Customer(account_id, number)
        self.life = Kept(PRICES[self.provider], NOW)
        self.life.subscribe()
        self.life.pass_days(10)
        self.asked: list[tuple[str, ...]] = []
        """Every call, with its key at the end."""
        self.carried_out: list[str] = []
        self.loses_answers = False
        self.refuses = False
        self._answers: dict[str, Changed] = {}
        self._told = 0

    def deliveries(self) -> tuple[Delivery, ...]:
        """What happened since it was asked last."""
        steps, self._told = self.life.steps[self._told :], len(self.life.steps)
        events = events_told(self.provider, self.customer, steps)
        return tuple(
            Delivery(self.provider, event.event_id, event.type, orjson.dumps(event.payload), event.at)
            for event in events
        )

    async def checkout(self, purchase: Purchase) -> HostedPage:
        raise NotImplementedError

    async def portal(self, subscription_id: str, customer: str | None, return_url: str) -> str:
        self.asked.append(("portal", subscription_id, return_url))
        return f"https://pay.example/{subscription_id}"

    async def quote(self, subscription_id: str, product: str, quantity: int) -> int | None:
        return None

    async def change(self, subscription_id: str, product: str, quantity: int, when: When, key: str) -> Changed:
        self.asked.append(("change", subscription_id, product, str(quantity), when, key))
        return self._once(key, f"change to {product}", lambda: self._change(product, when))

    def _change(self, product: str, when: When) -> None:
        if when == "now" and product == PRICES[self.provider].better_plan:
            self.life.upgrade()
        elif when == "now" or not self.schedules:
            self.life.put_on(product)

    async def cancel(self, subscription_id: str, when: When, key: str) -> Changed:
        self.asked.append(("cancel", subscription_id, when, key))
        return self._once(key, "cancel", self.life.cancel if when == "period_end" else self.life.end)

    async def resume(self, subscription_id: str, key: str) -> Changed:
        self.asked.append(("resume", subscription_id, key))
        return self._once(key, "resume", self.life.resume)

    def _once(self, key: str, what: str, do: Callable[[], None]) -> Changed:
        if key not in self._answers:
            do()
            self.carried_out.append(what)
            self._answers[key] = Changed(self.deliveries())
        if self.loses_answers:
            self.loses_answers = False
            raise ProviderFailed("The answer was lost.", provider=self.provider)
        return self._answers[key]

    async def invoice(self, payment_id: str) -> str | None:
        return None

    async def again(self, subscription_id: str) -> tuple[Delivery, ...]:
        raise NotImplementedError

    def since(self, at: datetime) -> AsyncIterator[Delivery]:
        raise NotImplementedError


class Lemon(Registrar):
    """Lemon Squeezy, as far as it matters here."""

    provider = "lemonsqueezy"
    schedules = False

    def _once(self, key: str, what: str, do: Callable[[], None]) -> Changed:
        if self.refuses:
            self.refuses = False
            raise ProviderFailed("It did not answer.", provider=self.provider)
        if what != f"change to {self.life.product}":
            do()
            self.carried_out.append(what)
        return Changed(self.deliveries())
