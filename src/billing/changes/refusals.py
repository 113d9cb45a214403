"""Why a change of a subscription is refused. Each refusal says what to ask for in its place.

BillingRefused
    NoSubscription
    AlreadyOnPlan, NotAnUpgrade, NotADowngrade
    AlreadyCancelled, NotCancelled
    KeyReused
"""

from datetime import datetime

from billing.errors import BillingRefused
from ledger.domain.errors import shown


class NoSubscription(BillingRefused):
    """The account has no active subscription that could be changed."""

    code = "no_subscription"

    def __init__(self, account_id: str, subscription_id: str | None = None) -> None:
        which = "active subscription" if subscription_id is None else f"active subscription {shown(subscription_id)!r}"
        super().__init__(
            f"The account {shown(account_id)!r} has no {which}. Make a checkout of a plan for it.",
            account_id=account_id,
            **({} if subscription_id is None else {"subscription_id": subscription_id}),
        )


class AlreadyOnPlan(BillingRefused):
    """The subscription has exactly these terms."""

    code = "already_on_plan"

    def __init__(self, plan_id: str) -> None:
        super().__init__(f"The subscription is on the plan {shown(plan_id)!r} already.", plan_id=plan_id)


class NotAnUpgrade(BillingRefused):
    """The plan is not better than the present one."""

    code = "not_an_upgrade"

    def __init__(self, plan_id: str, current: str) -> None:
        super().__init__(
            f"The plan {shown(plan_id)!r} gives no more than the plan {shown(current)!r}. Ask for a downgrade to it.",
            plan_id=plan_id,
            current_plan=current,
        )


class NotADowngrade(BillingRefused):
    """The plan is better than the present one."""

    code = "not_a_downgrade"

    def __init__(self, plan_id: str, current: str) -> None:
        super().__init__(
            f"The plan {shown(plan_id)!r} gives more than the plan {shown(current)!r}. Ask for an upgrade to it.",
            plan_id=plan_id,
            current_plan=current,
        )


class AlreadyCancelled(BillingRefused):
    """The subscription ends at the end of its period already."""

    code = "already_cancelled"

    def __init__(self, subscription_id: str, cancel_at: datetime) -> None:
        super().__init__(
            f"The subscription ends at {cancel_at.isoformat()} already. Reactivate it to keep it.",
            subscription_id=subscription_id,
            cancel_at=cancel_at,
        )


class NotCancelled(BillingRefused):
    """The subscription neither ends nor changes at the end of its period."""

    code = "not_cancelled"

    def __init__(self, subscription_id: str) -> None:
        super().__init__(
            "The subscription renews as it is: it was neither cancelled nor downgraded.",
            subscription_id=subscription_id,
        )


class KeyReused(BillingRefused):
    """The idempotency key was used for another change of the account."""

    code = "idempotency_key_reused"

    def __init__(self, key: str) -> None:
        super().__init__("The key was used for another change of this account. Use a new one.", key=key)
