"""A service is killed between the inbox and the ledger: what it acknowledged is applied once, after its next start."""

import signal
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import psycopg

from billing.simulation.signing import signed
from billing.simulation.steps import Customer
from tests.billing.inbox.desk import CREDITS, events_told
from tests.billing.lives import PRICES, SECRETS, SIMULATED, life
from tests.service import ServiceProcess, running_service, wait_for

SETTINGS = {f"CREDIT_LEDGER_{name.upper()}_WEBHOOK_SECRET": SECRETS[name] for name in SIMULATED}
LOCK = "SELECT pg_advisory_lock(hashtextextended('billing.biller', 0))"
"""What the biller has while it applies webhooks."""


def deliver(service: ServiceProcess, provider: str, customer: Customer) -> str:
    one = life(provider)
    one.buy_package()
    [event] = events_told(provider, customer, one.steps)
    told = signed(provider, event, SECRETS[provider], datetime.now(UTC))
    answer = service.client.post(f"/v1/webhooks/{provider}", content=told.body, headers=told.headers)
    assert answer.status_code == 200, answer.text
    webhook_id: str = answer.json()["webhook_id"]
    return webhook_id


def sell(service: ServiceProcess) -> None:
    products = {name: prices.package for name, prices in PRICES.items()}
    price = {"price": "once", "amount_minor": 1_000, "currency": "USD", "products": products}
    body = {"name": "Credits", "credits": CREDITS, "prices": [price]}
    assert service.client.put("/v1/packages/credits", json=body).status_code == 201


def is_applied(service: ServiceProcess, webhook_id: str) -> bool:
    return bool(service.get(f"/v1/webhooks/{webhook_id}").json()["state"] == "applied")


def test_what_was_acknowledged_is_applied_once(database: str, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    customers = {name: Customer(f"customer-of-{name}", number) for number, name in enumerate(SIMULATED, 1)}
    with psycopg.connect(database, autocommit=True) as biller, suppress(subprocess.TimeoutExpired):
        biller.execute(LOCK)  # so that the service puts down, and applies nothing
        with running_service(database, tmp_path / "first", settings=SETTINGS) as service:
            sell(service)
            for customer in customers.values():
                body = {"account_id": customer.account_id, "signup_credits": 0}
                assert service.post("/v1/accounts", body).status_code == 201
            ids = [deliver(service, provider, customer) for provider, customer in customers.items()]
            service.process.send_signal(signal.SIGKILL)
            service.process.wait(60)
    with running_service(database, tmp_path / "second", settings=SETTINGS) as service:
        for webhook_id in ids:
            wait_for(partial(is_applied, service, webhook_id))
        again = [deliver(service, provider, customer) for provider, customer in customers.items()]
        for customer in customers.values():
            balance = service.get(f"/v1/accounts/{customer.account_id}/balance").json()
            assert balance["permanent_credits"] == CREDITS
        assert len(again) == len(ids)
