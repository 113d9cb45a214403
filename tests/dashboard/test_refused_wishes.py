"""Refused wishes about a subscription, as pages say them: in words of the page, with a way out."""

import re
from datetime import UTC, datetime

import pytest

from api.dashboard.subscription_pages.refused_wishes import refused_wish
from billing.calls.calls import ProviderCannot, ProviderFailed
from billing.changes import refusals
from billing.checkouts.errors import NoPriceInCurrency, PaymentDue, PriceNotFound
from billing.errors import BillingRefused, PlanNotFound

ENDS = datetime(2027, 2, 28, 12, tzinfo=UTC)
CASES: list[tuple[BillingRefused, int, str]] = [
    (refusals.NoSubscription("acct-7", "manual:sub_1"), 409, "plans"),
    (refusals.AlreadyOnPlan("pro-7"), 409, "billing"),
    (refusals.NotAnUpgrade("pro-7", "max-7"), 409, "subscription/downgrade?plan=pro-7"),
    (refusals.NotADowngrade("pro-7", "max-7"), 409, "subscription/upgrade?plan=pro-7"),
    (refusals.AlreadyCancelled("manual:sub_1", ENDS), 409, "subscription/reactivate"),
    (refusals.NotCancelled("manual:sub_1"), 409, "billing"),
    (refusals.KeyReused("dashboard-7"), 422, "billing"),
    (PaymentDue("manual:sub_1", "chk_7"), 409, "checkout/chk_7"),
    (PaymentDue("stripe:sub_1", None), 409, "billing"),
    (PlanNotFound("pro-7"), 404, "plans"),
    (PriceNotFound("plan", "pro-7", "weekly", ["monthly"]), 422, "plans"),
    (NoPriceInCurrency("pro-7", "EUR"), 422, "plans"),
    (ProviderFailed("Stripe answered 402 card_declined.", provider="stripe", provider_status=402), 502, "billing"),
    (ProviderFailed("Stripe did not answer in time.", provider="stripe"), 502, "billing"),
    (ProviderCannot("The subscription is paid in EUR and the new price is in USD.", provider="manual"), 501, "plans"),
]


@pytest.mark.parametrize(("refusal", "status", "way"), CASES, ids=[type(case[0]).__name__ for case in CASES])
def test_a_refused_wish_names_no_id_and_leads_on(refusal: BillingRefused, status: int, way: str) -> None:
    refused = refused_wish(refusal, "pro-7")
    path = "/".join(refused.way.path) + (f"?{refused.way.query}" if refused.way.query else "")
    assert (refused.status, path) == (status, way)
    assert not re.search(r"-7|sub_|chk_|stripe|[0-9]T[0-9]|[Aa]sk for|checkout|key", refused.sentence), refused.sentence
    assert refused.sentence.endswith(".")
    assert (refused.ends is not None) == isinstance(refusal, refusals.AlreadyCancelled)
