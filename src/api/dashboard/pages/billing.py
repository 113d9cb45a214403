"""The billing page: the plan, the payments with the grants that each one paid for, and all grants with what is left."""

from collections.abc import Mapping
from datetime import UTC, date, datetime

from starlette.requests import Request
from starlette.responses import Response

from api.contract.answers.lists import GrantStatus, PaymentsAnswer
from api.dashboard.current_user import user_of
from api.dashboard.plans.change_links import change_links
from api.dashboard.plans.plan_card import STATUS_WORDS, plan_card_of
from api.dashboard.rendering import page, required_position
from api.http.billing.catalog import entries_of
from api.http.billing.changes import changing_of
from api.http.documents.documents import documents_of, invoices_of
from api.http.queries.lists import grants_of, payments_of
from api.http.queries.query import Page
from api.http.queries.reads import Reads, reads_of
from audit.documents.payment_figures import MERCHANTS_OF_RECORD, PROVIDERS
from billing.changes.receipts import Operation
from billing.provider_invoices import Paid
from ledger.domain.events import PaymentStatus
from ledger.explain.event_titles import GRANT_TITLES

LIMIT = 25
WISHES = 10
"""How many changes that were asked for operators are shown."""
WISH_WORDS: Mapping[Operation, str] = {
    "upgrade": "Upgrade",
    "downgrade": "Downgrade",
    "cancel": "Cancellation",
    "reactivate": "Reactivation",
}
MOST_BOUGHT = 5
"""The grants of one payment that are shown. Its receipt has all of them."""
MONTHS = 36
"""The months whose statements can be chosen; the API has those before them too."""
TONES: Mapping[PaymentStatus | GrantStatus, str] = {
    "paid": "good",
    "failed": "bad",
    "refunded": "warn",
    "open": "good",
    "expired": "warn",
    "voided": "bad",
}
"""The tones of statuses; one that is not here has none."""
ASKED: Mapping[str, str] = {
    "upgrade": "The plan changes as soon as the payment provider says so. This page shows it then.",
    "downgrade": "The plan changes at the end of the period. This page shows it once the provider has said so.",
    "cancel": "The subscription ends at the end of its period. This page shows it once the provider has said so.",
    "reactivate": "The subscription renews. This page shows it once the provider has said so.",
}
"""What follows a wish about the subscription: the page may be ahead of the provider."""


async def billing(request: Request) -> Response:
    """Show both lists. Each has pages of its own."""
    account_id = request.path_params["account_id"]
    reads, position, query = reads_of(request), required_position(request), request.query_params
    card = await plan_card_of(reads, account_id)
    payments = await payments_of(reads, account_id, None, Page(LIMIT, query.get("payments") or None, position))
    grants = await grants_of(reads, account_id, None, Page(LIMIT, query.get("grants") or None, position))
    wishes = await changing_of(request).receipts.asked_for(account_id, WISHES) if user_of(request).is_operator else []
    given = {name: query.get(name, "") for name in ("payments", "grants", "tz")}
    return await page(
        request,
        "billing.html",
        account_id=account_id,
        payments=payments,
        grants=grants,
        given=given,
        sources=GRANT_TITLES,
        tones=TONES,
        months=_months(reads.clock()),
        most_bought=MOST_BOUGHT,
        invoices=lambda provider: documents_of(request).title(provider),
        sellers=await _sellers(request, payments),
        names={**card.names, **await _package_names(reads, payments)},
        plan=card,
        plan_words=STATUS_WORDS,
        plan_links=change_links(request, account_id, card),
        asked=ASKED.get(query.get("asked", "")),
        wishes=wishes,
        wish_words=WISH_WORDS,
    )


async def _package_names(reads: Reads, payments: PaymentsAnswer) -> dict[str, str]:
    """The names of packages, if one was bought."""
    if all(one["plan"] is None or one["subscription_id"] is not None for one in payments["payments"]):
        return {}
    return {entry.id: entry.body.name for entry in await entries_of(reads, "package")}


async def _sellers(request: Request, payments: PaymentsAnswer) -> dict[Paid, str]:
    """Who sold, for the payments whose own invoices can be looked for, by the provider and the id of the payment."""
    asked = [Paid(one["provider"], one["payment_id"]) for one in payments["payments"]]
    found = await invoices_of(request).linked([one for one in asked if one.provider in MERCHANTS_OF_RECORD])
    return {one: PROVIDERS[one.provider] for one in found}


def _months(now: datetime) -> dict[str, str]:
    """The months that can be asked for, this one first, by their values in an address."""
    this = now.astimezone(UTC).year * 12 + now.astimezone(UTC).month - 1
    firsts = [date(place // 12, place % 12 + 1, 1) for place in range(this, this - MONTHS, -1)]
    return {f"{first:%Y-%m}": f"{first:%B %Y}" for first in firsts}
