"""The billing page in a real browser."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.browsing import DESK, PHONE, Visit, barriers, barriers_at
from tests.dashboard.conftest import NewVisit
from tests.dashboard.histories import paid_account, visible
from tests.service import Service


@pytest.fixture(scope="module")
def paid(service: Service) -> str:
    return paid_account(service)


def billing(visit: Visit, account: str) -> Page:
    visit.enter(account)
    return visit.go(f"/accounts/{account}/billing")


def lines(page: Page, part: str) -> list[str]:
    found = page.locator(f"[data-part={part}] tbody tr").all()
    return [" | ".join(" ".join(text.split()) for text in row.locator("td").all_inner_texts()) for row in found]


def test_payments_say_what_became_of_them_and_what_they_bought(visit: Visit, paid: str) -> None:
    shown = [line.partition(" | ")[2] for line in lines(billing(visit, paid), "payments")]
    assert shown == [
        "Top-up stripe, pay-failed | failed | US$50.00 | nothing",
        "Top-up stripe, pay-yen | refunded | JP¥1,500 Receipt | permanent 300 credits, 0 left, 300 cancelled",
        "Top-up stripe, pay-half | paid US$25.00 refunded | US$50.00 Receipt | "
        "permanent 500 credits, 250 left, 250 cancelled",
        "team stripe, pay-plan | paid | €99.00 Receipt | subscription 12,000 credits, 12,000 left",
    ]


def test_receipts_and_statements_are_downloaded(visit: Visit, paid: str) -> None:
    """A receipt by its link and a statement by its form, both without a script of ours."""
    page = billing(visit, paid)
    with page.expect_download() as receipt:
        page.get_by_role("link", name="Receipt of pay-plan as PDF").click()
    assert receipt.value.suggested_filename == "receipt-pay-plan.pdf"
    assert receipt.value.path().read_bytes().startswith(b"%PDF-")
    page.get_by_label("Month").select_option(index=0)
    with page.expect_download() as statement:
        page.get_by_role("button", name="Download the PDF").click()
    assert statement.value.suggested_filename == f"statement-{datetime.now(UTC):%Y-%m}.pdf"
    assert statement.value.path().read_bytes().startswith(b"%PDF-")


def test_grants_say_what_is_left_and_until_when(visit: Visit, service: Service, paid: str) -> None:
    page = billing(visit, paid)
    found = service.get(f"/v1/accounts/{paid}/grants").json()["grants"]
    shown = lines(page, "grants")
    assert len(shown) == len(found) == 4
    for line, grant in zip(shown, found, strict=True):
        cells = line.split(" | ")
        assert cells[2:4] == [grant["kind"], grant["status"]]
        numbers = [grant[name] for name in ("remaining", "amount", "held", "spent", "lapsed", "voided")]
        assert cells[4:10] == [f"{number:,}" for number in numbers]
        assert (cells[10] == "never expires") == (grant["expires_at"] is None)


def test_on_a_phone_all_that_matters_is_seen_at_once(new_visit: NewVisit, paid: str) -> None:
    """On a phone nothing is scrolled sideways: values without a column of their own are below the text."""
    page = billing(new_visit(PHONE), paid)
    expect(page.locator(".tabs [aria-current]")).to_be_in_viewport(ratio=1)
    for region in page.locator(".scroll").all():
        assert region.evaluate("one => one.scrollWidth - one.clientWidth") == 0
    expect(page.get_by_text("250 left, 250 cancelled").filter(visible=True)).to_have_count(1)
    last = page.locator("[data-part=grants] tbody tr", has_text="300")
    expect(last.get_by_text("of 300").filter(visible=True)).to_be_visible()
    expect(last.get_by_text("300 cancelled").filter(visible=True)).to_be_visible()
    expect(last.get_by_text("never expires").filter(visible=True)).to_be_visible()


def test_grants_that_were_sent_or_are_coming_say_so(visit: Visit, service: Service) -> None:
    account, other = service.open_account(permanent=70), service.open_account()
    body = {"from_account_id": account, "to_account_id": other, "amount": 70}
    service.post("/v1/transfers", body, key="t")
    coming = {"kind": "permanent", "amount": 9, "effective_at": (datetime.now(UTC) + timedelta(days=3)).isoformat()}
    granted = service.post(f"/v1/accounts/{account}/grants", coming, key="c")
    visible(service, account, granted.json()["position"])
    later, gone = (line.split(" | ")[3:5] for line in lines(billing(visit, account), "grants"))
    assert later == ["coming", "0 9 coming"]
    assert gone == ["sent", "0 70 sent"]


def test_long_lists_have_pages(visit: Visit, service: Service) -> None:
    account = service.open_account(permanent=1)
    grants = [{"op": "grant", "kind": "permanent", "amount": n + 2} for n in range(40)]
    commands = [{**grant, "account_id": account, "idempotency_key": f"g{n}"} for n, grant in enumerate(grants)]
    results = service.post("/v1/batch", {"commands": commands}).json()["results"]
    visible(service, account, results[-1]["position"])
    page = billing(visit, account)
    assert len(lines(page, "grants")) == 25
    page.get_by_role("link", name="Older grants").click()
    expect(page.locator("[data-part=grants] tbody tr")).to_have_count(16)
    page.get_by_role("link", name="Newest grants").click()
    expect(page.locator("[data-part=grants] tbody tr")).to_have_count(25)


def test_nothing_was_paid_yet(visit: Visit, service: Service) -> None:
    page = billing(visit, service.open_account(permanent=0))
    expect(page.get_by_text("There are no payments yet.")).to_be_visible()
    expect(page.get_by_text("There are no grants yet.")).to_be_visible()
    assert barriers(page) == ""


def test_nothing_keeps_anybody_out(new_visit: NewVisit, paid: str) -> None:
    page = billing(new_visit(PHONE), paid)
    assert barriers_at(page, PHONE, DESK) == ""
