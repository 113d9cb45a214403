"""The page of webhooks in a real browser: why each waits, and what an operator does about it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count

import pytest
from playwright.sync_api import expect

from billing.simulation.signing import signed
from billing.simulation.steps import Customer
from people.api_keys import create_key
from tests.billing.inbox.desk import CREDITS, events_told
from tests.billing.lives import PRICES, life
from tests.dashboard.acting import fields_of
from tests.dashboard.browsing import DESK, PHONE, barriers_at
from tests.dashboard.conftest import NewVisit
from tests.dashboard.guests import ROOT, operator, person
from tests.postgres import TestServers
from tests.service import WEBHOOK_SECRET, Service, service_here, wait_for

PAGE = f"{ROOT}/webhooks"
_numbers = count(1)


@pytest.fixture(scope="module")
def service(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that sells what simulated customers buy."""
    server = servers.get("embedded")
    assert server is not None
    with server.database() as conninfo, service_here(conninfo, tmp_path_factory.mktemp("billed")) as running:
        price = {"price": "once", "amount_minor": 1_000, "currency": "USD"}
        products = {"products": {"stripe": PRICES["stripe"].package}}
        body = {"name": "Credits", "credits": CREDITS, "prices": [price | products]}
        assert running.client.put("/v1/packages/credits", json=body).status_code == 201
        yield running


def waiting(service: Service) -> str:
    """The id of a webhook about an account that nobody has opened."""
    one, number = life("stripe"), next(_numbers)
    one.buy_package()
    [event] = events_told("stripe", Customer(f"nobody-{number}", number), one.steps)
    told = signed("stripe", event, WEBHOOK_SECRET, datetime.now(UTC))
    webhook_id: str = service.client.post("/v1/webhooks/stripe", content=told.body, headers=told.headers).json()[
        "webhook_id"
    ]
    wait_for(lambda: state(service, webhook_id) == "waiting")
    return webhook_id


def state(service: Service, webhook_id: str) -> str:
    found: str = service.get(f"/v1/webhooks/{webhook_id}").json()["state"]
    return found


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_an_operator_matches_what_waits(new_visit: NewVisit, service: Service, *, script: bool) -> None:
    webhook_id, account = waiting(service), service.open_account()
    visit = new_visit(java_script_enabled=script)
    visit.enter_as_operator()
    page = visit.go("/accounts")
    page.get_by_role("link", name="Webhooks").click()
    article = page.locator("article").filter(has=page.locator(f"#{webhook_id}"))
    expect(article.get_by_text("Nothing says which account it is for, or there is no such account.")).to_be_visible()
    article.get_by_label("Account").fill(account)
    article.get_by_role("button", name="Match").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Webhooks")
    wait_for(lambda: state(service, webhook_id) == "applied")
    assert service.get(f"/v1/accounts/{account}/balance").json()["permanent_credits"] == CREDITS
    page = visit.go("/webhooks?state=all")
    expect(page.locator("article").filter(has=page.locator(f"#{webhook_id}")).get_by_role("button")).to_have_count(0)


def test_nothing_keeps_anybody_out(new_visit: NewVisit, service: Service) -> None:
    waiting(service)
    visit = new_visit(PHONE)
    visit.enter_as_operator()
    for path in ("/webhooks", "/webhooks?state=all"):
        assert barriers_at(visit.go(path), PHONE, DESK) == "", path


# Without a browser --------------------------------------------------------------------------------------------------


def test_what_is_wrong_is_said_above_the_list(service: Service) -> None:
    webhook_id = waiting(service)
    client = operator(service)
    token = fields_of(client.get(PAGE))["csrf"]
    form = {"csrf": token, "webhook_id": webhook_id}
    for account, sentence in (("", "must have 1 to 128"), ("nobody-at-all", "There is no account nobody-at-all.")):
        answer = client.post(PAGE, data={**form, "decision": "match", "account_id": account})
        assert answer.status_code == 422
        assert sentence in answer.text
    assert client.post(PAGE, data={**form, "decision": "burn"}).status_code == 400
    assert client.post(PAGE, data={**form, "csrf": "x", "decision": "retry"}).status_code == 403
    answer = client.post(PAGE, data={**form, "decision": "dismiss", "reason": "<b>ours</b>"})
    assert answer.status_code == 200
    assert state(service, webhook_id) == "dismissed"
    shown = client.get(PAGE, params={"state": "dismissed"}).text
    assert "An operator dismissed it. (&lt;b&gt;ours&lt;/b&gt;)" in shown
    assert client.post(PAGE, data={**form, "decision": "retry"}).status_code == 200
    wait_for(lambda: state(service, webhook_id) == "waiting")


def test_only_administrators_see_it(service: Service) -> None:
    reader = operator(service, create_key(service.conninfo, "reads", ["ledger:read"]))
    assert reader.get(PAGE).status_code == 403
    assert PAGE not in reader.get(f"{ROOT}/accounts").text
    assert person(service, service.open_account()).get(PAGE).status_code == 404
