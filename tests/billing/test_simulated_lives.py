"""Simulated lives: the providers' libraries and we take them for genuine, and no order changes the facts."""

import random
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import pytest

from billing.facts import PaymentSeen, SubscriptionSeen
from billing.providers.provider import NotGenuine
from billing.simulation.posting import events_to_post
from billing.simulation.scenarios import SCENARIOS, month_after, steps_of
from billing.simulation.signing import Signed, signed
from tests.billing.lives import ADA, NOW, PRICES, SECRETS, SIMULATED, known, of_kind, provider, scenario, told

ALL = [(name, which) for name in SIMULATED for which in SCENARIOS]


@pytest.fixture(scope="module")
def libraries() -> Any:
    """The module tests.billing.libraries, which is imported here. See there."""
    return import_module("tests.billing.libraries")


def deliveries(name: str, which: str) -> list[Signed]:
    now = datetime.now(UTC)  # the libraries compare times with the clock
    return [signed(name, event, SECRETS[name], now) for event in scenario(name, which)]


@pytest.mark.parametrize(("name", "which"), ALL)
def test_every_simulated_delivery_is_genuine(name: str, which: str) -> None:
    for one in deliveries(name, which):
        found = provider(name).verify(one.headers, one.body, datetime.now(UTC))
        assert found.type == one.event.type
        if name != "lemonsqueezy":
            assert (found.delivery_id, found.at) == (one.event.event_id, one.event.at)
        with pytest.raises(NotGenuine):
            provider(name).verify(one.headers, one.body + b" ", datetime.now(UTC))


@pytest.mark.parametrize("which", SCENARIOS)
def test_the_library_of_stripe_takes_them(libraries: Any, which: str) -> None:
    for one in deliveries("stripe", which):
        event = libraries.stripe_event(one.body, one.headers)
        assert event.type == one.event.type


@pytest.mark.parametrize("which", SCENARIOS)
def test_the_library_of_dodo_takes_them(libraries: Any, which: str) -> None:
    for one in deliveries("dodo", which):
        event = libraries.dodo_event(one.body, one.headers)
        assert event.type == one.event.type


@pytest.mark.parametrize("name", SIMULATED)
@pytest.mark.parametrize("seed", range(5))
def test_no_order_and_no_number_of_deliveries_changes_what_is_known(name: str, seed: int) -> None:
    events = scenario(name, "shuffle")
    shuffled = random.Random(seed).sample([*events, *events], 2 * len(events))
    assert known(name, shuffled) == known(name, events)


@pytest.mark.parametrize("name", SIMULATED)
def test_the_shuffled_scenario_delivers_everything_twice(name: str) -> None:
    posted = events_to_post(name, "shuffle", ADA, PRICES[name], NOW, live=True)
    plain = told(name, steps_of("shuffle", PRICES[name], NOW))
    ids = sorted(event.event_id for event in posted)
    assert ids == sorted([event.event_id for event in plain] * 2)
    assert [event.event_id for event in posted[: len(plain)]] != [event.event_id for event in plain]
    assert posted == events_to_post(name, "shuffle", ADA, PRICES[name], NOW, live=True)


@pytest.mark.parametrize(("name", "which"), ALL)
def test_no_two_events_have_the_same_id(name: str, which: str) -> None:
    events = scenario(name, which)
    assert len({event.event_id for event in events}) == len(events)
    other = told(name, steps_of(which, PRICES[name], NOW), live=False)
    assert [event.type for event in other] == [event.type for event in events]


@pytest.mark.parametrize("live", [True, False])
def test_test_mode_is_told(live: bool) -> None:  # noqa: FBT001
    """opencollective-api#86: events of the test mode granted in production. Dodo tells it by the secret alone."""
    modes = {}
    for name in SIMULATED:
        [event] = told(name, steps_of("topup", PRICES[name], NOW), live=live)
        one = signed(name, event, SECRETS[name], NOW)
        modes[name] = provider(name).verify(one.headers, one.body, NOW).live
    assert modes == {"dodo": None, "lemonsqueezy": live, "stripe": live}


@pytest.mark.parametrize("name", SIMULATED)
@pytest.mark.parametrize("extra", ["a_new_field", "metadata"])
def test_what_a_provider_adds_is_not_refused(name: str, extra: str) -> None:
    """dodopayments/dodo-adapters#128: a strict schema refused genuine webhooks."""
    for event in scenario(name, "shuffle"):
        more = replace(event, payload=_with_more(event.payload, extra))
        assert known(name, [more]) == known(name, [event])


def _with_more(value: Any, extra: str) -> Any:
    """The same JSON, in which every object has one more field."""
    if isinstance(value, dict):
        return {extra: {"deep": [1, None]}} | {name: _with_more(one, extra) for name, one in value.items()}
    return [_with_more(one, extra) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", SIMULATED)
def test_each_scenario_shows_what_it_says(name: str) -> None:
    """The payments of each scenario that are of a subscription, and the last word about it."""
    seen = {which: known(name, scenario(name, which)) for which in SCENARIOS}
    reasons = {
        which: [one.reason for one in of_kind(facts, PaymentSeen) if one.status == "paid" and one.subscription_id]
        for which, facts in seen.items()
    }
    assert reasons == {
        "subscribe": ["initial"],
        "renew": ["initial", "renewal"],
        "fail-recover": ["initial", "renewal"],
        "upgrade": ["initial", "change"],
        "cancel": ["initial"],
        "refund": [],
        "dispute": [],
        "topup": [],
        "shuffle": reasons["shuffle"],
    }
    assert sorted(reasons["shuffle"]) == ["change", "initial", "renewal"]
    words = {which: of_kind(facts, SubscriptionSeen) for which, facts in seen.items()}
    statuses = {which: (word.status, word.ends_at is not None) for which, found in words.items() for word in found}
    assert statuses == {
        "subscribe": ("active", False),
        "renew": ("active", False),
        "fail-recover": ("active", False),
        "upgrade": ("active", False),
        "cancel": ("active", True),
        "shuffle": ("active", True),
    }
    better = {
        which for which, found in words.items() for word in found if word.item.product == PRICES[name].better_plan
    }
    assert better == {"upgrade", "shuffle"}


@pytest.mark.parametrize(
    ("at", "day", "after"),
    [
        (datetime(2026, 1, 31, tzinfo=UTC), 31, datetime(2026, 2, 28, tzinfo=UTC)),
        (datetime(2028, 1, 31, tzinfo=UTC), 31, datetime(2028, 2, 29, tzinfo=UTC)),
        (datetime(2026, 2, 28, tzinfo=UTC), 31, datetime(2026, 3, 31, tzinfo=UTC)),
        (datetime(2026, 12, 5, tzinfo=UTC), 5, datetime(2027, 1, 5, tzinfo=UTC)),
    ],
)
def test_a_month_ends_with_the_month(at: datetime, day: int, after: datetime) -> None:
    assert month_after(at, day) == after


def test_scenarios_end_before_now() -> None:
    """A service would take an event of the future for one."""
    for name in SIMULATED:
        for which in SCENARIOS:
            assert max(event.at for event in scenario(name, which)) <= NOW
