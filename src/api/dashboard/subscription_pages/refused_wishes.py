"""Why a wish about a subscription is refused, in the words of the page, and the way out.

The words of the API name ids, fields and routes: whoever looks at a page has buttons.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from api.contract.problems import Problem
from billing.errors import BillingRefused


class Way(NamedTuple):
    """A link to what can be done instead: its words, and a path below the pages of the account."""

    words: str
    path: tuple[str, ...]
    query: str = ""


class RefusedWish(NamedTuple):
    """A refusal as a page shows it. `ends` is when the subscription ends, where that is why."""

    status: int
    sentence: str
    way: Way
    ends: datetime | None = None


_BILLING = Way("Back to billing", ("billing",))
_PLANS = Way("See the plans", ("plans",))
_KEEP = Way("Keep the subscription", ("subscription", "reactivate"))
_SENTENCES: Mapping[str, tuple[str, Way]] = {
    "no_subscription": ("There is no active plan that could be changed.", Way("Choose a plan", ("plans",))),
    "already_on_plan": ("This is the present plan already.", _BILLING),
    "already_cancelled": ("The subscription ends already. Keep it first, and change it then.", _KEEP),
    "not_cancelled": ("The subscription renews as it is. There is nothing to take back.", _BILLING),
    "plan_not_found": ("This plan is not offered.", _PLANS),
    "price_not_found": ("The present subscription cannot be changed to this plan, or not at this price.", _PLANS),
    "idempotency_key_reused": ("This form was sent before, for something else.", _BILLING),
    "account_closed": ("The account is closed.", _BILLING),
}


def refused_wish(refused: BillingRefused, plan: str) -> RefusedWish:
    """A refusal of a wish for a plan (empty: the wish is for none)."""
    status, facts = Problem(refused.code, refused.detail).status, refused.facts
    sentence, way = _said(refused, facts, plan)
    return RefusedWish(status, sentence, way, facts.get("cancel_at"))


def _said(refused: BillingRefused, facts: Mapping[str, Any], plan: str) -> tuple[str, Way]:
    query = urlencode({"plan": plan})
    match refused.code:
        case "not_an_upgrade":
            later = Way("Change at the end of the period", ("subscription", "downgrade"), query)
            return "This plan gives no more than the present one, so it can begin when the present period ends.", later
        case "not_a_downgrade":
            return "This plan gives more than the present one, so nobody has to wait for it.", Way(
                "Upgrade now", ("subscription", "upgrade"), query
            )
        case "payment_due":
            pay = ("checkout", facts["checkout_id"]) if "checkout_id" in facts else ("billing",)
            return "A payment for the present plan is due. Pay it first, and change the plan then.", Way("Pay it", pay)
        case "price_not_found" if "currency" in facts:
            return f"This plan is not sold in {facts['currency']}, in which the present one is paid.", _PLANS
        case "provider_failed":
            return _failed(facts.get("provider_status")), _BILLING
        case code:
            return _SENTENCES.get(code, (refused.detail, _PLANS))


def _failed(status: int | None) -> str:
    """What is known about the change after a call that failed."""
    if status is not None and 400 <= status < 500:
        return "The payment provider refused it, and nothing has changed. Check the payment method, and try it again."
    return "The payment provider does not answer. Look at the billing page in some minutes, and try it again then."
