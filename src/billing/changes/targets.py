"""The plan that somebody wants to change to, as the catalogue and the provider of the subscription have it."""

from typing import Any, NamedTuple, cast

from psycopg import AsyncConnection

from billing import catalog
from billing.changes.comparing import Target
from billing.changes.running import Running
from billing.errors import PriceNotFound
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


async def plan_of(connection: Connection, plan_id: str) -> Plan:
    """A plan in its newest version. Raises PlanNotFound."""
    body = (await catalog.find(connection, "plan", plan_id)).body
    assert isinstance(body, Plan)
    return body


async def groups_of(connection: Connection) -> dict[str, str]:
    """The group of each plan."""
    entries = await catalog.newest(connection, "plan")
    return {entry.id: entry.body.group for entry in entries if isinstance(entry.body, Plan)}


async def target_of(connection: Connection, wish: PlanWish, plan: Plan, running: Running) -> Target:
    """What a wish means to the provider of a subscription. Raises PriceNotFound."""
    price = price_of(plan, wish, running)
    product = price.products[cast(Provider, running.provider)]
    sold = await catalog.sold_as(connection, running.provider, product)
    assert sold is not None, "the catalogue binds every product of its plans"
    bound = SoldProduct("plan", sold.entry.id, sold.entry.version, sold.price, sold.entry.body)
    quantity = wish.quantity or running.now["quantity"]
    return Target(wish.plan, plan.name, price, product, terms_of(bound), quantity)


def price_of(plan: Plan, wish: PlanWish, running: Running) -> PlanPrice:
    """The price that is named, else the one that is paid as often as now, else the first. Raises PriceNotFound."""
    sold = [price for price in plan.prices if running.provider in price.products]
    if wish.price is not None:
        sold = [price for price in sold if price.price == wish.price]
    if not sold:
        raise PriceNotFound(wish.plan, wish.price, running.provider)
    return next((price for price in sold if _paid_as_often(price, running)), sold[0])


def _paid_as_often(price: PlanPrice, running: Running) -> bool:
    return running.terms is not None and interval_of(price.interval) == running.terms.billed
