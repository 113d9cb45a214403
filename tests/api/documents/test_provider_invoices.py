"""Where the invoices of merchants of record are: as a webhook said, as a call is answered, or nowhere."""

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from billing.simulation.signing import signed
from billing.simulation.steps import Customer
from tests.api.conftest import under_contract
from tests.api.documents.test_receipts import text_of
from tests.api.stage import Ask, payment, refused, word
from tests.billing.calls.provider_server import ProviderServer, Raw, provider_server
from tests.billing.inbox.desk import CREDITS, events_told
from tests.billing.lives import PRICES, SECRETS, life
from tests.dashboard.guests import ROOT, operator
from tests.postgres import TestServers
from tests.service import Service, service_here, wait_for

SIGNED = "https://app.lemonsqueezy.com/invoice/7?expires=1790000000&signature=" + "0" * 300
KEPT = "https://live.dodopayments.com/invoices/payments/pay_1"


@pytest.fixture(scope="module")
def remote() -> Iterator[ProviderServer]:
    """Lemon Squeezy, which has an order and an invoice, and Paddle and Polar, which have one invoice each."""
    with provider_server() as server:
        for path, name in (("orders/7", "receipt"), ("subscription-invoices/7", "invoice_url")):
            server.answers["GET", f"/v1/{path}"] = {"data": {"attributes": {"urls": {name: f"{SIGNED}&{name}"}}}}
        server.answers["GET", "/v1/orders/8"] = {"data": {"attributes": {"urls": {"receipt": None}}}}
        server.answers["GET", "/v1/orders/9"] = Raw(500, b"{}")
        server.answers["GET", "/transactions/txn_7/invoice"] = {"data": {"url": f"{SIGNED}&txn_7"}}
        server.answers["GET", "/v1/orders/o-7/invoice"] = {"url": f"{SIGNED}&o-7"}
        yield server


@pytest.fixture(scope="module")
def sold(servers: TestServers, remote: ProviderServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that calls Lemon Squeezy, Paddle and Polar, hears of Dodo Payments, and knows nothing of the others."""
    server = servers.get("embedded")
    assert server is not None
    settings = {
        "CREDIT_LEDGER_LEMONSQUEEZY_API_KEY": "lsq_1",
        "CREDIT_LEDGER_LEMONSQUEEZY_STORE": "7",
        "CREDIT_LEDGER_LEMONSQUEEZY_API_URL": remote.url,
        "CREDIT_LEDGER_PADDLE_API_KEY": "pdl_live_1",
        "CREDIT_LEDGER_PADDLE_API_URL": remote.url,
        "CREDIT_LEDGER_POLAR_API_KEY": "polar_oat_1",
        "CREDIT_LEDGER_POLAR_API_URL": remote.url,
        "CREDIT_LEDGER_DODO_WEBHOOK_SECRET": SECRETS["dodo"],
    }
    folder = tmp_path_factory.mktemp("invoices")
    with server.database() as conninfo, service_here(conninfo, folder, settings=settings) as running:
        under_contract(running)
        products = {"dodo": PRICES["dodo"].package}
        price = {"price": "once", "amount_minor": 1_000, "currency": "USD", "products": products}
        body = {"name": "Credits", "credits": CREDITS, "prices": [price]}
        assert running.client.put("/v1/packages/credits", json=body).status_code == 201
        yield running


def paid(service: Service, account: str, provider: str, payment_id: str, status: str = "paid") -> int:
    answer = Ask("payment", account, payment(payment_id, provider, status=status)).post(service)
    assert answer.status_code == 201, answer.text
    position: int = answer.json()["position"]
    return position


def invoice(service: Service, account: str, payment_id: str, **query: Any) -> httpx.Response:
    return service.get(f"/v1/accounts/{account}/payments/{payment_id}/invoice", **query)


def test_the_provider_is_asked_and_what_it_does_not_say_is_told(sold: Service) -> None:
    account = sold.open_account()
    for payment_id, name in (("lemonsqueezy:order:7", "receipt"), ("lemonsqueezy:invoice:7", "invoice_url")):
        position = paid(sold, account, "lemonsqueezy", payment_id)
        answer = invoice(sold, account, payment_id, min_position=position)
        assert answer.json() == {
            "account_id": account,
            "payment_id": payment_id,
            "provider": "lemonsqueezy",
            "url": f"{SIGNED}&{name}",
        }
    for number, status, code in ((8, 501, "provider_cannot"), (9, 502, "provider_failed")):
        position = paid(sold, account, "lemonsqueezy", f"lemonsqueezy:order:{number}")
        answer = invoice(sold, account, f"lemonsqueezy:order:{number}", min_position=position)
        assert refused(answer, status, code)


def test_paddle_and_polar_are_asked_and_the_page_leads_there(sold: Service) -> None:
    account = sold.open_account()
    for provider, own_id in (("paddle", "txn_7"), ("polar", "o-7")):
        position = paid(sold, account, provider, f"{provider}:{own_id}")
        answer = invoice(sold, account, f"{provider}:{own_id}", min_position=position)
        assert (answer.json()["provider"], answer.json()["url"]) == (provider, f"{SIGNED}&{own_id}")
    position = paid(sold, account, "paddle", "paddle:txn_8")
    assert refused(invoice(sold, account, "paddle:txn_8", min_position=position), 501, "provider_cannot")
    with closing(operator(sold)) as browser:
        page = browser.get(f"{ROOT}/accounts/{account}/billing").text
        assert (page.count("Invoice of Paddle</a>"), page.count("Invoice of Polar</a>")) == (2, 1)
        path = f"{ROOT}/accounts/{account}/payments/polar:o-7/invoice?provider=polar"
        answer = browser.get(path, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{SIGNED}&o-7")


def test_nobody_can_be_asked(sold: Service) -> None:
    account = sold.open_account()
    for provider in ("dodo", "stripe", "manual"):
        position = paid(sold, account, provider, f"pay-{provider}")
        assert refused(invoice(sold, account, f"pay-{provider}", min_position=position), 501, "provider_cannot")
    position = paid(sold, account, "paddle", "pay-failed", status="failed")
    assert refused(invoice(sold, account, "pay-failed", min_position=position), 409, "not_paid")
    assert refused(invoice(sold, account, "pay-none"), 404, "payment_not_found")
    assert refused(invoice(sold, "nobody", "pay-none"), 404, "account_not_found")
    paid(sold, account, "dodo", "pay-twice")
    position = paid(sold, account, "polar", "pay-twice")
    assert refused(invoice(sold, account, "pay-twice", min_position=position), 409, "payment_ambiguous")


def test_what_a_webhook_said_is_linked_by_the_receipt_and_the_page(sold: Service) -> None:
    account = sold.open_account()
    one = life("dodo")
    one.buy_package(1)
    [event] = events_told("dodo", Customer(account, 41), one.steps)
    event.payload["data"]["invoice_url"] = KEPT
    told = signed("dodo", event, SECRETS["dodo"], datetime.now(UTC))
    headers = {**told.headers, "authorization": ""}
    assert sold.client.post("/v1/webhooks/dodo", content=told.body, headers=headers).status_code == 200
    payment_id = f"dodo:{event.payload['data']['payment_id']}"
    receipt = f"/v1/accounts/{account}/payments/{payment_id}/receipt.pdf"
    wait_for(lambda: sold.get(receipt).status_code == 200)
    assert invoice(sold, account, payment_id).json()["url"] == KEPT
    link = sold.get(receipt).headers["link"]
    found = re.fullmatch(r'<(.*)>; rel="related"', link)
    assert found is not None
    led = httpx.URL(sold.url).join(receipt).join(found[1])
    assert sold.client.get(led).json()["url"] == KEPT
    for provider in ("stripe", "dodo"):
        position = paid(sold, account, provider, f"other-{provider}")
        other = sold.get(f"/v1/accounts/{account}/payments/other-{provider}/receipt.pdf", min_position=position)
        assert (other.status_code, "link" in other.headers) == (200, False), "nobody knows of an invoice"
    with closing(operator(sold)) as browser:
        page = browser.get(f"{ROOT}/accounts/{account}/billing").text
        assert page.count("Invoice of Dodo Payments</a>") == 1, "nobody knows where the other one is"
        path = f"{ROOT}/accounts/{account}/payments/{payment_id}/invoice?provider=dodo"
        answer = browser.get(path, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, KEPT)


def test_a_receipt_names_the_plan_that_only_the_subscription_names(sold: Service) -> None:
    """Dodo Payments names no plan with a payment. It is that of the word in force when it was paid, also later."""
    account, began = sold.open_account(), datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)

    def pays(payment_id: str, reason: str, at: datetime) -> str:
        what = {"subscription_id": "dodo:sub_1", "reason": reason, "paid_at": at.isoformat()}
        answer = Ask("payment", account, payment(payment_id, "dodo", subscription=what)).post(sold)
        assert answer.status_code == 201, answer.text
        return receipt(payment_id, answer.json()["position"])

    def receipt(payment_id: str, position: int = 0) -> str:
        path = f"/v1/accounts/{account}/payments/{payment_id}/receipt.pdf"
        return text_of(sold.get(path, min_position=position).content)

    def says(plan: str, at: datetime) -> None:
        terms = {**word()["terms"], "plan": plan, "billed": {"months": 1}}
        body = word(provider="dodo", terms=terms, as_of=at.isoformat())
        answer = Ask("subscription", account, body, {"subscription_id": "dodo:sub_1"}).post(sold)
        assert answer.status_code == 201, answer.text

    assert "Subscription, first payment" in pays("dodo:pay_1", "initial", began), "nothing is known of it yet"
    says("basic", began)
    assert "Plan basic, first payment" in receipt("dodo:pay_1"), "the catalogue does not have it"
    plan = {"name": "Bigger & better", "credits": 10, "every": {"months": 1}, "prices": []}
    assert sold.client.put("/v1/plans/bigger", json=plan).status_code == 201
    says("bigger", began + timedelta(days=1))
    assert "Plan Bigger & better, change of plan" in pays("dodo:pay_2", "change", began + timedelta(days=2))
    assert "Plan basic, first payment" in receipt("dodo:pay_1")
    with closing(operator(sold)) as browser:
        page = browser.get(f"{ROOT}/accounts/{account}/billing").text
    assert re.findall(r'<td class="words" dir="auto">(.*?) <span', page) == ["Bigger &amp; better", "basic"]
