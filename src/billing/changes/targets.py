"""The plan that somebody wants to change to, as the catalogue and the provider of the subscription have it."""

from typing import Any, NamedTuple, cast

from psycopg import AsyncConnection

from billing import catalog
from billing.changes.comparing import Target
from billing.changes.running import Running
from billing.checkouts.checkout import MANUAL, Bought
from billing.checkouts.errors import PriceNotFound
from billing.known import SoldProduct
from billing.plans import Plan, PlanPrice, Provider
from billing.subscription_planner import interval_of, terms_of

Connection = AsyncConnection[Any]


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


async def target_of(connection: Connection, wish: PlanWish, offer: Offer, running: Running) -> Target:
    """What a wish means to the provider of a subscription. Raises PriceNotFound."""
    price = price_of(offer.plan, wish, running)
    product = _product(wish.plan, offer.version, price, running.provider)
    sold = await catalog.sold_as(connection, running.provider, product)
    assert sold is not None, "the catalogue binds every product of its plans"
    bound = SoldProduct("plan", sold.entry.id, sold.entry.version, sold.price, sold.entry.body)
    quantity = wish.quantity or running.now["quantity"]
    return Target(wish.plan, offer.plan.name, price, product, terms_of(bound), quantity)


def price_of(plan: Plan, wish: PlanWish, running: Running) -> PlanPrice:
    """The price that is named, else the one that is paid as often as now, else the first. Raises PriceNotFound."""
    sold = [price for price in plan.prices if running.provider == MANUAL or running.provider in price.products]
    named = [price for price in sold if wish.price in (None, price.price)]
    if not named:
        raise PriceNotFound("plan", wish.plan, wish.price, [price.price for price in sold])
    return next((price for price in named if _paid_as_often(price, running)), named[0])


def _product(plan: str, version: int, price: PlanPrice, provider: str) -> str:
    """What the provider calls a price of a plan. Our own provider sells every version of every plan."""
    if provider == MANUAL:
        return Bought("plan", plan, version, price.price, 1).product
    return price.products[cast(Provider, provider)]


def _paid_as_often(price: PlanPrice, running: Running) -> bool:
    return running.terms is not None and interval_of(price.interval) == running.terms.billed
