"""The plan that somebody wants to change to, as the catalogue and the provider of the subscription have it."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from psycopg import AsyncConnection

from billing import catalog
from billing.catalog_changes import SoldAs
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


class Choice(NamedTuple):
    """A wish about a subscription, with the plan and the price that it means."""

    wish: PlanWish
    offer: Offer
    price: PlanPrice
    running: Running

    @property
    def product(self) -> str:
        """What the provider calls it. Our own provider sells every version of every plan."""
        provider = self.running.provider
        if provider == MANUAL:
            return Bought("plan", self.wish.plan, self.offer.version, self.price.price, 1).product
        return self.price.products[cast(Provider, provider)]


async def targets_of(connection: Connection, choices: Sequence[Choice]) -> list[Target]:
    """What some choices mean to the providers of their subscriptions."""
    sold = await catalog.sold_as_each(connection, [(one.running.provider, one.product, None) for one in choices])
    return [_target(choice, found) for choice, found in zip(choices, sold, strict=True)]


def _target(choice: Choice, sold: SoldAs | None) -> Target:
    assert sold is not None, "the catalogue binds every product of its plans"
    bound = SoldProduct("plan", sold.entry.id, sold.entry.version, sold.price, sold.entry.body)
    quantity = choice.wish.quantity or choice.running.now["quantity"]
    name = choice.offer.plan.name
    return Target(choice.wish.plan, name, choice.price, choice.product, terms_of(bound), quantity)


def price_of(plan: Plan, wish: PlanWish, running: Running) -> PlanPrice:
    """The price that is named, else the one that is paid as often as now, else the first. Raises PriceNotFound."""
    sold = prices_at(plan, running.provider)
    named = [price for price in sold if wish.price in (None, price.price)]
    if not named:
        raise PriceNotFound("plan", wish.plan, wish.price, [price.price for price in sold])
    return next((price for price in named if _paid_as_often(price, running)), named[0])


def prices_at(plan: Plan, provider: str) -> list[PlanPrice]:
    """The prices of a plan that a provider sells. Our own sells all."""
    return [price for price in plan.prices if provider == MANUAL or provider in price.products]


def _paid_as_often(price: PlanPrice, running: Running) -> bool:
    return running.terms is not None and interval_of(price.interval) == running.terms.billed
