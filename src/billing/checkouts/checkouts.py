"""Makes checkouts: a row first, then the page of a provider. A lost answer leaves the row as `unknown`; the same key
asks again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from billing import catalog
from billing.calls.calls import Calls, ProviderCannot, Purchase
from billing.checkouts import table
from billing.checkouts.checkout import MANUAL, Bought, Checkout, Wish
from billing.checkouts.errors import CheckoutKeyReused, CheckoutNotFound
from billing.checkouts.offers import (
    Had,
    check_account,
    check_amounts,
    check_subscriptions,
    price_of,
    product_at,
    provider_for,
    trial_days_of,
)
from billing.checkouts.table import Connection, Origin, Payable, Ways
from billing.errors import not_found
from billing.plans import Plan
from ledger.domain.errors import AccountNotFound, InvalidField
from ledger.explain.subscriptions.answer import subscriptions_now
from ledger.service import AccountAt, Ledger

TRANSFER_LASTS = timedelta(days=14)
"""How long a first payment by bank transfer is waited for."""
TRIAL_LASTS = timedelta(days=1)
"""How long the page of a provider can begin a trial. No other can meanwhile."""


@dataclass(frozen=True, slots=True)
class Made:
    """A checkout, and whether it was there before."""

    checkout: Checkout
    replayed: bool


class Checkouts:
    """The checkouts of a ledger. `calls` are those to the providers, by name; `preferred` is the one to be paid."""

    def __init__(self, ledger: Ledger, calls: Mapping[str, Calls], preferred: str | None, *, transfers: bool) -> None:
        self._ledger = ledger
        self._calls = calls
        self._preferred = preferred
        self._transfers = transfers

    async def find(self, checkout_id: str) -> Checkout:
        """A checkout. Raises CheckoutNotFound."""
        async with self._ledger.log.connection() as connection:
            found = await table.find(connection, checkout_id, self._ledger.clock())
        if found is None:
            raise CheckoutNotFound(checkout_id)
        return found

    async def open_like(self, wish: Wish) -> Checkout | None:
        """The checkout in which an account can still pay for what is wished for, if it has one: so that whoever presses
        a button again and again has one checkout. Raises PlanNotFound, PackageNotFound and PriceNotFound."""
        async with self._ledger.log.connection() as connection:
            entry = await catalog.find(connection, wish.kind, wish.entry_id)
            price = price_of(entry, wish.price)
            bought = Bought(entry.kind, entry.id, entry.version, price.price if price else None, wish.quantity)
            return await table.open_like(connection, wish.account_id, bought, self._ledger.clock())

    async def create(self, wish: Wish, key: str, actor: str, *, listed_only: bool) -> Made:
        """A checkout of what is wished for. The same key and wish give the same one.

        With `listed_only` there is nothing but what is shown to people who choose.

        Raises BillingRefused (PlanNotFound, PriceNotFound, SubscriptionRequired, AlreadySubscribed, ProviderFailed,
        ...) and Refusal (AccountNotFound, AccountClosed, InvalidField).
        """
        origin = Origin(wish.account_id, key, wish.digest, actor, self._ledger.clock())
        buyer = await self._ledger.account_at(wish.account_id)  # before a connection is taken: it takes one too
        if buyer is None:
            raise AccountNotFound(wish.account_id)
        added = None
        async with self._ledger.log.connection() as connection, connection.transaction():
            await table.lock_account(connection, wish.account_id)
            found = await table.of_key(connection, wish.account_id, key, origin.created_at)
            if found is None:
                added = await self._add(connection, wish, buyer, origin, listed_only=listed_only)
                found = await table.of_key(connection, wish.account_id, key, origin.created_at)
        assert found is not None
        if found.wish != wish.digest:
            raise CheckoutKeyReused(key.partition(":")[2])
        if found.url is None:
            await self._open(found)
        return Made(await self.find(found.checkout_id), replayed=added is None)

    async def _add(
        self, connection: Connection, wish: Wish, buyer: AccountAt, origin: Origin, *, listed_only: bool
    ) -> str | None:
        entry = await catalog.find(connection, wish.kind, wish.entry_id)
        if listed_only and not entry.body.listed:
            raise not_found(wish.kind, wish.entry_id)
        price = price_of(entry, wish.price)
        check_amounts(entry.body, price, wish.quantity)
        check_account(buyer.account, wish.account_id)
        had, groups = await _had(connection, buyer, wish.account_id), await _groups(connection)
        check_subscriptions(entry, wish, had, groups)
        provider = provider_for(price, self._calls, self._preferred, transfers=self._transfers)
        name, amount, currency = (price.price, price.amount_minor, price.currency) if price else (None, 0, None)
        bought = Bought(entry.kind, entry.id, entry.version, name, wish.quantity)
        trials = await table.open_trials(connection, wish.account_id, provider, origin.created_at)
        trial_days = trial_days_of(entry, [*had, *trials], groups)
        if provider == MANUAL and trial_days is not None:
            amount = 0  # the first payment is asked for before the trial ends
        if not amount and wish.quantity > 1 and entry.kind == "plan":
            raise InvalidField("quantity", "must be 1 for what begins without a payment", wish.quantity)
        lasts = TRANSFER_LASTS if provider == MANUAL else TRIAL_LASTS if trial_days is not None else None
        until = origin.created_at + lasts if lasts is not None else None
        payable = Payable(bought, amount * wish.quantity, currency, until, trial_days)
        return await table.add(connection, origin, payable, Ways(provider, wish.return_url, wish.cancel_url))

    async def _open(self, checkout: Checkout) -> None:
        """Ask the provider for the page of a checkout. Raises ProviderFailed and ProviderCannot."""
        async with self._ledger.log.connection() as connection:
            entry = await catalog.find(connection, checkout.kind, checkout.entry_id, checkout.version)
        price = next((one for one in entry.body.prices if one.price == checkout.price), None)
        product = product_at(checkout.provider, checkout.bought, price)
        calls = self._calls.get(checkout.provider)
        if calls is None or product is None:
            detail = f"The checkout was begun with {checkout.provider}, which cannot be called any more. Begin another."
            raise ProviderCannot(detail, provider=checkout.provider)
        page = await calls.checkout(_purchase(checkout, product))
        async with self._ledger.log.connection() as connection:
            await table.opened(connection, checkout.checkout_id, page)


async def _had(connection: Connection, buyer: AccountAt, account_id: str) -> list[Had]:
    """The subscriptions of a buyer, those that have ended too: what our own provider says comes after the ledger's."""
    ours = {one.subscription_id: one for one in await table.own_subscriptions(connection, account_id)}
    known = {
        one["subscription_id"]: Had(one["plan"], one["status"], one["subscription_id"])
        for one in subscriptions_now(buyer.account, buyer.as_of)
    }
    return list((known | ours).values())


async def _groups(connection: Connection) -> Mapping[str, str]:
    """The group of each plan of the catalogue."""
    plans = await catalog.newest(connection, "plan")
    return {plan.id: plan.body.group for plan in plans if isinstance(plan.body, Plan)}


def _purchase(checkout: Checkout, product: str) -> Purchase:
    """What a provider is asked for. A page that is made too late begins no trial: another one may."""
    trial_days = checkout.trial_days if checkout.state != "expired" else None
    return Purchase(
        checkout.checkout_id,
        checkout.account_id,
        checkout.kind,
        product,
        checkout.quantity,
        checkout.return_url or "",
        checkout.cancel_url,
        trial_days=trial_days,
        expires_at=checkout.expires_at if trial_days is not None else None,
    )
