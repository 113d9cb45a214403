"""Disputes, subscriptions and revenue of all accounts, as operators ask for them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.stage import Ask, Json, payment, word
from tests.dashboard.guests import ROOT, operator
from tests.service import Service

NOW = datetime.now(UTC).replace(microsecond=0)
MONTH, YEAR, WEEK = {"months": 1}, {"months": 12}, {"days": 7}


def months_ago(count: int) -> datetime:
    """The first noon of an earlier month, or of this one."""
    month = NOW.year * 12 + NOW.month - 1 - count
    return datetime(month // 12, month % 12 + 1, 1, 12, tzinfo=UTC)


def terms(plan: str, billed: Json | None) -> Json:
    return {"plan": plan, "plan_version": 1, "credits": 10, "every": MONTH, "billed": billed}


class Customers:
    """Accounts whose subscriptions, payments and disputes are all in this test's own currency and plans."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.position = 0

    def ask(self, ask: Ask) -> Json:
        answer = ask.post(self.service)
        assert answer.status_code == 201, answer.text
        self.position = answer.json()["position"]
        found: Json = answer.json()
        return found

    def subscribe(self, account: str, name: str, plan: str, status: str, billed: Json | None, **more: Any) -> None:
        body = word(provider="till", status=status, terms=terms(plan, billed), **more)
        self.ask(Ask("subscription", account, body, {"subscription_id": name}))

    def pay(self, account: str, name: str, at: datetime, minor: int, reason: str = "initial") -> str:
        what = {"subscription_id": name, "reason": reason, "paid_at": at.isoformat()}
        payment_id = f"{name}-{at.isoformat()}"
        body = payment(payment_id, "till") | {"amount_minor": minor, "currency": "XTS"}
        self.ask(Ask("payment", account, {**body, "subscription": what}))
        return payment_id

    def get(self, path: str, **query: Any) -> Json:
        answer = self.service.get(path, **query, min_position=self.position)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found


@pytest.fixture(scope="module")
def customers(service: Service) -> Customers:
    """The customers of this module: each test adds its own."""
    return Customers(service)


def numbers(answer: Json) -> list[tuple[str, int, int, int, int]]:
    return [tuple(month[name] for name in ("month", "paying", "began", "ended", "lost")) for month in answer["months"]]


def test_plans_revenue_and_churn_are_those_of_the_customers(customers: Customers) -> None:
    before = customers.get("/v1/revenue", months=4)
    first, second, last = months_ago(3), months_ago(2), months_ago(1)
    accounts = [customers.service.open_account() for _ in range(7)]
    monthly, yearly, weekly, gone, ending, trial, free = accounts
    ten, told = NOW + timedelta(days=10), {"as_of": NOW.isoformat()}

    customers.subscribe(monthly, "s1", "m-pro", "active", MONTH, **told)
    for at, reason in ((first, "initial"), (second, "renewal"), (last, "renewal")):
        customers.pay(monthly, "s1", at, 1_900, reason)
    customers.subscribe(yearly, "s2", "m-max", "past_due", YEAR, **told)
    customers.pay(yearly, "s2", second, 12_100)
    customers.subscribe(weekly, "s3", "m-pro", "active", WEEK, **told)
    refunded = customers.pay(weekly, "s3", last, 701)
    customers.subscribe(gone, "s4", "m-pro", "ended", MONTH, as_of=last.isoformat())
    lost = customers.pay(gone, "s4", first, 1_900)
    customers.subscribe(ending, "s5", "m-pro", "active", MONTH, ends_at=ten.isoformat(), **told)
    customers.pay(ending, "s5", last, 1_900)
    customers.subscribe(trial, "s6", "m-pro", "trialing", MONTH, trial_ends_at=ten.isoformat(), **told)
    customers.pay(trial, "s6", NOW, 0)
    customers.subscribe(free, "s7", "m-free", "active", None, **told)
    refund = {"refund_id": "r", "provider": "till", "amount_minor": 201}
    customers.ask(Ask("payment_refund", weekly, refund, {"payment_id": refunded}))
    of_dispute = {"dispute_id": "d", "provider": "till", "state": "lost", "amount_minor": 900}
    customers.ask(Ask("payment_dispute", gone, of_dispute, {"payment_id": lost}))

    found = customers.get("/v1/revenue", months=4)
    mine = {one["plan"]: one for one in found["plans"] if (one["plan"] or "").startswith("m-")}
    assert mine == {
        "m-pro": count("m-pro", active=3, trialing=1, ending=1),
        "m-max": count("m-max", past_due=1),
        "m-free": count("m-free", active=1),
    }
    # 2 * 1900 + 12100 / 12 + 701 * 1461 / 48 / 7 = 3800 + 1008.33 + 3048.09
    assert [one for one in found["recurring"] if one["currency"] == "XTS"] == [
        {"currency": "XTS", "subscriptions": 4, "monthly_minor": 7_856}
    ]
    now = [one for one in found["months"][-1]["revenue"] if one["currency"] == "XTS"]
    money = {"paid_minor": 3 * 1_900 + 12_100 + 701 + 2 * 1_900, "refunded_minor": 201, "lost_minor": 900}
    assert now == [{"currency": "XTS", "payments": 8, **money}]
    more = [
        (month, *(b - a for a, b in zip(old, new, strict=True)))
        for (_, *old), (month, *new) in zip(numbers(before), numbers(found), strict=True)
    ]
    assert [row[1:] for row in more] == [(0, 2, 0, 0), (2, 1, 0, 0), (3, 2, 1, 1), (4, 0, 0, 0)]
    last_month = found["months"][2]
    churn = (20_000 * last_month["lost"] + last_month["paying"]) // (2 * last_month["paying"])
    assert last_month["churn_percent"] == f"{churn // 100}.{churn % 100:02}"


def count(plan: str, **given: int) -> Json:
    names = ("active", "trialing", "past_due", "paused", "incomplete", "ending")
    return {"plan": plan, **dict.fromkeys(names, 0), **given}


def pages(customers: Customers, path: str, noun: str, **query: Any) -> Iterator[Json]:
    """The rows of all pages of one row each."""
    cursor = None
    while True:
        found = customers.get(path, limit=1, **query, **({"cursor": cursor} if cursor else {}))
        yield from found[noun]
        cursor = found["next_cursor"]
        if cursor is None:
            return


def test_subscriptions_are_listed_and_those_that_time_has_ended_are_over(customers: Customers) -> None:
    account, other = customers.service.open_account(), customers.service.open_account()
    past = (NOW - timedelta(days=1)).isoformat()
    customers.subscribe(account, "b", "l-pro", "active", MONTH)
    customers.subscribe(account, "a", "l-pro", "active", MONTH, ends_at=past)
    customers.subscribe(other, "c", "l-max", "trialing", MONTH)
    rows = [
        one for plan in ("l-max", "l-pro") for one in pages(customers, "/v1/subscriptions", "subscriptions", plan=plan)
    ]
    assert [(one["account_id"], one["subscription_id"], one["status"]) for one in rows] == [
        *((other, "c", "trialing"), (account, "a", "ended"), (account, "b", "active")),
    ]
    active = customers.get("/v1/subscriptions", plan="l-pro", status="active")["subscriptions"]
    assert [one["subscription_id"] for one in active] == ["b"]
    truth = customers.service.get(f"/v1/accounts/{account}/subscription").json()["subscription"]
    for name in ("subscription_id", "provider", "status", "plan", "plan_version", "quantity", "cancel_at"):
        assert active[0][name] == truth[name], name


def test_disputes_are_listed_the_last_change_first(customers: Customers) -> None:
    account = customers.service.open_account()
    made = []
    for number in range(3):
        paid = payment(f"x{number}", "shop") | {"amount_minor": 500, "currency": "XTS"}
        customers.ask(Ask("payment", account, {**paid, "grant": {"kind": "permanent", "amount": 50}}))
        body = {"dispute_id": f"dp-{number}", "provider": "shop", "state": "open", "amount_minor": 100 + number}
        customers.ask(Ask("payment_dispute", account, body, {"payment_id": f"x{number}"}))
        made.append(body)
    customers.ask(Ask("payment_dispute", account, {**made[0], "state": "won"}, {"payment_id": "x0"}))
    rows = [one for one in pages(customers, "/v1/disputes", "disputes") if one["account_id"] == account]
    assert [(one["dispute_id"], one["state"], one["amount_minor"], one["currency"]) for one in rows] == [
        *(("dp-0", "won", 100, "XTS"), ("dp-2", "open", 102, "XTS"), ("dp-1", "open", 101, "XTS")),
    ]
    still_open = [one["dispute_id"] for one in pages(customers, "/v1/disputes", "disputes", state="open")]
    assert still_open[:2] == ["dp-2", "dp-1"]
    page = operator(customers.service).get(f"{ROOT}/disputes").text
    assert "dp-2" in page
    assert "dp-0" not in page
    assert "dp-0" in operator(customers.service).get(f"{ROOT}/disputes", params={"state": "won"}).text


def test_the_page_of_revenue_names_those_who_pay_twice(customers: Customers) -> None:
    """Two that run of one group are too many; one that has ended, or one of another account, is not."""
    twice, once = customers.service.open_account(), customers.service.open_account()
    past = (NOW - timedelta(days=1)).isoformat()
    for account, name, ends in ((twice, "t1", None), (twice, "t2", None), (once, "o1", None), (once, "o2", past)):
        customers.subscribe(account, name, "t-pro", "active", MONTH, ends_at=ends)
    customers.pay(twice, "t1", NOW, 1_900)
    customers.get("/v1/subscriptions")
    page = operator(customers.service).get(f"{ROOT}/revenue").text
    section = page.partition('data-part="twice"')[2].partition("</section>")[0]
    assert section.count(f"<bdi>{twice}</bdi>") == 2
    assert once not in section
    assert "XTS" in page
