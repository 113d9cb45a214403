"""Bank transfers in a real browser: the page of who pays, and the one of the operator who looks at the bank."""

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from playwright.sync_api import expect

from people.api_keys import create_key
from tests.dashboard.acting import fields_of
from tests.dashboard.browsing import DESK, PHONE, barriers_at, barriers_in_light_and_dark
from tests.dashboard.conftest import NewVisit
from tests.dashboard.guests import ROOT, operator, person
from tests.dashboard.selling import checkout_of, credits, selling, shot
from tests.postgres import TestServers
from tests.service import Service, wait_for

SELLER = "Example Ltd\n1 High Street, Dublin"
BANK = "IBAN IE29 AIBK 9311 5212 3456 78\nBIC AIBKIE2D"


@pytest.fixture(scope="module")
def service(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that is paid by bank transfer."""
    yield from selling(servers, tmp_path_factory.mktemp("transfers"), seller=SELLER, bank_details=BANK)


def test_a_transfer_is_awaited_and_received(new_visit: NewVisit, service: Service) -> None:
    account = service.open_account()
    made = checkout_of(service, account, plan="pro", price="monthly")
    holder = new_visit()
    page = holder.open_portal_link(account, checkout_id=made["checkout_id"])
    assert page.url == made["url"]
    expect(page.get_by_text(made["reference"])).to_be_visible()
    expect(page.get_by_text("IBAN IE29 AIBK 9311 5212 3456 78")).to_be_visible()
    expect(page.get_by_role("button", name="Pay")).to_have_count(0)
    shot(page, "transfer")
    visit = new_visit()
    visit.enter_as_operator()
    page = visit.go("/accounts")
    page.get_by_role("link", name="Transfers").click()
    page.get_by_label("Reference").fill(made["reference"].lower().replace("-", " "))
    page.get_by_role("button", name="Search").click()
    article = page.locator("article")
    expect(article).to_have_count(1)
    shot(page, "transfers")
    article.get_by_label("Amount in EUR").fill("18,00")
    visit.expected.add("422")
    article.get_by_role("button", name="Received").click()
    expect(page.get_by_text("€19.00 was asked for, and €18.00 came. Is that right?")).to_be_visible()
    shot(page, "wrong-amount")
    page.locator("article").first.get_by_role("button", name="It is right: received").click()
    expect(page.get_by_text(f"Received: {made['reference']}.")).to_be_visible()
    wait_for(lambda: credits(service, account) == 2_000)
    wait_for(lambda: service.get(f"/v1/accounts/{account}/payments").json()["payments"] != [])
    [payment] = service.get(f"/v1/accounts/{account}/payments").json()["payments"]
    assert (payment["amount_minor"], payment["provider"]) == (1_800, "manual")
    found = service.get(f"/v1/checkouts/{made['checkout_id']}").json()
    assert (found["state"], found["paid_at"] is not None) == ("paid", True)


def test_a_payment_that_is_due_is_on_the_plan_card(new_visit: NewVisit, service: Service) -> None:
    """The service asks for it by itself; here the end of the period is moved to five days from now."""
    account = service.open_account()
    made = checkout_of(service, account, plan="pro", price="monthly")
    receive(service, made["checkout_id"], "19.00")
    wait_for(lambda: service.get(f"/v1/accounts/{account}/subscription").json()["has_active_subscription"])
    with psycopg.connect(service.conninfo) as connection:
        moved = "UPDATE billing.manual_subscriptions SET step_at = now(), period_end = now() + interval '5 days'"
        connection.execute(f"{moved} WHERE account_id = %s".encode(), [account])
    visit = new_visit()
    visit.enter(account)
    card = visit.page.get_by_role("region", name="Plan", exact=True)

    def is_due() -> bool:
        visit.go(f"/accounts/{account}")
        return card.get_by_text("A payment of €19.00 is due").count() == 1

    wait_for(is_due)
    shot(visit.page, "due")
    assert barriers_in_light_and_dark(visit.page) == ""
    card.get_by_role("link", name="Pay it").click()
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Renewal")
    shot(visit.page, "renewal")


def receive(service: Service, checkout_id: str, amount: str) -> None:
    """An operator takes a transfer."""
    client, page = operator(service), f"{ROOT}/transfers"
    form = {"csrf": fields_of(client.get(page))["csrf"], "checkout_id": checkout_id, "amount": amount}
    assert client.post(page, data={**form, "date": datetime.now(UTC).date().isoformat()}).status_code == 200


def test_nothing_keeps_anybody_out(new_visit: NewVisit, service: Service) -> None:
    account = service.open_account()
    made = checkout_of(service, account, package="pack", quantity=2)
    visit = new_visit(PHONE)
    visit.enter_as_operator()
    for path in ("/transfers", made["url"].partition(ROOT)[2], f"/accounts/{account}/plans"):
        page = visit.go(path)
        assert barriers_at(page, PHONE, DESK) == "", path
        shot(page, f"desk-{path.split('/')[-2]}")


# Without a browser --------------------------------------------------------------------------------------------------


def test_nobody_opens_the_checkout_of_another(service: Service) -> None:
    mine, other = service.open_account(), service.open_account()
    made = checkout_of(service, mine, package="pack")
    own, stranger = person(service, mine), person(service, other)
    page = f"{ROOT}/accounts/{mine}/checkout/{made['checkout_id']}"
    borrowed = f"{ROOT}/accounts/{other}/checkout/{made['checkout_id']}"
    assert own.get(page).status_code == 200
    for path in (page, borrowed, f"{ROOT}/accounts/{other}/checkout/chk_{'0' * 32}"):
        assert stranger.get(path).status_code == 404
    token = fields_of(stranger.get(f"{ROOT}/accounts/{other}/plans"))["csrf"]
    for path in (page, borrowed):
        assert stranger.post(path, data={"csrf": token, "decision": "pay"}).status_code == 404
    assert service.get(f"/v1/checkouts/{made['checkout_id']}").json()["state"] == "open"
    assert operator(service).get(borrowed).status_code == 404


def test_transfers_are_not_played(service: Service) -> None:
    account = service.open_account()
    made = checkout_of(service, account, package="pack")
    client = person(service, account)
    page = f"{ROOT}/accounts/{account}/checkout/{made['checkout_id']}"
    token = fields_of(client.get(f"{ROOT}/accounts/{account}/plans"))["csrf"]
    assert client.post(page, data={"csrf": token, "decision": "pay"}).status_code == 404
    assert client.post(page, data={"csrf": "x", "decision": "pay"}).status_code == 403
    assert credits(service, account) == 0


def test_what_is_typed_wrongly_is_said(service: Service) -> None:
    made = checkout_of(service, service.open_account(), package="pack")
    client, page = operator(service), f"{ROOT}/transfers"
    form = {"csrf": fields_of(client.get(page))["csrf"], "checkout_id": made["checkout_id"]}
    today = datetime.now(UTC).date().isoformat()
    for amount, date, sentence in (
        ("", today, "The amount must be a number"),
        ("-19", today, "The amount must be a number"),
        ("19.001", today, "The amount must be a number"),
        ("1e9999999", today, "The amount must be a number"),
        ("NaN", today, "The amount must be a number"),
        ("19", "2999-01-01", "a date that is not in the future"),
        ("19", "20270131", "a date that is not in the future"),
        ("20", today, "€19.00 was asked for, and €20.00 came."),
    ):
        answer = client.post(page, data={**form, "amount": amount, "date": date})
        assert (answer.status_code, sentence in answer.text) == (422, True), (amount, date)
    assert client.post(page, data={**form, "checkout_id": "chk_1", "amount": "19", "date": today}).status_code == 404
    assert client.post(page, data={**form, "amount": "19", "date": today}).status_code == 200
    again = client.post(page, data={**form, "amount": "19", "date": today})
    assert (again.status_code, "Somebody has taken it already." in again.text) == (422, True)
    found = client.get(page, params={"reference": made["reference"]}).text
    assert "says <bdi>key:admin</bdi>" in found
    for after in ("x", "2027-01-01T00:00:00+00:00 chk_1", "2027-01-01T00:00:00"):
        assert client.get(page, params={"after": after}).status_code == 200


def test_only_those_who_record_payments_see_transfers(service: Service) -> None:
    reader = operator(service, create_key(service.conninfo, "reads", ["ledger:read"]))
    assert reader.get(f"{ROOT}/transfers").status_code == 403
    assert f"{ROOT}/transfers" not in reader.get(f"{ROOT}/accounts").text
    assert person(service, service.open_account()).get(f"{ROOT}/transfers").status_code == 404
