"""The pages of the price book: its versions and rates, and what another one would have cost."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from api.dashboard.price_pages import what_if
from tests.commands import command
from tests.dashboard.acting import fields_of
from tests.dashboard.browsing import DESK, PHONE, Visit, barriers_at
from tests.dashboard.conftest import NewVisit
from tests.dashboard.guests import ROOT, operator, person
from tests.postgres import TestServers
from tests.service import Service, service_here

BOOK = Path(__file__).parents[2] / "docs" / "prices.toml"
CHAT = {"provider": "openai", "model": "gpt-5-mini", "input_tokens": 1_200, "output_tokens": 800}
PAGE = f"{ROOT}/prices/what_if"


@pytest.fixture(scope="module")
def service(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with three versions of the price book, of which the last is planned, and some usage."""
    server, folder = servers.get("embedded"), tmp_path_factory.mktemp("prices")
    assert server is not None
    dearer = folder / "dearer.toml"
    dearer.write_text(BOOK.read_text().replace("credits = 200 ", "credits = 250 "))
    with server.database() as conninfo, service_here(conninfo, folder) as running:
        assert "No price book is published yet." in operator(running).get(f"{ROOT}/prices").text
        for words in ((BOOK,), (dearer,), (BOOK, "--effective-at", "2999-01-01")):
            assert command(conninfo, "prices", "publish", *words).status == 0
        _use(running)
        yield running


def _use(service: Service) -> None:
    assert service.post("/v1/accounts", {"account_id": "ada", "signup_credits": 5_000}).status_code == 201
    for number, (amount, usage) in enumerate(
        [(20, CHAT), (180, {"metric": "enhance"}), (10, {"model": "<b>x</b>", "input_tokens": 1}), (5, None)]
    ):
        body = {"amount": amount, "task_id": f"t{number}"} | ({} if usage is None else {"usage": usage})
        assert service.post("/v1/accounts/ada/deductions", body).status_code == 201


def today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"


def asked(client: httpx.Client, file: bytes = b"", name: str = "", **typed: str) -> httpx.Response:
    """The page after its form is sent, as browsers send it: with a file that has no name if none is chosen."""
    fields = fields_of(client.get(PAGE))
    fields.pop("file", None)
    said = {**fields, "from": today(), "to": today(), "tz": "UTC", "version": "", **typed}
    parts = [f'name="{field}"\r\n\r\n{text}'.encode() for field, text in said.items()]
    parts.append(f'name="file"; filename="{name}"\r\nContent-Type: application/octet-stream\r\n\r\n'.encode() + file)
    body = b"".join(b"--edge\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts) + b"--edge--\r\n"
    return client.post(PAGE, content=body, headers={"content-type": "multipart/form-data; boundary=edge"})


def test_the_versions_and_the_rates_of_one(visit: Visit) -> None:
    visit.enter_as_operator()
    page = visit.go("/accounts")
    page.get_by_role("link", name="Catalogue").click()
    page.get_by_role("link", name="What usage costs").click()
    versions = page.get_by_role("region", name="Table of versions")
    assert [row.split("\t")[0].split() for row in versions.locator("tbody tr").all_inner_texts()] == [
        ["3", "planned"],
        ["2", "in", "force"],
        ["1"],
    ]
    rates = page.get_by_role("region", name="Table of rates")
    assert rates.locator("tbody tr").all_inner_texts()[3] == "enhance\t250 each time; units cost nothing"
    versions.get_by_role("link", name="3").click()
    expect(page.get_by_text("It takes the place of version 2.")).to_be_visible()
    changed = page.get_by_role("region", name="Table of changed rates")
    assert len(changed.locator("tbody tr").all_inner_texts()) == 1
    expect(changed.get_by_text("250 each time")).to_be_visible()
    expect(changed.get_by_text("200 each time")).to_be_visible()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_day_under_another_book(new_visit: NewVisit, tmp_path: Path, *, script: bool) -> None:
    visit = new_visit(java_script_enabled=script, timezone_id="UTC")
    visit.enter_as_operator()
    page = visit.go("/prices")
    page.get_by_role("link", name="What would other prices have cost?").click()
    page.get_by_label("Time zone").fill("UTC")
    page.get_by_label("From").fill(today())
    page.get_by_label("To", exact=True).fill(today())
    page.get_by_label("Price book").select_option("2")
    page.get_by_role("button", name="Compare").click()
    _shows(page, "262", "+62")
    cheaper = tmp_path / "cheaper.toml"
    cheaper.write_text(BOOK.read_text().replace("credits = 200 ", "credits = 100 "))
    page.get_by_label("Or a file").set_input_files(cheaper)
    page.get_by_role("button", name="Compare").click()
    _shows(page, "112", "\N{MINUS SIGN}88")


def _shows(page: Page, would_cost: str, difference: str) -> None:
    figures = page.locator("[data-part=total] .figure").all_inner_texts()
    assert figures == ["200", would_cost, difference, "10", "5"]
    refused = page.get_by_role("region", name="Table of what it refuses")
    expect(refused.get_by_text("No rate of the price book is for this")).to_be_visible()
    expect(refused.get_by_text("<b>x</b>")).to_be_visible()
    expect(page.get_by_role("region", name="Table by account").get_by_role("link", name="ada")).to_be_visible()


def test_nothing_keeps_anybody_out(new_visit: NewVisit) -> None:
    visit = new_visit(PHONE)
    visit.enter_as_operator()
    for path in ("/prices", "/prices/3", "/accounts/ada/prices", "/prices/what_if"):
        assert barriers_at(visit.go(path), PHONE, DESK) == "", path
    page = visit.page
    page.get_by_label("Price book").select_option("1")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("region", name="Table by model")).to_be_visible()
    assert barriers_at(page, PHONE, DESK) == ""


# Without a browser --------------------------------------------------------------------------------------------------


def test_what_is_wrong_with_the_form_is_told_on_it(service: Service) -> None:
    client, late = operator(service), (datetime.now(UTC) + timedelta(days=200)).date().isoformat()
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "Choose a file, or a version of the price book."),
        ({"version": "9"}, "The price book has no version 9."),
        ({"version": "x"}, "version: "),
        ({"version": "1", "to": late}, "at most 91 days after the first one"),
        ({"version": "1", "to": "2020-01-01"}, "at most 91 days after the first one"),
        ({"version": "1", "from": "yesterday"}, "from: must be a date"),
        ({"version": "1", "from": ""}, "from: is required"),
        ({"version": "1", "tz": "Mars"}, "must be a time zone"),
        ({"file": b"rates = 3", "name": "book.toml"}, "book.toml: rates input should be a valid list"),
        ({"file": b"\xff", "name": "book.toml"}, "book.toml: is not TOML"),
        ({"file": b"{", "name": "book.json"}, "book.json: is not JSON"),
    ]
    for typed, said in cases:
        answer = asked(client, **typed)
        assert answer.status_code == 422, typed
        assert said in answer.text, typed
        assert 'role="alert"' in answer.text
    assert client.get(f"{ROOT}/prices/9").status_code == client.get(f"{ROOT}/prices/x").status_code == 404


def test_what_takes_too_long_is_told(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(what_if, "SECONDS", 0.0)
    answer = asked(operator(service), version="1")
    assert answer.status_code == 422
    assert "This takes too long for a page." in answer.text


def test_account_holders_see_what_a_use_costs_and_nothing_else(service: Service) -> None:
    holder = person(service, "ada")
    assert 'href="/dashboard/accounts/ada/prices"' in holder.get(f"{ROOT}/accounts/ada").text
    text = holder.get(f"{ROOT}/accounts/ada/prices").text
    assert "250 each time" in text
    assert "200 each time" not in text
    other = service.open_account()
    assert holder.get(f"{ROOT}/accounts/{other}/prices").status_code == 404
    assert operator(service).get(f"{ROOT}/accounts/nobody/prices").status_code == 404
    for path in ("/prices", "/prices/1", "/prices/what_if"):
        assert holder.get(f"{ROOT}{path}").status_code == 404
    assert holder.post(PAGE).status_code == 404
