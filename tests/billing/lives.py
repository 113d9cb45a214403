"""Simulated lives, signed and read: what tests of providers share."""

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from billing.facts import Fact, joined
from billing.known_providers import PROVIDERS
from billing.providers.provider import Delivery, Provider
from billing.simulation.scenarios import Life, Prices, steps_of
from billing.simulation.signing import events_of
from billing.simulation.steps import Customer, Event, Step

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
ADA = Customer("ada", 41)
SECRETS = {
    "dodo": "whsec_" + base64.b64encode(bytes(range(32))).decode(),
    "lemonsqueezy": "a secret with spaces",
    "paddle": "pdl_ntfset_1_used_as_it_is",
    "polar": "polar_whs_used_as_it_is",
    "stripe": "whsec_used_as_it_is",
}
AMOUNTS = (20_00, 50_00, 10_00, "USD")
PRICES = {
    "dodo": Prices("pdt_lite", "pdt_pro", "pdt_credits", *AMOUNTS),
    "lemonsqueezy": Prices("1001", "1002", "2001", *AMOUNTS),
    "stripe": Prices("price_lite", "price_pro", "price_credits", *AMOUNTS),
}
SIMULATED = sorted(PRICES)


def provider(name: str, *secrets: str) -> Provider:
    return PROVIDERS[name](secrets or (SECRETS[name],))


def life(name: str) -> Life:
    """A life with the products of a provider."""
    return Life(PRICES[name], NOW)


def told(name: str, steps: Sequence[Step], *, live: bool = True) -> list[Event]:
    """The events with which a provider tells steps."""
    return [event for step in steps for event in events_of(name, ADA, step, live=live)]


def scenario(name: str, which: str) -> list[Event]:
    """The events with which a provider tells a scenario."""
    return told(name, steps_of(which, PRICES[name], NOW))


def read(name: str, payload: Any) -> list[Fact]:
    """The facts of a payload; bytes are a whole body."""
    body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
    return PROVIDERS[name](()).facts(Delivery(name, "any", "", body))


def known(name: str, events: Sequence[Event]) -> list[Fact]:
    """What is known after some events."""
    return joined(fact for event in events for fact in read(name, event.payload))


def of_kind(facts: Sequence[Fact], kind: type[Any]) -> list[Any]:
    return [fact for fact in facts if isinstance(fact, kind)]
