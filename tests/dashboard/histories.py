"""Accounts with a history: usage with several names, payments of every status, grants that end in every way."""

import time
from typing import Any

from tests.service import Service

PROVIDERS = (("openai", "gpt-5"), ("anthropic", "claude"), ("mistral", "mistral-large"))
PROJECTS = ("website", "support", "board")
MEMBERS = ("maya", "kenji")


def used_account(service: Service, count: int = 12) -> str:
    """An account with both kinds of credits, a hold, and `count` deductions, the last one on top."""
    account = service.open_account(permanent=5_000, subscription=1_000)
    service.post(f"/v1/accounts/{account}/holds", {"amount": 40}, key="h")
    commands = [{"op": "deduct", "account_id": account, **deduction(n)} for n in range(count)]
    answer = service.post("/v1/batch", {"commands": commands})
    results = answer.json()["results"]
    assert {result["status"] for result in results} == {201}
    visible(service, account, results[-1]["position"])
    return account


def deduction(n: int) -> dict[str, Any]:
    """The body of the n-th deduction: names repeat with different periods, so that every pair of them occurs."""
    provider, model = PROVIDERS[n % 3]
    usage: dict[str, Any] = {"provider": provider, "model": model, "project": PROJECTS[n // 3 % 3]}
    usage |= {"member": MEMBERS[n % 2], "input_tokens": 100 * n, "output_tokens": n}
    usage |= {"cached_tokens": 3 * n} if n % 10 == 1 else {}
    return {"amount": 10 + n, "task_id": f"task-{n}", "description": f"Write page {n}", "usage": usage}


def visible(service: Service, account: str, position: int) -> None:
    """Wait until the projections have a position."""
    service.get(f"/v1/accounts/{account}/summary", min_position=position).raise_for_status()


def projected(service: Service, position: int) -> None:
    """Wait until every projection has a position: changing an event before that would stop them all."""
    deadline = time.monotonic() + 60
    while any(one["position"] < position for one in service.get("/readyz").json()["projections"].values()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def paid_account(service: Service) -> str:
    """A paid plan, a top-up that was half refunded, one that was refunded in full, and a failed payment."""
    account = service.open_account(permanent=100)
    pay(service, account, "pay-plan", 9_900, "EUR", plan="team", grant={"kind": "subscription", "amount": 12_000})
    pay(service, account, "pay-half", 5_000, "USD", grant={"kind": "permanent", "amount": 500, "source": "topup"})
    pay(service, account, "pay-yen", 1_500, "JPY", grant={"kind": "permanent", "amount": 300, "source": "topup"})
    pay(service, account, "pay-failed", 5_000, "USD", status="failed")
    refund(service, account, "pay-half", 2_500)
    visible(service, account, refund(service, account, "pay-yen", None))
    return account


def pay(service: Service, account: str, payment_id: str, amount: int, currency: str, **fields: Any) -> None:
    """One payment."""
    body = {"payment_id": payment_id, "provider": "stripe", "status": "paid", "amount_minor": amount}
    answer = service.post(f"/v1/accounts/{account}/payments", {**body, "currency": currency, **fields})
    assert answer.status_code == 201, answer.text


def refund(service: Service, account: str, payment_id: str, amount: int | None) -> int:
    """Refund a payment; returns the position."""
    body = {"refund_id": f"re-{payment_id}"} | ({} if amount is None else {"amount_minor": amount})
    answer = service.post(f"/v1/accounts/{account}/payments/{payment_id}/refunds", body)
    assert answer.status_code == 201, answer.text
    position: int = answer.json()["position"]
    return position
