"""A stage for every operation: an account with one of each thing to act on, and for each operation a good request.

The account of a stage has eight events: opened and 50 permanent signup credits (grt_2), 100 subscription credits
(grt_3), a deduction of 30 (ded_4), a hold of 40 (hld_5), a payment of 1000 that bought 20 permanent credits (grt_7),
and a limit of 100 rag_query for each member.
So it has 70 subscription credits, 40 of them held, and 70 permanent ones.
"""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx

from tests.service import Service

Json = dict[str, Any]

_numbers = itertools.count(1)

PATHS = {
    "open": "/v1/accounts",
    "update": "/v1/accounts/{account_id}",
    "grant": "/v1/accounts/{account_id}/grants",
    "deduct": "/v1/accounts/{account_id}/deductions",
    "reverse": "/v1/accounts/{account_id}/deductions/{deduction_id}/reversals",
    "hold": "/v1/accounts/{account_id}/holds",
    "capture": "/v1/accounts/{account_id}/holds/{hold_id}/captures",
    "extend": "/v1/accounts/{account_id}/holds/{hold_id}/extensions",
    "release": "/v1/accounts/{account_id}/holds/{hold_id}/release",
    "void": "/v1/accounts/{account_id}/grants/{grant_id}/void",
    "payment": "/v1/accounts/{account_id}/payments",
    "payment_refund": "/v1/accounts/{account_id}/payments/{payment_id}/refunds",
    "payment_dispute": "/v1/accounts/{account_id}/payments/{payment_id}/disputes",
    "subscription": "/v1/accounts/{account_id}/subscriptions/{subscription_id}",
    "freeze": "/v1/accounts/{account_id}/freeze",
    "unfreeze": "/v1/accounts/{account_id}/unfreeze",
    "close": "/v1/accounts/{account_id}/close",
    "reopen": "/v1/accounts/{account_id}/reopen",
    "limits": "/v1/accounts/{account_id}/limits",
    "allowance": "/v1/accounts/{account_id}/limits/{limit_id}/allowances",
    "meter": "/v1/accounts/{account_id}/usage",
    "change_expiry": "/v1/accounts/{account_id}/grants/{grant_id}/expiry",
}
"""The table of the contract: operation -> path."""

MOVE_PATHS = {
    "transfer": "/v1/transfers",
    "merge": "/v1/accounts/{account_id}/merge",
    "transfer_reversal": "/v1/accounts/{account_id}/transfers/{transfer_id}/reversals",
}
"""What is about two accounts, and in no batch."""

STAGED_VERSION = 8


LIMIT: Json = {"limit_id": "queries", "amount": 100, "each": ["member"], "unit": "rag_query"}


@dataclass(frozen=True)
class Ask:
    """One request for a command: the parts of its path, and its body."""

    operation: str
    account: str
    body: Json = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Where it is posted to."""
        names = {"account_id": self.account, **self.ids}
        return PATHS[self.operation].format(**{name: quote(value, safe="") for name, value in names.items()})

    def post(self, service: Service, key: str | None = None, query: str = "", **headers: str) -> httpx.Response:
        """Send it alone."""
        return service.post(self.path + query, self.body, key=key, **headers)

    def item(self, key: str | None = None, **more: Any) -> Json:
        """The same as one command of a batch."""
        fields = {"op": self.operation, "account_id": self.account, **self.ids, **self.body, **more}
        return fields if key is None else {**fields, "idempotency_key": key}

    def but(self, **changes: Any) -> "Ask":
        """With another body."""
        return Ask(self.operation, self.account, {**self.body, **changes}, self.ids)


def fresh(word: str = "account") -> str:
    """An id that no other test has."""
    return f"{word}-of-stage-{next(_numbers)}"


def staged(service: Service, account: str | None = None) -> str:
    """A new account as this module describes it, with an id that no other test has, or this one."""
    account, grant = account or fresh(), {"kind": "permanent", "amount": 20}
    told = [
        (Ask("open", account, {"account_id": account, "signup_credits": 50}), None),
        (Ask("grant", account, {"kind": "subscription", "amount": 100}), "stage"),
        (Ask("deduct", account, {"amount": 30}), "stage"),
        (Ask("hold", account, {"amount": 40, "expires_in_seconds": 3600}), "stage"),
        (Ask("payment", account, payment("pay-1", provider_of(account), grant=grant)), None),
        (Ask("limits", account, {"source": "plan", "limits": [LIMIT]}), "stage"),
    ]
    answer = service.post("/v1/batch", {"commands": [ask.item(key) for ask, key in told]})
    results = answer.json()["results"]
    assert [result["status"] for result in results] == [201] * len(told), answer.text
    assert results[-1]["version"] == STAGED_VERSION
    return account


def provider_of(account: str) -> str:
    """The provider of an account's payments: each has its own, because a payment of a provider is of one account."""
    return f"bank-of-{account}"


def payment(payment_id: str, provider: str = "stripe", **more: Any) -> Json:
    """The body of a payment of 10.00 dollars."""
    money = {"provider": provider, "status": "paid", "amount_minor": 1000, "currency": "USD"}
    return {"payment_id": payment_id, **money, **more}


def word(**more: Any) -> Json:
    """The body of a word about a subscription of a plan without a price, which gives 10 credits a month."""
    terms = {"plan": "free", "plan_version": 1, "credits": 10, "every": {"months": 1}}
    now = datetime.now(UTC).replace(microsecond=0)
    return {"provider": "bank", "status": "active", "terms": terms, "as_of": now.isoformat(), **more}


def asks(account: str) -> dict[str, Ask]:
    """For each operation a request that succeeds on a staged account; an opening makes another account."""
    other = fresh()
    found = [
        Ask("open", other, {"account_id": other, "signup_credits": 25}),
        Ask("update", account, {"description": "A team", "labels": {"plan": "pro"}}),
        Ask("grant", account, {"kind": "permanent", "amount": 5}),
        Ask("deduct", account, {"amount": 50}),
        Ask("reverse", account, {"amount": 10}, {"deduction_id": "ded_4"}),
        Ask("hold", account, {"amount": 10}),
        Ask("capture", account, {"amount": 15}, {"hold_id": "hld_5"}),
        Ask("extend", account, {"expires_in_seconds": 7200}, {"hold_id": "hld_5"}),
        Ask("release", account, {}, {"hold_id": "hld_5"}),
        Ask("void", account, {"amount": 8}, {"grant_id": "grt_7"}),
        Ask("payment", account, payment("pay-2", provider_of(account), grant={"kind": "permanent", "amount": 3})),
        Ask("payment_refund", account, {"refund_id": "re-1"}, {"payment_id": "pay-1"}),
        Ask("payment_dispute", account, {"dispute_id": "dp-1", "state": "open"}, {"payment_id": "pay-1"}),
        Ask("subscription", account, word(), {"subscription_id": "sub-1"}),
        Ask("freeze", account, {"reason": "chargeback"}),
        Ask("unfreeze", account, {"reason": "settled"}),
        Ask("close", account, {"reason": "asked for"}),
        Ask("reopen", account, {"reason": "came back"}),
        Ask("limits", account, {"source": "plan", "limits": [{**LIMIT, "amount": 50}]}),
        Ask("allowance", account, {"value": "ada", "amount": 7}, {"limit_id": "queries"}),
        Ask("meter", account, {"quantity": 3, "usage": {"metric": "rag_query", "member": "ada"}}),
        Ask("change_expiry", account, {"expires_at": "2099-01-31T12:00:00Z"}, {"grant_id": "grt_3"}),
    ]
    return {ask.operation: ask for ask in found}


OPERATIONS = list(PATHS)


def balance(service: Service, account: str) -> Json:
    """The balance now."""
    response = service.get(f"/v1/accounts/{account}/balance")
    assert response.status_code == 200, response.text
    found: Json = response.json()
    return found


def version(service: Service, account: str) -> int | None:
    """How many events an account has; None when there is no such account."""
    response = service.get(f"/v1/accounts/{account}/balance")
    return response.json()["version"] if response.status_code == 200 else None


def refused(response: httpx.Response, status: int, code: str, **facts: Any) -> Json:
    """The problem document of an answer, which must have this status, code and facts."""
    document: Json = response.json()
    assert (response.status_code, document["code"]) == (status, code), document
    assert facts.items() <= document.items(), document
    return document


def field_errors(response: httpx.Response) -> dict[str, Json]:
    """The errors of an answer by field. Its code must be validation_failed."""
    return {error["field"]: error for error in refused(response, 422, "validation_failed")["errors"]}


PASSING = {"position", "recorded_at", "expires_at", "subscription_expire_at", "opened_at", "last_activity_at"}
"""The fields that depend on the time and the position of an event."""


def lasting(value: Any, account: str) -> Any:
    """An answer without the fields that differ between two accounts and two times."""
    if isinstance(value, dict):
        return {name: lasting(part, account) for name, part in value.items() if name not in PASSING}
    if isinstance(value, list):
        return [lasting(part, account) for part in value]
    return value.replace(account, "the account") if isinstance(value, str) else value


def eventually(condition: Callable[[], bool], patience: float = 240) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)
