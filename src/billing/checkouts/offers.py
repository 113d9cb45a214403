"""Whether an account may buy something, at which price, and at which provider. Pure."""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from billing.calls.calls import ProviderCannot
from billing.catalog_changes import Entry
from billing.checkouts.checkout import MANUAL, Bought, Wish
from billing.checkouts.errors import AccountCannotBuy, AlreadySubscribed, PriceNotFound, SubscriptionRequired
from billing.plans import Package, Plan, Price
from ledger.domain.account import Account
from ledger.domain.amounts import MAX_AMOUNT
from ledger.domain.commands.subscriptions import MAX_WINDOW_CREDITS
from ledger.domain.errors import AccountClosed, InvalidField

ACTIVE = frozenset({"trialing", "active", "past_due"})


class Had(NamedTuple):
    """A subscription that an account has or had, or the trial that it may begin; `plan` is null for one of no plan."""

    plan: str | None
    status: str
    subscription_id: str


def price_of(entry: Entry, name: str | None) -> Price | None:
    """The price of an entry by its name, or its only one; None for a plan without a price. Raises PriceNotFound."""
    prices = list(entry.body.prices)
    if not prices and name is None and isinstance(entry.body, Plan):
        return None
    found = [one for one in prices if name is None or one.price == name]
    if len(found) != 1:
        raise PriceNotFound(entry.kind, entry.id, name, [one.price for one in prices])
    return found[0]


def check_amounts(sold: Plan | Package, price: Price | None, quantity: int) -> None:
    """Check that what is sold costs something, if it can be had again and again, and that so many of it are not more
    than a ledger counts. Raises InvalidField."""
    if isinstance(sold, Package) and price is not None and not price.amount_minor:
        raise InvalidField("package", "costs nothing: its credits are given with a grant, and cannot be bought")
    if max(sold.credits, price.amount_minor if price else 0) * quantity > MAX_AMOUNT:
        raise InvalidField("quantity", "is too large: the credits or the money exceed what a ledger counts", quantity)
    if isinstance(sold, Plan) and max(sold.credits, sold.trial.credits if sold.trial else 0) > MAX_WINDOW_CREDITS:
        raise InvalidField("plan", f"gives more than {MAX_WINDOW_CREDITS} credits at once: it cannot be granted")


def check_account(account: Account, account_id: str) -> None:
    """Check that something can be sold to an account. Raises AccountClosed and AccountCannotBuy."""
    if account.standing == "closed":
        raise AccountClosed(account_id)
    if account.standing == "frozen":
        raise AccountCannotBuy(account_id)


def check_subscriptions(entry: Entry, wish: Wish, had: Collection[Had], groups: Mapping[str, str]) -> None:
    """Check what an account has against what it wants. `groups` has the group of each plan of the catalogue.

    Raises SubscriptionRequired and AlreadySubscribed.
    """
    active = [one for one in had if one.status in ACTIVE]
    if isinstance(entry.body, Package):
        if entry.body.needs_subscription and not active:
            raise SubscriptionRequired(wish.account_id, wish.entry_id)
        return
    for plan, one in _of_group(entry.id, entry.body, active, groups):
        raise AlreadySubscribed(wish.account_id, plan, one.subscription_id)


def trial_days_of(entry: Entry, had: Collection[Had], groups: Mapping[str, str]) -> int | None:
    """The days of a plan's trial, for an account that has had no plan of its group; None for no trial."""
    plan = entry.body
    if not isinstance(plan, Plan) or plan.trial is None or any(_of_group(entry.id, plan, had, groups)):
        return None
    return plan.trial.days


def _of_group(plan_id: str, wanted: Plan, had: Collection[Had], groups: Mapping[str, str]) -> Iterator[tuple[str, Had]]:
    """The subscriptions to a plan, or to one of its group, each with its plan."""
    for one in had:
        plan = one.plan
        if plan is not None and (plan == plan_id or groups.get(plan) == wanted.group):
            yield plan, one


def provider_for(price: Price | None, providers: Collection[str], preferred: str | None, *, transfers: bool) -> str:
    """The provider of a purchase: the preferred one if it has the product, else our own. Raises ProviderCannot.

    `providers` are those that can be called. Without a preferred one it is the only one that there is beside ours.
    """
    others = [name for name in providers if name != MANUAL]
    wanted = preferred if preferred is not None else others[0] if len(others) == 1 else MANUAL
    if wanted in others and wanted in _products(price):
        return wanted
    if not transfers and price is not None and price.amount_minor:
        raise ProviderCannot(
            "No payment provider sells this: the catalogue has no product of one that can be called, and payment by "
            "bank transfer is off (CREDIT_LEDGER_MANUAL)."
        )
    return MANUAL


def product_at(provider: str, bought: Bought, price: Price | None) -> str | None:
    """What a provider calls something that is bought; None when it does not have it."""
    if provider == MANUAL:
        return bought.product
    return _products(price).get(provider)


def _products(price: Price | None) -> dict[str, str]:
    return {str(provider): product for provider, product in price.products.items()} if price is not None else {}
