"""The page of hundreds of rates: groups and a search, also without script."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from api.dashboard.price_pages.rate_list import FEW, rate_list
from billing.prices.document import MAX_RATES, BookDocument, RateBody
from tests.dashboard.browsing import PHONE, barriers_in_light_and_dark, fits
from tests.dashboard.conftest import NewVisit
from tests.dashboard.guests import ROOT, operator, person
from tests.postgres import TestServers
from tests.service import Service, service_here

FLAT = [{"charge": "flat", "credits": 1}]
PROVIDERS = ("openai", "Anthropic", "mistral")


def rate(**fits: str) -> dict[str, Any]:
    return {**fits, "charges": FLAT, "free": ["quantity"]}


MODELS = [rate(provider=PROVIDERS[number % 3], model=f"model-{number:03}") for number in range(300)]
METRICS = [rate(metric="image"), rate(metric="speech")]
MANY = [*MODELS, rate(provider="openai", model="gpt-9*"), *METRICS]
GROUPS = ("Anthropic 100 rates", "mistral 100 rates", "openai 101 rates", "Any provider 2 rates")


@pytest.fixture(scope="module")
def service(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a large price book in force."""
    server = servers.get("embedded")
    assert server is not None
    with server.database() as conninfo, service_here(conninfo, tmp_path_factory.mktemp("rates")) as running:
        assert running.client.post("/v1/price_books", json={"rates": MANY}).status_code == 201
        assert running.post("/v1/accounts", {"account_id": "ada"}).status_code == 201
        yield running


def test_a_rate_is_found_without_script_on_a_phone(new_visit: NewVisit) -> None:
    visit = new_visit(PHONE, java_script_enabled=False)
    visit.sign_in()
    page = visit.go("/accounts/ada/prices")
    groups = page.locator(".groups summary")
    assert groups.all_inner_texts() == [*GROUPS]
    expect(page.get_by_text("model-001")).to_be_hidden()
    groups.first.click()
    expect(page.get_by_text("model-001")).to_be_visible()
    assert fits(page)
    search = page.get_by_label("Provider, model or kind")
    search.fill("GPT-9-mini")
    search.press("Enter")
    expect(page.get_by_text("1 of 303 rates is for “GPT-9-mini”.")).to_be_visible()
    assert page.locator("tbody tr").all_inner_texts() == ["openai / gpt-9*\t1 each time; units cost nothing"]
    page.get_by_label("Provider, model or kind").fill("model- mistral")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("100 of 303 rates are for")).to_be_visible()
    expect(page.get_by_text("model-002")).to_be_visible()
    assert fits(page)
    page.get_by_role("link", name="Show all").click()
    assert len(page.locator(".groups summary").all()) == 4


def test_groups_and_the_search_keep_nobody_out(new_visit: NewVisit) -> None:
    visit = new_visit(PHONE)
    visit.sign_in()
    page = visit.go("/accounts/ada/prices")
    page.locator(".groups summary").first.press("Enter")
    expect(page.get_by_text("model-001")).to_be_visible()
    assert barriers_in_light_and_dark(page) == ""


# Without a browser --------------------------------------------------------------------------------------------------


def test_operators_search_a_version_and_what_is_no_search_is_refused(service: Service) -> None:
    client = operator(service)
    for path in ("/prices", "/prices/1", "/accounts/ada/prices"):
        assert client.get(f"{ROOT}{path}").text.count("<tr>") >= len(MANY)
        found = client.get(f"{ROOT}{path}?q=speech").text
        assert "speech" in found
        assert "model-001" not in found
        assert client.get(f"{ROOT}{path}?q=no%3Cb%3Esuch").text.count("no&lt;b&gt;such") == 2
        assert client.get(f"{ROOT}{path}?q={'x' * 300}").status_code == 422
    assert "0 of 303 rates are for" in person(service, "ada").get(f"{ROOT}/accounts/ada/prices?q=nothing").text


def rates_of(*rates: dict[str, Any]) -> list[RateBody]:
    return list(BookDocument.model_validate({"rates": list(rates)}).rates)


def test_groups_are_of_what_tells_rates_apart() -> None:
    whole = rate_list(rates_of(*MANY), "", MAX_RATES)
    assert (whole.by, whole.searchable, whole.more) == ("provider", True, 0)
    assert [group.glob for group in whole.groups] == ["Anthropic", "mistral", "openai", "*"]
    assert whole.groups[0].rates[0].fits == ("model-001", "*")
    one_provider = [rate(metric=f"metric-{number:02}") for number in range(FEW + 1)]
    by_metric = rate_list(rates_of(*one_provider), "", MAX_RATES)
    assert (by_metric.by, len(by_metric.groups)) == ("metric", FEW + 1)
    models = [rate(model=f"model-{number:02}") for number in range(FEW + 1)]
    assert rate_list(rates_of(*models), "", MAX_RATES).by == ""
    few = rate_list(rates_of(*MANY[:FEW]), "", MAX_RATES)
    assert (few.by, few.searchable, len(few.groups)) == ("", False, 1)
    assert rate_list([], "", MAX_RATES).groups == []


def test_every_rate_is_shown_once_or_counted() -> None:
    rates = rates_of(*MANY)
    for text in ("", "model", "model-1 openai", "*", "x"):
        for most in (1, 50, MAX_RATES):
            found = rate_list(rates, text, most)
            shown = sum(len(group.rates) for group in found.groups)
            assert shown == min(found.found, most)
            assert shown + found.more == found.found <= found.total == len(rates)


def test_each_word_is_a_part_of_a_glob_or_what_it_stands_for() -> None:
    rates = rates_of(*MANY)
    cases = {
        "openai": 101,
        "OPENAI gpt-9": 1,
        "gpt-9-mini openai": 1,
        "gpt-9-mini mistral": 0,
        "model-299": 1,
        "image": 1,
        "anthropic  model-00": 3,
    }
    assert {text: rate_list(rates, text, MAX_RATES).found for text in cases} == cases
