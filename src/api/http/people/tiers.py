"""The tier of a person: the plan of their account."""

from fastapi import Request

from api.contract.answers.balance import subscription_answer
from api.contract.people.answers import FREE
from api.http.queries.reads import reads_of
from ledger.explain.subscriptions.answer import SubscriptionNow


async def tier_of(request: Request, account_id: str) -> str:
    """The plan of the active subscription of an account; `free` without one."""
    active = await active_subscription(request, account_id)
    return active["plan"] if active and active["plan"] else FREE


async def active_subscription(request: Request, account_id: str) -> SubscriptionNow | None:
    """The active subscription of an account that counts; None without one."""
    found = await reads_of(request).ledger.account_at(account_id)
    return subscription_answer(found)["subscription"] if found else None
