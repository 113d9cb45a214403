"""docs/payment-providers.md says what is true: which events matter, which scenarios there are."""

import re
import tomllib

import pytest

from billing.known_providers import PROVIDERS
from billing.simulation.scenarios import SAMPLE_PRICES, SCENARIOS
from tests.billing.lives import SIMULATED, scenario
from tests.test_docs import headings
from tests.test_house import ROOT

PAGE = headings("payment-providers.md")
SECTIONS = {
    "stripe": "Stripe",
    "dodo": "Dodo Payments",
    "lemonsqueezy": "Lemon Squeezy",
    "polar": "Polar",
    "paddle": "Paddle",
}


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_events_to_tick_are_those_that_are_read(name: str) -> None:
    text = PAGE[SECTIONS[name]]
    listed = re.search(r"Tick these events:\n(.*?)\.\n", text, re.DOTALL)
    assert listed is not None
    assert sorted(re.findall(r"`([\w.]+)`", listed[1])) == sorted(PROVIDERS[name](()).events)
    assert f"/v1/webhooks/{name}`" in text
    assert f"CREDIT_LEDGER_{name.upper()}_WEBHOOK_SECRET" in text


def test_every_scenario_is_there_with_what_it_shows() -> None:
    told = re.findall(r"^\| `([\w-]+)` \| (.*?) \|$", PAGE["Without an account at any of them"], re.MULTILINE)
    assert dict(told) == {name: scenario.shows for name, scenario in SCENARIOS.items()}


@pytest.mark.parametrize("name", SIMULATED)
def test_simulations_deliver_events_to_tick_and_their_twins(name: str) -> None:
    """What comes besides says nothing: a provider delivers it when somebody ticks everything."""
    delivered = {event.type for which in SCENARIOS for event in scenario(name, which)}
    assert delivered - set(PROVIDERS[name](()).events) <= {"subscription_payment_recovered"}


def test_the_products_are_those_of_the_sample_catalogue() -> None:
    catalog = tomllib.loads((ROOT / "docs" / "catalog.toml").read_text())
    sold = {
        (provider, product): (kind, price["amount_minor"], price["currency"])
        for kind in ("plans", "packages")
        for entry in catalog[kind].values()
        for price in entry.get("prices", [])
        for provider, product in price["products"].items()
    }
    for name, prices in SAMPLE_PRICES.items():
        assert sold[name, prices.plan] == ("plans", prices.plan_minor, prices.currency)
        assert sold[name, prices.better_plan] == ("plans", prices.better_minor, prices.currency)
        assert sold[name, prices.package] == ("packages", prices.package_minor, prices.currency)
