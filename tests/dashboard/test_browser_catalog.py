"""The pages of what is sold in a real browser: the catalogue for operators, and the plans for account holders."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.billing.catalogs import SAMPLE, WHOLE_PLAN
from tests.commands import command
from tests.dashboard.browsing import DESK, PHONE, Visit, barriers_at, barriers_in_light_and_dark, fits
from tests.dashboard.conftest import NewVisit
from tests.dashboard.guests import ROOT, guest, operator, person, portal_link
from tests.postgres import TestServers
from tests.service import Service, service_here

PLANS = "/accounts/{}/plans"


@pytest.fixture(scope="module")
def service(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that sells the sample; its plan `max` has had another version."""
    server = servers.get("embedded")
    assert server is not None
    with server.database() as conninfo, service_here(conninfo, tmp_path_factory.mktemp("shop")) as running:
        assert command(conninfo, "catalog", "apply", SAMPLE).status == 0
        old = running.get("/v1/plans/max").json()
        body = {name: old[name] for name in WHOLE_PLAN}
        later = {**body, "name": "Max 2027", "credits": 15_000, "applies_to": "all"}
        assert running.client.put("/v1/plans/max", json=later).status_code == 201
        hidden = {"name": "Staff", "credits": 1, "listed": False}
        assert running.client.put("/v1/plans/staff", json=hidden).status_code == 201
        yield running


@pytest.fixture(scope="module")
def account(service: Service) -> str:
    return service.open_account(permanent=5)


def plans(visit: Visit, account: str) -> Page:
    visit.enter(account)
    return visit.go(PLANS.format(account))


def test_a_refused_deduction_names_the_pages_that_help(service: Service, account: str) -> None:
    """A portal link opens the page that the refusal names."""
    answer = service.post(f"/v1/accounts/{account}/deductions", {"amount": 6}, key="d")
    page = f"{ROOT}/accounts/{account}/plans"
    ways = [{"way": "upgrade", "url": page}, {"way": "top_up", "url": f"{page}#packages"}]
    assert (answer.status_code, answer.json()["ways_out"]) == (402, ways)
    item = {"op": "deduct", "account_id": account, "amount": 6, "idempotency_key": "d"}
    [in_a_batch] = service.post("/v1/batch", {"commands": [item]}).json()["results"]
    assert in_a_batch == answer.json()
    opened = guest(service).get(portal_link(service, account, page="plans"))
    assert opened.url.path == page
    assert 'id="packages"' in opened.text
    assert (
        guest(service).get(portal_link(service, account) + "?page=../secret").url.path == f"{ROOT}/accounts/{account}"
    )


def test_a_person_compares_the_plans(visit: Visit, account: str) -> None:
    page = plans(visit, account)
    offers = page.locator(".offers > li")
    assert offers.locator("h2").all_inner_texts() == ["Free", "Pro", "Max 2027"]
    pro = offers.nth(1)
    assert pro.locator(".cost").all_inner_texts() == ["€19.00 every month", "€190.00 every year"]
    assert pro.locator(".kind").inner_text() == "2,000 credits every month"
    expect(pro.get_by_text("Try it for 14 days with 200 credits.")).to_be_visible()
    assert pro.locator(".features li").all_inner_texts()[-1] == "All models"
    expect(offers.nth(0).get_by_text("No charge")).to_be_visible()
    expect(page.get_by_text("your plan")).to_have_count(0)
    lines = [" | ".join(text.split("\n")) for text in page.locator(".packages li").all_inner_texts()]
    assert [line.replace("  ", " ") for line in lines] == [
        "Small | 500 credits | €6.00 | Buy | Small",
        "Middle | 5,000 credits | €50.00 | Buy | Middle",
        "Large The best price. for subscribers | 25,000 credits | €220.00"
        " | | For subscribers: choose a plan above, then it can be bought.",
    ]


def test_the_plans_are_in_the_menu_of_the_account(visit: Visit, account: str) -> None:
    visit.enter(account)
    page = visit.go(f"/accounts/{account}")
    page.get_by_role("navigation", name="Account").get_by_role("link", name="Plans").click()
    expect(page.get_by_role("heading", level=1, name="Plans")).to_be_visible()


def test_an_operator_sees_all_that_is_sold(visit: Visit) -> None:
    visit.enter_as_operator()
    page = visit.go("/accounts")
    page.get_by_role("link", name="Catalogue").click()
    assert page.locator("h2").all_inner_texts() == [
        *("Staff", "Free", "Pro", "Max 2027"),
        *("Small", "Middle", "Large"),
    ]
    pro = page.get_by_role("region", name="Pro", exact=True)
    expect(pro.get_by_text("up to 500 credits stay for 1 interval more")).to_be_visible()
    expect(pro.get_by_text("price_pro_yearly")).to_be_visible()
    free = page.get_by_role("region", name="Free", exact=True)
    expect(free.get_by_text("It is free.")).to_be_visible()
    expect(free.get_by_text("20 images every month")).to_be_visible()
    expect(page.get_by_role("region", name="Staff", exact=True).get_by_text("not listed")).to_be_visible()
    expect(page.get_by_role("region", name="Large").get_by_text("subscribers only")).to_be_visible()


def test_each_version_says_what_it_changed_and_for_whom(visit: Visit) -> None:
    visit.enter_as_operator()
    page = visit.go("/catalog")
    page.get_by_role("region", name="Max 2027", exact=True).get_by_role("link", name="version 2").click()
    assert page.locator("h2").all_inner_texts() == ["Version 2", "Version 1"]
    for_all = page.get_by_role("region", name="Version 2, changed for all, also for who has bought before")
    assert for_all.locator("tbody tr").all_inner_texts() == ["credits\t12,000\t15,000", "applies_to\tnew\tall"]
    shown = page.get_by_role("region", name="Version 2, changed on the pages")
    assert shown.locator("tbody tr").all_inner_texts() == ["name\tMax\tMax 2027"]
    expect(page.get_by_text("The first version.")).to_be_visible()
    page.get_by_role("link", name="All plans and packages").click()
    expect(page.get_by_role("heading", level=1, name="Catalogue")).to_be_visible()


def test_nothing_keeps_anybody_out(new_visit: NewVisit, account: str) -> None:
    assert barriers_at(plans(new_visit(PHONE), account), PHONE, DESK) == ""
    visit = new_visit(PHONE)
    visit.enter_as_operator()
    for path in ("/catalog", "/catalog/plans/max", "/catalog/packages/small"):
        assert barriers_at(visit.go(path), PHONE, DESK) == "", path


def test_the_pages_need_no_script(new_visit: NewVisit, account: str) -> None:
    page = plans(new_visit(java_script_enabled=False), account)
    expect(page.locator(".offers > li")).to_have_count(3)


# Without a browser --------------------------------------------------------------------------------------------------


def test_what_is_not_there_has_no_page(service: Service) -> None:
    client = operator(service)
    for path in ("/catalog/plans/none", "/catalog/packages/max", "/accounts/nobody/plans"):
        answer = client.get(f"{ROOT}{path}")
        assert answer.status_code == 404, path
        assert "<h1>" in answer.text


def test_another_account_has_no_plans_page(service: Service, account: str) -> None:
    holder = person(service, account)
    assert holder.get(f"{ROOT}{PLANS.format(account)}").status_code == 200
    assert holder.get(f"{ROOT}{PLANS.format(service.open_account())}").status_code == 404
    assert holder.get(f"{ROOT}/catalog").status_code == 404
    answer: httpx.Response = guest(service).get(f"{ROOT}/catalog")
    assert answer.url.path.endswith("/sign-in")


def test_names_are_texts_and_never_markup(service: Service, account: str) -> None:
    evil = "<script>alert(1)</script>"
    body = {"name": evil, "description": evil, "features": [evil], "credits": 1, "listed": True}
    assert service.client.put("/v1/plans/evil", json=body).status_code == 201
    for client, path in ((person(service, account), PLANS.format(account)), (operator(service), "/catalog")):
        text = client.get(f"{ROOT}{path}").text
        assert evil not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert service.client.put("/v1/plans/evil", json={**body, "listed": False}).status_code == 201


def test_the_overview_leads_to_the_plans(service: Service) -> None:
    """Unless the product has a page of its own for them."""
    text = person(service, poor := service.open_account(permanent=1)).get(f"{ROOT}/accounts/{poor}").text
    link = f'href="{ROOT}{PLANS.format(poor)}"'
    assert f'<a class="button" {link}>See plans and packages</a>' in text
    assert f"<a {link}>Plans and packages</a>" in text


def test_who_sells_nothing_has_no_plans(servers: TestServers, tmp_path_factory: pytest.TempPathFactory) -> None:
    server = servers.get("embedded")
    assert server is not None
    with server.database() as conninfo, service_here(conninfo, tmp_path_factory.mktemp("empty")) as empty:
        account = empty.open_account()
        holder = person(empty, account)
        assert f'{PLANS.format(account)}"' not in holder.get(f"{ROOT}/accounts/{account}").text
        assert "There are no plans to choose from." in holder.get(f"{ROOT}{PLANS.format(account)}").text
        assert "Nothing is sold yet." in operator(empty).get(f"{ROOT}/catalog").text


@pytest.fixture(scope="module")
def subscriber(service: Service) -> str:
    """An account whose month of the plan `pro` is paid, and which has cancelled."""
    account, now = service.open_account(permanent=5), datetime.now(UTC).replace(microsecond=0)
    month = {"months": 1}
    terms = {"plan": "pro", "plan_version": 1, "credits": 2_000, "every": month, "billed": month, "rank": 1}
    told = {"provider": f"bank-of-{account}", "status": "active", "terms": terms, "as_of": now.isoformat()}
    path = f"/v1/accounts/{account}"
    assert service.post(f"{path}/subscriptions/sub-1", told).status_code == 201
    what = {"subscription_id": "sub-1", "reason": "initial", "paid_at": now.isoformat()}
    money = {"provider": f"bank-of-{account}", "status": "paid", "amount_minor": 1_900, "currency": "EUR"}
    paid = service.post(f"{path}/payments", {"payment_id": "in-1", **money, "subscription": what})
    assert (paid.status_code, paid.json()["granted"]) == (201, 2_000)
    return account


def test_a_subscriber_sees_the_plan_and_when_it_renews(visit: Visit, service: Service, subscriber: str) -> None:
    page = plans(visit, subscriber)
    own = page.locator(".offers > li.own")
    assert own.locator("h2").all_inner_texts() == ["Pro"]
    expect(own.get_by_text("your plan")).to_be_visible()
    for where in ("", "/billing"):
        card = visit.go(f"/accounts/{subscriber}{where}").get_by_role("region", name="Plan", exact=True)
        expect(card.get_by_text("It renews on")).to_be_visible()
        expect(card.get_by_text("2,000 credits more come")).to_be_visible()
        assert fits(page)


def test_a_cancelled_plan_says_when_it_ends_and_an_ended_one_is_none(
    visit: Visit, service: Service, subscriber: str
) -> None:
    now = datetime.now(UTC)  # to the microsecond: no other word is of the same moment
    found = service.get(f"/v1/accounts/{subscriber}/subscription").json()["subscription"]
    month = {"months": 1}
    terms = {"plan": "pro", "plan_version": 1, "credits": 2_000, "every": month, "billed": month, "rank": 1}
    told = {"provider": found["provider"], "terms": terms, "ends_at": found["current_period_end"]}
    path, visited = f"/v1/accounts/{subscriber}/subscriptions/sub-1", visit.page
    visit.enter(subscriber)
    for status, text in (("active", "It ends on"), ("ended", "No active plan")):
        as_of = (now if status == "active" else now + timedelta(seconds=1)).isoformat()
        ends = {"ends_at": as_of} if status == "ended" else {}
        assert service.post(path, {**told, "status": status, "as_of": as_of, **ends}).status_code == 201
        visit.go(f"/accounts/{subscriber}")
        card = visited.get_by_role("region", name="Plan", exact=True)
        expect(card.get_by_text(text)).to_be_visible()
    assert barriers_in_light_and_dark(visited) == ""
