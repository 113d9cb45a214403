"""Subscriptions over HTTP: words and payments, what they grant, and the subscription as it is asked for."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.api.stage import Ask, Json, balance, fresh, refused, word
from tests.service import Service

NOW = datetime.now(UTC).replace(microsecond=0)
MONTH = {"months": 1}


def terms(plan: str, credits: int, **more: Any) -> Json:
    return {"plan": plan, "plan_version": 1, "credits": credits, "every": MONTH, "billed": MONTH, **more}


def paid(payment_id: str, reason: str, at: datetime, **more: Any) -> Json:
    what = {"subscription_id": "sub-1", "reason": reason, "paid_at": at.isoformat(), **more}
    money = {"status": "paid", "amount_minor": 2_000, "currency": "EUR"}
    return {"payment_id": payment_id, "provider": "", **money, "subscription": what}


class Customer:
    """An account with a subscription of a provider of its own."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.account = service.open_account()
        self.provider = f"bank-of-{self.account}"

    def word(self, status: str, at: datetime, plan: Json, **more: Any) -> Any:
        body = word(provider=self.provider, status=status, terms=plan, as_of=at.isoformat(), **more)
        return Ask("subscription", self.account, body, {"subscription_id": "sub-1"}).post(self.service)

    def pay(self, payment_id: str, reason: str, at: datetime, **more: Any) -> Any:
        body = {**paid(payment_id, reason, at, **more), "provider": self.provider}
        return Ask("payment", self.account, body).post(self.service)

    def now(self, **query: Any) -> Json:
        response = self.service.get(f"/v1/accounts/{self.account}/subscription", **query)
        assert response.status_code == 200, response.text
        found: Json = response.json()
        return found


def test_a_payment_before_its_word_grants_when_the_word_comes(service: Service) -> None:
    customer = Customer(service)
    first = customer.pay("in-1", "initial", NOW)
    assert first.status_code == 201
    assert "grants" not in first.json()
    told = customer.word("active", NOW, terms("pro", 1_000))
    assert (told.status_code, told.json()["granted"]) == (201, 1_000)
    again = customer.word("active", NOW, terms("pro", 1_000))
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")
    found = customer.now()
    assert found["has_active_subscription"]
    assert found["subscription"] == {
        "subscription_id": "sub-1",
        "provider": customer.provider,
        "status": "active",
        "plan": "pro",
        "plan_version": 1,
        "quantity": 1,
        "current_period_start": stamp(NOW),
        "current_period_end": found["subscription"]["current_period_end"],
        "cancel_at": None,
        "next_plan": None,
        "trial_ends_at": None,
        "next_allowance": {
            "at": found["subscription"]["current_period_end"],
            "credits": 1_000,
            "needs_payment": True,
        },
    }


def stamp(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def test_an_upgrade_a_cancellation_and_an_end(service: Service) -> None:
    customer = Customer(service)
    start = NOW - timedelta(days=10)
    period = {"period_start": start.isoformat(), "period_end": (start + timedelta(days=30)).isoformat()}
    customer.word("active", start, terms("lite", 100))
    customer.pay("in-1", "initial", start, **period)
    assert balance(service, customer.account)["available"] == 100
    changed = customer.pay("in-2", "change", NOW, **period, terms=terms("max", 5_000, rank=2))
    assert 3_000 < changed.json()["granted"] < 4_900
    customer.word("active", NOW, terms("max", 5_000), ends_at=period["period_end"], **period)
    found = customer.now()["subscription"]
    assert (found["plan"], found["cancel_at"], found["next_allowance"]) == (
        "max",
        stamp(start + timedelta(days=30)),
        None,
    )
    customer.word("ended", NOW, terms("max", 5_000), ends_at=NOW.isoformat())
    after = customer.now()
    assert (after["has_active_subscription"], after["subscription"]) == (False, None)
    assert [one["status"] for one in after["subscriptions"]] == ["ended"]
    assert customer.now(at=changed.json()["recorded_at"])["has_active_subscription"]


def test_a_refund_takes_its_part_of_the_allowance(service: Service) -> None:
    customer = Customer(service)
    customer.word("active", NOW, terms("pro", 1_001))
    customer.pay("in-1", "initial", NOW)
    refund = {"refund_id": "re-1", "amount_minor": 500, "provider": customer.provider}
    answer = Ask("payment_refund", customer.account, refund, {"payment_id": "in-1"}).post(service)
    assert (answer.status_code, answer.json()["voided"]) == (201, 250)
    path = f"/v1/accounts/{customer.account}/payments"
    [payment] = service.get(path, min_position=answer.json()["position"]).json()["payments"]
    assert (payment["subscription_id"], payment["reason"]) == ("sub-1", "initial")
    assert [grant["voided"] for grant in payment["grants"]] == [250]


def test_what_is_wrong_with_a_subscription_is_named(service: Service) -> None:
    customer = Customer(service)
    both = {**paid("in-1", "initial", NOW), "provider": "x", "grant": {"kind": "permanent", "amount": 1}}
    refused(Ask("payment", customer.account, both).post(service), 422, "validation_failed")
    ends = {"period_start": NOW.isoformat(), "period_end": NOW.isoformat()}
    refused(customer.word("active", NOW, terms("pro", 1), **ends), 422, "validation_failed")
    refused(service.get(f"/v1/accounts/{fresh('nobody')}/subscription"), 404, "account_not_found")
    assert customer.now()["subscriptions"] == []
