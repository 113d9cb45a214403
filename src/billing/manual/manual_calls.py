"""The calls to our own provider: nobody is called, and every answer is a page of ours or a row of our own.

What a call does and what is told about it are one transaction, so a call that is made again comes to the same.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, NamedTuple

from billing.calls.calls import Changed, HostedPage, ProviderCannot, ProviderFailed, Purchase, When
from billing.checkouts import table as checkouts
from billing.checkouts.checkout import MANUAL, Bought, bought_as
from billing.checkouts.errors import PaymentDue
from billing.checkouts.table import About, Connection, Payable
from billing.manual import table
from billing.manual.payments import Payments, length_at, price_at
from billing.manual.requests import PageOf, change, nothing_to_pay, request
from billing.manual.subscription import (
    Subscription,
    cancelled,
    changed,
    ended,
    keeps_period,
    prorated,
    resumed,
    scheduled,
)
from billing.providers.provider import Delivery
from ledger.domain.errors import shown
from ledger.domain.plans.terms import Interval

Turn = Callable[[Subscription, datetime], Subscription]


@dataclass(frozen=True, slots=True)
class ManualCalls:
    """The calls of `manual`. `page_of` is the path of a checkout's page, `billing_of` of an account's billing page."""

    payments: Payments
    page_of: PageOf
    billing_of: Callable[[str], str]

    provider: ClassVar[str] = MANUAL
    schedules: ClassVar[bool] = True

    async def checkout(self, purchase: Purchase) -> HostedPage:
        """Our own page, on which a purchase is paid. What costs nothing is had at once."""
        async with self.payments.telling.ledger.log.connection() as connection:
            found = await checkouts.find(connection, purchase.checkout_id, self._now())
        if found is not None and not found.amount_minor:
            await self.payments.receive(purchase.checkout_id, nothing_to_pay(self._now()))
        return HostedPage(self.page_of(purchase.account_id, purchase.checkout_id), purchase.checkout_id)

    async def portal(self, subscription_id: str, customer: str | None, return_url: str) -> str:
        """Our own page of billing, as a path."""
        async with self.payments.telling.ledger.log.connection() as connection, connection.transaction():
            return self.billing_of((await _locked(connection, subscription_id)).account_id)

    async def quote(self, subscription_id: str, product: str, quantity: int) -> int | None:
        """What is asked for if the plan changes now."""
        async with self.payments.telling.ledger.log.connection() as connection, connection.transaction():
            one = await _locked(connection, subscription_id)
            return (await self._cost(connection, one, bought_as(product, quantity))).amount

    async def change(self, subscription_id: str, product: str, quantity: int, when: When, key: str) -> Changed:
        """Put a subscription on another product: now, with a request for what the time left costs, or later."""
        bought = bought_as(product, quantity)
        if when == "period_end":
            return await self._turned(subscription_id, lambda one, now: scheduled(_running_on(one), bought, now))
        telling, now = self.payments.telling, self._now()
        async with telling.ledger.log.connection() as connection, connection.transaction():
            one = await _locked(connection, subscription_id)
            cost = await self._cost(connection, one, bought)
            if cost.amount and cost.currency is not None:
                made = change(one, bought, cost.amount, cost.currency, key, now, live=telling.live)
                return Changed(page=await self._request(connection, one, *made))
            told = await self._put(connection, changed(one, bought, cost.length, keeps=cost.keeps, now=now))
        telling.announce()
        return told

    async def _cost(self, connection: Connection, one: Subscription, bought: Bought) -> "_Cost":
        """What a change now costs. What was played in the test mode is worth nothing where money is real."""
        counts = one.live or not self.payments.telling.live
        return await _cost(connection, one, bought, self._now(), counts=counts)

    async def _request(
        self, connection: Connection, one: Subscription, key: str, payable: Payable, about: About
    ) -> HostedPage:
        """Ask for the payment of a change in place of the one that is asked for; with the same key it is the same."""
        now = self._now()
        known = await checkouts.of_key(connection, one.account_id, key, now)
        if known is not None:
            return HostedPage(self.page_of(one.account_id, known.checkout_id), known.checkout_id, known.expires_at)
        await table.cancel_changes(connection, one.subscription_id)
        checkout_id = await request(connection, one, key, payable, about, self.page_of, now)
        assert checkout_id is not None, "whoever has the subscription locked is the only one to ask"
        return HostedPage(self.page_of(one.account_id, checkout_id), checkout_id, payable.expires_at)

    async def cancel(self, subscription_id: str, when: When, key: str) -> Changed:
        """End a subscription, now or at the end of its period."""
        return await self._turned(subscription_id, ended if when == "now" else cancelled)

    async def resume(self, subscription_id: str, key: str) -> Changed:
        """Take back that a subscription ends, or changes, at the end of its period."""
        return await self._turned(subscription_id, resumed)

    async def again(self, subscription_id: str) -> tuple[Delivery, ...]:
        """Nothing: whatever our own provider says is in the inbox with what it did."""
        return ()

    async def invoice(self, payment_id: str) -> str | None:
        """None: it is ours, and printed here."""
        return None

    async def since(self, at: datetime) -> AsyncIterator[Delivery]:
        """Nothing, for the same reason."""
        nothing: tuple[Delivery, ...] = ()
        for delivery in nothing:
            yield delivery

    def _now(self) -> datetime:
        return self.payments.telling.ledger.clock()

    async def _turned(self, subscription_id: str, turn: Turn) -> Changed:
        """Change a subscription, tell it, and take back what it asked for. The word is in the inbox already."""
        telling = self.payments.telling
        async with telling.ledger.log.connection() as connection, connection.transaction():
            told = await self._put(connection, turn(await _locked(connection, subscription_id), self._now()))
        telling.announce()
        return told

    async def _put(self, connection: Connection, after: Subscription) -> Changed:
        telling = self.payments.telling
        await table.put(connection, after)
        await table.cancel_requests(connection, after.subscription_id)
        return Changed(await telling.tell(connection, [after.word(live=telling.live)]))


class _Cost(NamedTuple):
    """What a change now costs, how long its price pays for, and whether the period stays as it is."""

    amount: int
    currency: str | None
    length: Interval | None
    keeps: bool


def _running_on(one: Subscription) -> Subscription:
    """A subscription that does not end with its period. Raises ProviderCannot."""
    if one.ends_at is not None:
        raise ProviderCannot(
            "The subscription ends with its period. Reactivate it, and change it then.", provider=MANUAL
        )
    return one


async def _cost(connection: Connection, one: Subscription, bought: Bought, now: datetime, *, counts: bool) -> _Cost:
    """`counts`: what is unused of the period is worth its price.

    Raises ProviderCannot, and PaymentDue if the time that a change is for is not paid.
    """
    _running_on(one)
    if one.status == "past_due" or (one.period_end is not None and one.period_end <= now):
        raise PaymentDue(f"{MANUAL}:{one.subscription_id}", await checkouts.requested(connection, one.subscription_id))
    length, price = await length_at(connection, bought), await price_at(connection, bought)
    keeps = keeps_period(one, await length_at(connection, one.bought), length)
    old = await price_at(connection, one.bought)
    paid = old.amount_minor * one.quantity if old is not None and counts else 0
    costs = price.amount_minor * bought.quantity if price is not None else 0
    if paid and costs and old is not None and price is not None and old.currency != price.currency:
        raise ProviderCannot(
            f"The subscription is paid in {old.currency} and the new price is in {price.currency}: what is unused "
            "cannot be counted. Change it at the end of the period.",
            provider=MANUAL,
        )
    amount = prorated(one, paid, costs, keeps=keeps, now=now)
    if paid and costs and not amount and not keeps:
        raise ProviderCannot(
            "What is unused of the period is worth more than the new plan costs. Change it at the end of the period.",
            provider=MANUAL,
        )
    return _Cost(amount, price.currency if price is not None else None, length, keeps)


async def _locked(connection: Connection, subscription_id: str) -> Subscription:
    one = await table.lock(connection, subscription_id)
    if one is None:
        raise ProviderFailed(
            f"There is no subscription {shown(subscription_id)!r} that is paid by bank transfer.", provider=MANUAL
        )
    if one.status == "ended":
        raise ProviderCannot("The subscription has ended. Make a checkout of a plan.", provider=MANUAL)
    return one
