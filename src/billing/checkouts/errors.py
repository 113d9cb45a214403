"""Why a checkout is refused.

BillingRefused
    CheckoutNotFound
    PriceNotFound, NoPriceInCurrency
    SubscriptionRequired, AlreadySubscribed
    AccountCannotBuy
    PaymentDue
    CheckoutKeyReused
"""

from billing.errors import BillingRefused, Kind
from ledger.domain.errors import shown


class CheckoutNotFound(BillingRefused):
    """There is no such checkout."""

    code = "checkout_not_found"

    def __init__(self, checkout_id: str) -> None:
        super().__init__("There is no such checkout.", checkout_id=checkout_id)


class PriceNotFound(BillingRefused):
    """A plan or a package has no such price, or several prices and none was named."""

    code = "price_not_found"

    def __init__(self, kind: Kind, entry_id: str, price: str | None, prices: list[str]) -> None:
        known = ", ".join(prices[:10]) or "none"
        what = f"has no price {shown(price)!r}" if price is not None else "has several prices, so name one"
        if not prices:
            what = "has no price, so it cannot be bought"
        detail = f"The {kind} {shown(entry_id)!r} {what}. Its prices: {known}."
        super().__init__(detail, price_of=kind, **{f"{kind}_id": entry_id})


class NoPriceInCurrency(BillingRefused):
    """A plan has no price in the currency in which a subscription is paid."""

    code = "price_not_found"

    def __init__(self, plan_id: str, currency: str) -> None:
        super().__init__(
            f"The plan {shown(plan_id)!r} has no price in {currency}, in which the subscription is paid. To pay in "
            "another currency, end the subscription, and make a checkout of the plan.",
            price_of="plan",
            plan_id=plan_id,
            currency=currency,
        )


class SubscriptionRequired(BillingRefused):
    """A package is for accounts with an active subscription."""

    code = "subscription_required"

    def __init__(self, account_id: str, package_id: str) -> None:
        super().__init__(
            f"The package {shown(package_id)!r} is for accounts with an active subscription, and "
            f"{shown(account_id)!r} has none. Subscribe to a plan first.",
            account_id=account_id,
            package_id=package_id,
        )


class AlreadySubscribed(BillingRefused):
    """An account has an active subscription to a plan of the same group."""

    code = "already_subscribed"

    def __init__(self, account_id: str, plan: str, subscription_id: str) -> None:
        super().__init__(
            f"The account {shown(account_id)!r} has the plan {shown(plan)!r} of the same group already. "
            "Upgrade or downgrade that subscription: a second one would be paid twice.",
            account_id=account_id,
            plan_id=plan,
            subscription_id=subscription_id,
        )


class AccountCannotBuy(BillingRefused):
    """A frozen account buys nothing."""

    code = "account_frozen"

    def __init__(self, account_id: str) -> None:
        detail = f"Account {shown(account_id)!r} is frozen: nothing is sold to it until it is unfrozen."
        super().__init__(detail, account_id=account_id)


class PaymentDue(BillingRefused):
    """A subscription is changed when what is due for it is paid: there is no paid time left that could be changed."""

    code = "payment_due"

    def __init__(self, subscription_id: str, checkout_id: str | None) -> None:
        what = "at its provider" if checkout_id is None else f"in the checkout {checkout_id!r}"
        super().__init__(
            f"A payment of the subscription is due. Pay it {what} first, and change the plan then.",
            subscription_id=subscription_id,
            **({} if checkout_id is None else {"checkout_id": checkout_id}),
        )


class CheckoutKeyReused(BillingRefused):
    """An idempotency key was used for a checkout of something else."""

    code = "idempotency_key_reused"

    def __init__(self, key: str) -> None:
        super().__init__(
            f"The idempotency key {shown(key)!r} was used for another checkout; send the original body or use another "
            "key.",
            idempotency_key=key,
        )
