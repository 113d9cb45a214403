"""Whether a person may be deleted: not while somebody else depends on them, or goes on charging them."""

from datetime import datetime

from starlette.requests import Request

from api.contract.problems import Problem
from api.http.people.origins import origin_of
from api.http.people.person_route import people_of
from api.http.people.tiers import active_subscription
from people.sign_in.sign_ins import Person


async def ask_deletion(request: Request, person: Person, password: str | None) -> datetime:
    """Ask for the end of a person; returns when it comes.

    Raises Problem: has_a_subscription; and AccessRefused, as `Deletions.ask` does.
    """
    await check_no_subscription(request, person.user.user_id)
    return await people_of(request).deletions.ask(person, password, origin_of(request))


async def check_no_subscription(request: Request, user_id: str) -> None:
    """Raise Problem: has_a_subscription while a provider would go on charging a user."""
    active = await active_subscription(request, user_id)
    if active is not None and active["cancel_at"] is None:
        detail = "The subscription renews, and its provider would go on charging. Cancel it first."
        raise Problem("has_a_subscription", detail, subscription_id=active["subscription_id"])
