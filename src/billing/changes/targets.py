"""The plan that somebody wants to change to, as the catalogue and the provider of the subscription have it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from psycopg import AsyncConnection

from billing import catalog
from billing.catalog_changes import SoldAs
from billing.changes.comparing import Target
from billing.changes.running import Running
from billing.checkouts.checkout import MANUAL, Bought
from billing.checkouts.errors import NoPriceInCurrency, PriceNotFound
from billing.checkouts.offers import check_amounts
from billing.errors import PlanNotFound
from billing.known import SoldProduct
from billing.plans import Plan, PlanPrice, Provider
from billing.subscription_planner import interval_of, terms_of
from ledger.postgres.named_sql import queries

Connection = AsyncConnection[Any]
_SQL = queries("billing", "sql/changes.sql")


class PlanWish(NamedTuple):
    """The plan that somebody wants; without `price`, the one that is paid as often as now; without `quantity`, as many
    as now."""

    plan: str
    price: str | None = None
    quantity: int | None = None


class Offer(NamedTuple):
    """The newest version of a plan."""

    plan: Plan
    version: int


async def offer_of(connection: Connection, plan_id: str) -> Offer:
    """A plan in its newest version. Raises PlanNotFound."""
    found = await catalog.find(connection, "plan", plan_id)
    assert isinstance(found.body, Plan)
    return Offer(found.body, found.version)


async def groups_of(connection: Connection) -> dict[str, str]:
    """The group of each plan."""
    entries = await catalog.newest(connection, "plan")
    return {entry.id: entry.body.group for entry in entries if isinstance(entry.body, Plan)}


class Choice(NamedTuple):
    """A wish about a subscription, with the plan and the price that it means."""

    wish: PlanWish
    offer: Offer
    price: PlanPrice
    running: Running

    @property
    def quantity(self) -> int:
        """How many are wanted."""
        return self.wish.quantity or self.running.now["quantity"]

    @property
    def product(self) -> str:
        """What the provider calls it. Our own provider sells every version of every plan."""
        provider = self.running.provider
        if provider == MANUAL:
            return Bought("plan", self.wish.plan, self.offer.version, self.price.price, 1).product
        return self.price.products[cast(Provider, provider)]


def choice_of(wish: PlanWish, offer: Offer, running: Running, currencies: Mapping[str, str]) -> Choice:
    """The price that a wish means. `currencies` are those of subscriptions by their ids, as far as they are known.

    Raises PriceNotFound, NoPriceInCurrency and InvalidField.
    """
    choice = Choice(wish, offer, price_of(offer.plan, wish, running, currencies.get(running.id)), running)
    check_amounts(offer.plan, choice.price, choice.quantity)
    return choice


async def targets_of(connection: Connection, choices: Sequence[Choice]) -> list[Target]:
    """What some choices mean to the providers of their subscriptions."""
    sold = await catalog.sold_as_each(connection, [(one.running.provider, one.product, None) for one in choices])
    return [_target(choice, found) for choice, found in zip(choices, sold, strict=True)]


def _target(choice: Choice, sold: SoldAs | None) -> Target:
    assert sold is not None, "the catalogue binds every product of its plans"
    bound = SoldProduct("plan", sold.entry.id, sold.entry.version, sold.price, sold.entry.body)
    name = choice.offer.plan.name
    return Target(choice.wish.plan, name, choice.price, choice.product, terms_of(bound), choice.quantity)


async def currencies_of(connection: Connection, running: Sequence[Running]) -> dict[str, str]:
    """The currency of each of some subscriptions, by their ids: the only one in which its plan is sold, or of several
    that of its newest payment. What is missing is not known.

    A provider may take the money in a currency of the buyer's in which the catalogue has no price.
    """
    cursor = await connection.execute(_SQL["paid_in"], {"payments": [one.last_payment for one in running]})
    paid = dict(await cursor.fetchall())
    found = {}
    for one in running:
        sold = await _sold_in(connection, one)
        if len(sold) == 1:
            found[one.id] = sold[0]
        elif (currency := paid.get(one.last_payment)) in sold:
            found[one.id] = currency
    return found


async def plan_of(connection: Connection, running: Running) -> Plan | None:
    """The plan of a subscription, in its version; None when the catalogue does not have it."""
    try:
        entry = await catalog.find(connection, "plan", running.plan, running.now["plan_version"])
    except PlanNotFound:
        return None
    assert isinstance(entry.body, Plan)
    return entry.body


async def renewal_price(connection: Connection, running: Running) -> PlanPrice | None:
    """The price at which a subscription renews, by the catalogue; None when it does not, when it renews as another
    plan, or when several prices may be meant."""
    if running.now["cancel_at"] is not None or running.now["next_plan"] is not None:
        return None
    currency = (await currencies_of(connection, [running])).get(running.id)
    found = [price for price in await _paid_at(connection, running) if price.currency == currency]
    return found[0] if len(found) == 1 else None


async def _sold_in(connection: Connection, running: Running) -> list[str]:
    """The currencies of the prices that a subscription may be paid at."""
    return sorted({price.currency for price in await _paid_at(connection, running)})


async def _paid_at(connection: Connection, running: Running) -> list[PlanPrice]:
    """The prices that a subscription may be paid at."""
    plan = await plan_of(connection, running)
    prices = prices_at(plan, running.provider) if plan is not None else []
    return [price for price in prices if _paid_as_often(price, running)]


def price_of(plan: Plan, wish: PlanWish, running: Running, currency: str | None) -> PlanPrice:
    """The price that is named; else one in the currency of the subscription, if that is known: the one that is paid as
    often as now, else the first. Raises PriceNotFound and NoPriceInCurrency."""
    sold = prices_at(plan, running.provider)
    named = [price for price in sold if wish.price in (None, price.price)]
    if not named:
        raise PriceNotFound("plan", wish.plan, wish.price, [price.price for price in sold])
    if wish.price is None and currency is not None:
        named = [price for price in named if price.currency == currency]
        if not named:
            raise NoPriceInCurrency(wish.plan, currency)
    return next((price for price in named if _paid_as_often(price, running)), named[0])


def prices_at(plan: Plan, provider: str) -> list[PlanPrice]:
    """The prices of a plan that a provider sells. Our own sells all."""
    return [price for price in plan.prices if provider == MANUAL or provider in price.products]


def _paid_as_often(price: PlanPrice, running: Running) -> bool:
    return running.terms is not None and interval_of(price.interval) == running.terms.billed
