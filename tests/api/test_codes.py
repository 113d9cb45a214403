"""Every code that the service can answer with, brought about by some request, under the status that it has."""

import asyncio
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import psycopg
import pytest

from api.components import COMPONENTS
from api.contract.problems import STATUSES
from api.http.requests import request_body
from api.runtime.embedded import lifetime as embedded
from api.runtime.embedded.lifetime import embedded_postgres
from api.runtime.embedded.server import packaged_programs, run, server_in
from api.streaming.places import MAX_FOR_EACH
from billing.catalog import MAX_ENTRIES, put
from billing.catalog_changes import Wanted
from billing.plans import Package
from billing.simulation.signing import signed
from billing.simulation.steps import Event
from ledger.postgres.connecting import connect_async
from ledger.postgres.migrations import migrate
from ledger.postgres.named_sql import queries
from people.api_keys import create_key
from people.keys.issuing import MOST_KEYS
from tests.api.club import PASSWORD, Club
from tests.api.conftest import under_contract
from tests.api.stage import (
    Ask,
    Json,
    asks,
    balance,
    eventually,
    fresh,
    payment,
    provider_of,
    refused,
    staged,
    version,
    word,
)
from tests.api.streaming.ear import ask, listening
from tests.api.subscribed import in_a_week, sell, subscribe, wish
from tests.api.test_teams import IN_TEAMS
from tests.postgres import owner
from tests.service import ADMIN_KEY, PLAIN, WEBHOOK_SECRET, Service, free_port, running_service, service_here

LARGEST = 2**53 - 1
ADA = {"email": "ada@example.com", "password": "correct horse battery"}
A_BATCH = 1_000
"""Commands that are asked together: an atomic batch keeps a state for each of them."""

TABLE: dict[int, set[str]] = {
    400: {"idempotency_key_required", "malformed_json"},
    401: {"unauthenticated"},
    402: {"insufficient_credits"},
    403: {"missing_scope"},
    404: {"account_not_found", "grant_not_found", "deduction_not_found", "hold_not_found", "payment_not_found"},
    409: {
        *("account_exists_with_different_body", "account_closed", "account_frozen", "hold_already_captured"),
        *("hold_already_released", "hold_expired", "batch_refused"),
    },
    412: {"version_mismatch"},
    413: {"body_too_large", "batch_too_large"},
    422: {
        *("validation_failed", "idempotency_key_reused", "amount_exceeds_hold", "amount_exceeds_deduction"),
        "balance_limit_exceeded",
    },
    429: {"rate_limited"},
    503: {"overloaded"},
}
"""The table of the HTTP contract in the design."""

MORE: dict[int, set[str]] = {
    401: {"signature_invalid", "wrong_credentials"},
    402: {"limit_reached"},
    403: {
        *("registration_closed", "email_not_verified", "missing_role", "invitation_for_another_address"),
        *("fresh_sign_in_required", "user_disabled"),
    },
    404: {
        *("not_found", "event_not_found", "receipt_not_found", "limit_not_found", "transfer_not_found"),
        *("plan_not_found", "package_not_found", "provider_not_configured", "webhook_not_found"),
        *("checkout_not_found", "price_book_not_found", "key_not_found"),
    },
    405: {"method_not_allowed"},
    408: {"body_timeout"},
    409: {
        *("payment_already_recorded", "payment_of_another_account", "payment_ambiguous", "refund_already_recorded"),
        *("not_paid", "payment_not_paid", "dispute_already_recorded", "dispute_already_decided", "hold_disputed"),
        *("transfer_already_reversed", "transfer_spent", "grant_closed", "grant_expired", "not_yet_visible"),
        *("product_belongs_to_another", "webhook_already_applied", "effective_in_the_past"),
        *("subscription_required", "already_subscribed"),
        *("no_subscription", "already_on_plan", "not_an_upgrade", "not_a_downgrade"),
        *("already_cancelled", "not_cancelled", "payment_due", "has_a_subscription"),
        *("slug_taken", "already_member", "seats_taken", "last_owner", "owns_a_team", "team_in_use", "user_exists"),
        "deletion_requested",
    },
    410: {"token_spent"},
    414: {"query_too_large"},
    415: {"unsupported_media_type"},
    422: {
        *("amount_exceeds_payment", "hold_life_exceeded", "labels_limit_exceeded", "occurred_at_out_of_bounds"),
        "coming_grants_limit_exceeded",
        *("open_lots_limit_exceeded", "open_holds_limit_exceeded", "draws_limit_exceeded", "reversals_limit_exceeded"),
        *("usage_required", "usage_conflicts_with_hold", "disputes_limit_exceeded"),
        "subscriptions_limit_exceeded",
        *("limits_limit_exceeded", "allowances_limit_exceeded", "counters_limit_exceeded"),
        *("catalog_limit_exceeded", "price_not_found", "statement_too_long"),
        *("password_too_weak", "usage_conflicts_with_key", "keys_limit_exceeded", "teams_limit_exceeded"),
    },
    429: {"too_many_streams"},
    500: {"internal_error"},
    501: {"provider_cannot"},
    502: {"provider_failed"},
    503: {
        *("unavailable", "storage_full", "projection_unavailable", "query_timeout", "public_url_required"),
        "document_unavailable",
    },
}
"""The codes that the table leaves out."""


def status_of(code: str) -> int:
    [status] = [status for table in (TABLE, MORE) for status, codes in table.items() if code in codes]
    return status


def test_the_tables_have_every_code_under_its_status() -> None:
    codes = {code for table in (TABLE, MORE) for found in table.values() for code in found}
    assert {code: status_of(code) for code in codes} == {code: status for code, (status, _) in STATUSES.items()}


def test_every_code_is_produced_here() -> None:
    assert {*REQUESTS, *FAULTS, *IN_TEAMS} == STATUSES.keys()


# By a request alone -----------------------------------------------------------------------------------------------

Produce = Callable[[Service, str], httpx.Response]


def after(first: str, then: str, **changes: object) -> Produce:
    """The answer to one operation of the stage, with another body, after another one."""

    def produce(service: Service, account: str) -> httpx.Response:
        assert asks(account)[first].post(service, "first").status_code == 201
        return asks(account)[then].but(**changes).post(service, "then")

    return produce


def one(operation: str, **ids: str) -> Produce:
    """An operation of the stage on another thing."""
    return lambda service, account: Ask(operation, account, asks(account)[operation].body, ids).post(service, "k")


def body(operation: str, **changes: object) -> Produce:
    """An operation of the stage with another body."""
    return lambda service, account: asks(account)[operation].but(**changes).post(service, "k")


def raw(content: str, content_type: str = "application/json") -> Produce:
    """A deduction as a text."""
    return lambda service, account: service.client.post(
        f"/v1/accounts/{account}/deductions",
        content=content,
        headers={"Content-Type": content_type, "Idempotency-Key": "k"},
    )


def twice(operation: str, **changes: object) -> Produce:
    """The same operation of the stage again under another key."""

    def produce(service: Service, account: str) -> httpx.Response:
        assert asks(account)[operation].post(service, "first").status_code == 201
        return asks(account)[operation].but(**changes).post(service, "second")

    return produce


def reused(service: Service, account: str) -> httpx.Response:
    asks(account)["deduct"].post(service, "k")
    return asks(account)["deduct"].but(amount=1).post(service, "k")


def expired_hold(service: Service, account: str) -> httpx.Response:
    hold = Ask("hold", account, {"amount": 1, "expires_in_seconds": 1}).post(service, "h").json()["hold_id"]
    eventually(lambda: bool(balance(service, account)["held"] == 40))
    return Ask("release", account, {}, {"hold_id": hold}).post(service, "r")


def moved(service: Service, account: str, grant_id: str) -> httpx.Response:
    until = {"expires_at": "2099-01-01T00:00:00Z"}
    return Ask("change_expiry", account, until, {"grant_id": grant_id}).post(service, "k")


def closed_grant(service: Service, account: str) -> httpx.Response:
    assert Ask("void", account, {}, {"grant_id": "grt_3"}).post(service, "v").status_code == 201
    return moved(service, account, "grt_3")


def expired_grant(service: Service, account: str) -> httpx.Response:
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    grant = Ask("grant", account, {"kind": "subscription", "amount": 9, "expires_at": soon}).post(service, "g").json()
    eventually(lambda: bool(balance(service, account)["total"] == 140))
    return moved(service, account, grant["grant_id"])


def many(operation: str, count: int, then: Produce, **fields: object) -> Produce:
    """The answer after many of the same commands."""

    def produce(service: Service, account: str) -> httpx.Response:
        command = {"op": operation, "account_id": account, **fields}
        for start in range(0, count, A_BATCH):
            numbers = range(start, min(start + A_BATCH, count))
            commands = [{**command, "idempotency_key": f"k{n}"} for n in numbers]
            answer = service.post("/v1/batch", {"commands": commands, "atomic": True})
            assert {result["status"] for result in answer.json()["results"]} == {201}
        return then(service, account)

    return produce


def reversed_too_often(service: Service, account: str) -> httpx.Response:
    Ask("grant", account, {"kind": "permanent", "amount": 2_000}).post(service, "g")
    deduction_id = Ask("deduct", account, {"amount": 2_000}).post(service, "d").json()["deduction_id"]
    once_more = Ask("reverse", account, {"amount": 1}, {"deduction_id": deduction_id})
    return many("reverse", 1_000, lambda *_: once_more.post(service, "k"), deduction_id=deduction_id, amount=1)(
        service, account
    )


def other_usage(service: Service, account: str) -> httpx.Response:
    hold = Ask("hold", account, {"amount": 1, "usage": {"model": "m1"}}).post(service, "h").json()["hold_id"]
    return Ask("capture", account, {"usage": {"model": "m2"}}, {"hold_id": hold}).post(service, "k")


def limits(count: int, then: Ask, **more: object) -> Produce:
    """The answer to a command after many limits were set, one source for each."""

    def produce(service: Service, account: str) -> httpx.Response:
        for place in range(count):
            limit = {"limit_id": f"l{place}", "amount": 1, "each": ["member"], "hard": False, **more}
            body = {"source": f"s{place}", "limits": [limit]}
            assert Ask("limits", account, body).post(service, f"limits{place}").status_code == 201
        return Ask(then.operation, account, then.body, then.ids).post(service, "k")

    return produce


MEMBERS = {f"m{number}": 0 for number in range(1_000)}


def without_key(service: Service, account: str) -> httpx.Response:
    return httpx.get(f"{service.url}/v1/accounts/{account}/balance", trust_env=False, verify=PLAIN)


def with_scope(scope: str) -> Produce:
    def produce(service: Service, account: str) -> httpx.Response:
        key = create_key(service.conninfo, "for a test", [scope])
        headers = {"Authorization": f"Bearer {key}"}
        return service.client.post(f"/v1/accounts/{account}/freeze", json={}, headers=headers)

    return produce


def batch(commands: int, *, atomic: bool) -> Produce:
    def produce(service: Service, account: str) -> httpx.Response:
        command = {"op": "deduct", "account_id": account, "amount": 10**6, "task_id": "t"}
        return service.post("/v1/batch", {"commands": [command] * commands, "atomic": atomic})

    return produce


def too_many_streams(service: Service, account: str) -> httpx.Response:
    key = create_key(service.conninfo, "listens too often", ["ledger:read"])
    with ExitStack() as streams:
        ears = [streams.enter_context(listening(service, key=key)) for _ in range(MAX_FOR_EACH)]
        assert ears[-1].start.event == "start"
        return ask(service, key=key)


def get(path: str) -> Produce:
    return lambda service, account: service.get(path.format(account))


def reversed_transfer(service: Service, account: str, *before: Ask) -> httpx.Response:
    """The reversal of a transfer, after other commands."""
    other = fresh("other")
    service.post("/v1/accounts", {"account_id": other, "signup_credits": 0})
    body = {"from_account_id": account, "to_account_id": other, "amount": 5}
    sent = service.post("/v1/transfers", body, **{"Idempotency-Key": "t"}).json()["transfer_id"]
    path = f"/v1/accounts/{account}/transfers/{sent}/reversals"
    for earlier in before:
        if earlier.operation == "deduct":
            Ask("deduct", other, earlier.body).post(service, "spend")
        else:
            service.post(path, {}, **{"Idempotency-Key": "first"})
    return service.post(path, {}, **{"Idempotency-Key": "k"})


def disputed_too_often(service: Service, account: str) -> httpx.Response:
    ask = asks(account)["payment_dispute"]
    items = [ask.but(dispute_id=f"dp-{number}", state="won").item() for number in range(100)]
    assert {result["status"] for result in service.post("/v1/batch", {"commands": items}).json()["results"]} == {201}
    return ask.but(dispute_id="dp-100").post(service)


def subscribed_too_often(service: Service, account: str) -> httpx.Response:
    items = [
        Ask("subscription", account, word(status="incomplete"), {"subscription_id": f"sub-{number}"}).item()
        for number in range(100)
    ]
    assert {result["status"] for result in service.post("/v1/batch", {"commands": items}).json()["results"]} == {201}
    return Ask("subscription", account, word(), {"subscription_id": "sub-100"}).post(service)


LATER = "2100-01-01T00:00:00Z"
DISPUTE = {"payment_id": "pay-1", "dispute_id": "dp-1"}


def change(what: str, then: Json, **word: Any) -> Produce:
    """The answer to a change of a subscription to the plan Pro."""

    def produce(service: Service, account: str) -> httpx.Response:
        subscribe(service, account, **word)
        return wish(service, account, what, then)

    return produce


def unpaid_wish(service: Service, account: str) -> httpx.Response:
    sell(service)
    return wish(service, account, "upgrade", {"plan": "max"})


def webhook_again(service: Service, account: str) -> httpx.Response:
    """A webhook that says what belongs together, and is applied as soon as that is known."""
    linked = {"payment": {"payment_intent": f"pi_{account}"}, "invoice": f"in_{account}"}
    payload = {"id": f"evt_{account}", "type": "invoice_payment.paid", "livemode": True, "data": {"object": linked}}
    now = datetime.now(UTC)
    told = signed("stripe", Event("invoice_payment.paid", payload, f"evt_{account}", now), WEBHOOK_SECRET, now)
    done = service.client.post("/v1/webhooks/stripe", content=told.body, headers=told.headers).json()
    path = f"/v1/webhooks/{done['webhook_id']}"
    eventually(lambda: bool(service.get(path).json()["state"] == "applied"))
    return service.post(f"{path}/retry")


def unpaid_receipt(service: Service, account: str) -> httpx.Response:
    failed = payment("pay-5", f"other-{account}", status="failed")
    position = Ask("payment", account, failed).post(service).json()["position"]
    return service.get(f"/v1/accounts/{account}/payments/pay-5/receipt.pdf", min_position=position)


def checkout(kind: str, *, price: str | None = None, subscribed: bool = False, **more: object) -> Produce:
    """A checkout of something that is new in the catalogue; `subscribed`: of the plan that the account has."""

    def produce(service: Service, account: str) -> httpx.Response:
        products = {"stripe": f"price_{account}"}
        once = {"price": price, "amount_minor": 1, "currency": "EUR", "products": products}
        prices = [once] if price is not None else []
        entry = {"name": "x", "credits": 1, "prices": prices, **more}
        assert service.client.put(f"/v1/{kind}s/sold-{account}", json=entry).status_code == 201
        if subscribed:
            terms = {"plan": f"sold-{account}", "plan_version": 1, "credits": 1, "every": {"months": 1}}
            word = {"provider": "p", "status": "active", "terms": terms, "as_of": "2026-01-01T00:00:00Z"}
            path = f"/v1/accounts/{account}/subscriptions/{account}"
            assert service.post(path, word, key="word").status_code == 201
        body = {"account_id": account, kind: f"sold-{account}", "return_url": "https://product.example/"}
        return service.post("/v1/checkouts", body, key="k")

    return produce


PAST_BOOK: Json = {"rates": [{"charges": [{"charge": "flat", "credits": 1}]}], "effective_at": "2020-01-01T00:00:00Z"}


def new_key(service: Service, account: str) -> httpx.Response:
    return service.post("/v1/keys", {"account_id": account, "name": "a key"})


def usage_of_another_key(service: Service, account: str) -> httpx.Response:
    key = new_key(service, account).json()["key"]
    body = {"amount": 1, "task_id": "t", "usage": {"key": "another"}}
    return service.client.post(
        f"/v1/accounts/{account}/deductions", json=body, headers={"Authorization": f"Bearer {key}"}
    )


REQUESTS: dict[str, Produce] = {
    "transfer_not_found": lambda service, account: service.post(
        f"/v1/accounts/{account}/transfers/trf_404/reversals", {}, **{"Idempotency-Key": "k"}
    ),
    "transfer_already_reversed": lambda service, account: reversed_transfer(service, account, Ask("again", account)),
    "transfer_spent": lambda service, account: reversed_transfer(
        service, account, Ask("deduct", account, {"amount": 1})
    ),
    "idempotency_key_required": lambda service, account: asks(account)["deduct"].post(service),
    "malformed_json": raw("{"),
    "unauthenticated": without_key,
    "insufficient_credits": body("deduct", amount=101),
    "missing_scope": with_scope("ledger:read"),
    "not_found": get("/v1/account/{}"),
    "account_not_found": get("/v1/accounts/{}-nobody/balance"),
    "grant_not_found": one("void", grant_id="grt_1"),
    "deduction_not_found": one("reverse", deduction_id="ded_5"),
    "hold_not_found": one("release", hold_id="hld_4"),
    "payment_not_found": one("payment_refund", payment_id="pay-404"),
    "plan_not_found": get("/v1/plans/{}"),
    "package_not_found": get("/v1/packages/{}"),
    "signature_invalid": lambda service, _: service.client.post("/v1/webhooks/stripe", content=b"{}"),
    "provider_not_configured": lambda service, _: service.client.post("/v1/webhooks/nobody", content=b"{}"),
    "webhook_not_found": get("/v1/webhooks/{}"),
    "webhook_already_applied": webhook_again,
    "checkout_not_found": get("/v1/checkouts/{}"),
    "price_not_found": checkout("package"),
    "price_book_not_found": get("/v1/price_books/999"),
    "effective_in_the_past": lambda service, _: service.client.post("/v1/price_books", json=PAST_BOOK),
    "subscription_required": checkout("package", needs_subscription=True, price="once"),
    "already_subscribed": checkout("plan", subscribed=True),
    "no_subscription": unpaid_wish,
    "already_on_plan": change("upgrade", {"plan": "pro"}),
    "not_an_upgrade": change("upgrade", {"plan": "lite"}),
    "not_a_downgrade": change("downgrade", {"plan": "max"}),
    "already_cancelled": change("cancel", {}, ends_at=in_a_week()),
    "not_cancelled": change("reactivate", {}),
    "payment_due": change("upgrade", {"plan": "max"}, status="past_due"),
    "event_not_found": lambda service, account: service.get(f"/v1/accounts/{account}/explain", version=999),
    "receipt_not_found": get("/v1/accounts/{}/receipts/deduct/unused"),
    "method_not_allowed": get("/v1/accounts/{}/deductions"),
    "account_exists_with_different_body": lambda service, account: Ask("open", account, {"account_id": account}).post(
        service
    ),
    "account_closed": after("close", "deduct"),
    "account_frozen": after("freeze", "deduct"),
    "grant_closed": closed_grant,
    "grant_expired": expired_grant,
    "hold_already_captured": after("capture", "release"),
    "hold_already_released": after("release", "capture"),
    "hold_expired": expired_hold,
    "payment_already_recorded": twice("payment"),
    "payment_of_another_account": lambda service, account: Ask(
        "payment", staged(service), payment("pay-1", provider_of(account))
    ).post(service),
    "payment_ambiguous": lambda service, account: many(
        "payment", 1, one("payment_refund", payment_id="pay-1"), **payment("pay-1", f"other-{account}")
    )(service, account),
    "refund_already_recorded": twice("payment_refund"),
    "not_paid": unpaid_receipt,
    "payment_not_paid": lambda service, account: many(
        "payment", 1, one("payment_dispute", payment_id="pay-9"), **payment("pay-9", f"other-{account}", amount_minor=0)
    )(service, account),
    "dispute_already_recorded": twice("payment_dispute"),
    "dispute_already_decided": many(
        "payment_dispute", 1, body("payment_dispute", state="lost"), **DISPUTE, state="won"
    ),
    "hold_disputed": many("payment_dispute", 1, one("release", hold_id="hld_9"), **DISPUTE, state="open"),
    "disputes_limit_exceeded": disputed_too_often,
    "subscriptions_limit_exceeded": subscribed_too_often,
    "batch_refused": batch(1, atomic=True),
    "version_mismatch": lambda service, account: asks(account)["deduct"].post(service, "k", **{"If-Match": '"6"'}),
    "body_too_large": raw("{}" + " " * 70_000),
    "batch_too_large": batch(10_001, atomic=False),
    "query_too_large": lambda service, account: service.client.get(f"/v1/accounts/{account}/balance?{'&' * 50}"),
    "too_many_streams": too_many_streams,
    "unsupported_media_type": raw("amount=1", "application/x-www-form-urlencoded"),
    "validation_failed": body("deduct", amount=0),
    "idempotency_key_reused": reused,
    "amount_exceeds_hold": body("capture", amount=41),
    "amount_exceeds_deduction": body("reverse", amount=31),
    "amount_exceeds_payment": body("payment_refund", amount_minor=1001),
    "balance_limit_exceeded": body("grant", amount=LARGEST),
    "reversals_limit_exceeded": reversed_too_often,
    "draws_limit_exceeded": many("grant", 1000, body("deduct", amount=1_100), kind="permanent", amount=1),
    "labels_limit_exceeded": after(
        "update", "update", labels={"region": "eu", **{f"label-{number}": "x" for number in range(15)}}
    ),
    "open_lots_limit_exceeded": many("grant", 9_997, body("grant"), kind="permanent", amount=1),
    "coming_grants_limit_exceeded": many(
        "grant", 366, body("grant", effective_at=LATER), kind="permanent", amount=1, effective_at=LATER
    ),
    "open_holds_limit_exceeded": many(
        "grant",
        1,
        many("hold", 9_999, body("hold", amount=1), amount=1),
        kind="permanent",
        amount=10_000,
    ),
    "limit_reached": body("meter", quantity=101),
    "limit_not_found": one("allowance", limit_id="none"),
    "usage_required": body("meter", usage={"metric": "rag_query"}),
    "usage_conflicts_with_hold": other_usage,
    "usage_conflicts_with_key": usage_of_another_key,
    "keys_limit_exceeded": lambda service, account: [new_key(service, account) for _ in range(MOST_KEYS + 1)][-1],
    "key_not_found": lambda service, account: service.client.delete("/v1/keys/00000000"),
    "limits_limit_exceeded": limits(
        49, Ask("limits", "", {"source": "one more", "limits": [{"limit_id": "more", "amount": 1}]})
    ),
    "allowances_limit_exceeded": limits(
        1, Ask("allowance", "", {"value": "ada", "amount": 1}, {"limit_id": "l0"}), allowances=MEMBERS
    ),
    "counters_limit_exceeded": limits(10, Ask("deduct", "", {"amount": 1, "usage": {"member": "ada"}}), used=MEMBERS),
    "not_yet_visible": lambda service, account: service.get_once(
        f"/v1/accounts/{account}/history", min_position=LARGEST
    ),
}


CROWDED = {"open_lots_limit_exceeded", "open_holds_limit_exceeded"}
"""Those that take thousands of events."""


@pytest.mark.parametrize("code", REQUESTS)
def test_a_request_is_answered_with(request: pytest.FixtureRequest, code: str) -> None:
    service: Service = request.getfixturevalue("crowded" if code in CROWDED else "service")
    response = REQUESTS[code](service, staged(service))
    document = refused(response, status_of(code), code)
    if code.endswith(("_limit_exceeded", "_too_large")):
        assert isinstance(document["limit"], int)


# By a fault alone -------------------------------------------------------------------------------------------------


def too_many_requests(conninfo: str, folder: Path) -> httpx.Response:
    with service_here(conninfo, folder, settings={"CREDIT_LEDGER_RATE_LIMIT": "1"}) as service:
        under_contract(service)
        ask = Ask("open", "account", {"account_id": "account"})
        began = time.monotonic()
        answers = [ask.post(service) for _ in range(50)]
        seconds = time.monotonic() - began
        slowed = [answer for answer in answers if answer.status_code == 429]
        assert slowed
        assert len(answers) - len(slowed) <= 5 * (seconds + 2)  # as many in a second, and what a full bucket has
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in slowed)
        eventually(lambda: ask.post(service).status_code == 200)
    return slowed[0]


def body_that_stops(conninfo: str, folder: Path) -> httpx.Response:
    """A client that sends the first byte of a body and no more."""
    with service_here(conninfo, folder) as service, patch.object(request_body, "BODY_SECONDS", 0.2):
        caller = HTTPConnection("127.0.0.1", service.port, timeout=60)
        caller.putrequest("POST", "/v1/batch")
        for name, value in {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Length": "9"}.items():
            caller.putheader(name, value)
        caller.endheaders(b"{")
        answer = caller.getresponse()
        assert answer.headers["connection"] == "close"
        found = httpx.Response(answer.status, content=answer.read())
        caller.close()
        return found


def too_long_a_hold(conninfo: str, folder: Path) -> httpx.Response:
    with service_here(conninfo, folder, settings={"CREDIT_LEDGER_HOLD_DAYS": "7"}) as service:
        under_contract(service)
        account, week = service.open_account(permanent=10), {"expires_in_seconds": 7 * 86_400}
        placed = Ask("hold", account, {"amount": 1, **week}).post(service, "h").json()
        answer = Ask("extend", account, week, {"hold_id": placed["hold_id"]}).post(service, "e")
        refused(answer, 422, "hold_life_exceeded", hold_id=placed["hold_id"], expires_at_most=placed["expires_at"])
        shorter = Ask("extend", account, {"expires_in_seconds": 1}, {"hold_id": placed["hold_id"]}).post(service, "s")
        assert (shorter.status_code, shorter.json()["expires_at"]) == (201, placed["expires_at"])
    return answer


def too_long_ago(conninfo: str, folder: Path) -> httpx.Response:
    with service_here(conninfo, folder, settings={"CREDIT_LEDGER_BACK_DATING_DAYS": "2"}) as service:
        under_contract(service)
        account, now = service.open_account(permanent=10), datetime.now(UTC)
        yesterday, before = (now - timedelta(days=days) for days in (1, 3))
        done = Ask("deduct", account, {"amount": 1, "occurred_at": yesterday.isoformat()}).post(service, "d")
        assert done.status_code == 201
        [event] = service.get(f"/v1/accounts/{account}/events", after_version=done.json()["version"] - 1).json()[
            "events"
        ]
        assert datetime.fromisoformat(event["data"]["occurred_at"]) == yesterday
        answer = Ask("deduct", account, {"amount": 1, "occurred_at": before.isoformat()}).post(service, "e")
        refused(answer, 422, "occurred_at_out_of_bounds", occurred_at=before.isoformat().replace("+00:00", "Z"))
    return answer


def too_many_commands(conninfo: str, folder: Path) -> httpx.Response:
    settings = {"CREDIT_LEDGER_QUEUE_LIMIT": "1"}
    with service_here(conninfo, folder, settings=settings) as service, ThreadPoolExecutor(1) as thread:
        under_contract(service)
        account = service.open_account(permanent=10)
        first, second = (Ask("deduct", account, {"amount": 1, "task_id": task}) for task in "ab")
        with psycopg.connect(conninfo) as other:
            other.execute("SELECT ledger.lock_appends()")  # nothing can be committed until this transaction ends
            waiting = thread.submit(first.post, service)
            eventually(lambda: "\ncredit_ledger_commands_waiting 1.0\n" in service.get("/metrics").text)
            turned_away = second.post(service)
            in_batch = service.post("/v1/batch", {"commands": [second.item(), {"op": "?"}]}).json()["results"]
            assert [(result["status"], result["code"]) for result in in_batch] == [
                (503, "overloaded"),
                (422, "validation_failed"),
            ]
            refused(service.post("/v1/batch", {"commands": [second.item()], "atomic": True}), 503, "overloaded")
        assert waiting.result().status_code == 201
        assert second.post(service).status_code == 201  # its key was not used up
        assert balance(service, account)["total"] == 8
    return turned_away


def broken_database(conninfo: str, folder: Path) -> httpx.Response:
    with service_here(conninfo, folder) as service, psycopg.connect(owner(conninfo), autocommit=True) as other:
        under_contract(service)
        account = service.open_account(permanent=10)
        break_appends(other, "RAISE 'disk on fire'")
        ask = Ask("deduct", account, {"amount": 1, "task_id": "t"})
        answer = ask.post(service)
        assert "fire" not in answer.text  # what is wrong inside is for the log
        assert "disk on fire" in service.log.read_text()
        refused(Ask("hold", account, {"amount": 1}).post(service, "h"), 500, "internal_error")
        assert version(service, account) == 2
        other.execute("DROP TRIGGER fault ON ledger.events")
        assert ask.post(service).status_code == 201
        assert balance(service, account)["total"] == 9
    return answer


def break_appends(connection: psycopg.Connection[Any], what: str) -> None:
    """Let every event that is to be recorded meet a fault."""
    connection.execute(
        f"CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {what}; END $$;"
        "CREATE TRIGGER fault BEFORE INSERT ON ledger.events FOR EACH ROW EXECUTE FUNCTION fault()".encode()
    )


def told_operators(port: int, place: str) -> httpx.Response:
    """What the operators' port says, within the time that Prometheus has for it."""
    return httpx.get(f"http://127.0.0.1:{port}/{place}", timeout=10, trust_env=False, verify=PLAIN)


def lost_database(_: str, folder: Path) -> httpx.Response:
    """Its server crashes under the service, stays away, and comes back."""
    with embedded_postgres(folder) as conninfo:
        migrate(conninfo, COMPONENTS)
        own = server_in(folder, packaged_programs())
        ops = free_port()
        with running_service(conninfo, folder, settings={"CREDIT_LEDGER_OPS_PORT": str(ops)}) as service:
            under_contract(service)
            account = service.open_account(permanent=100)
            done = [Ask("deduct", account, {"amount": 1}).post(service, f"before-{n}") for n in range(5)]
            status, said = run(own, "pg_ctl", "stop", "-s", "-w", "-m", "immediate", "-D", str(own.data))
            assert status == 0, said
            asked = everything_asked(service, account)
            with ThreadPoolExecutor(len(asked) + 2) as threads:  # each is kept for a while, in case it comes back soon
                told = [threads.submit(told_operators, ops, place) for place in ("readyz", "metrics")]
                answers = [waiting.result() for waiting in [threads.submit(ask) for ask in asked]]
            for answer in answers:
                refused(answer, 503, "unavailable")
            ready, figures = (waiting.result() for waiting in told)
            assert (ready.status_code, ready.json()["checks"]["database"]) == (503, False)
            assert "credit_ledger_commands_total" in figures.text
            assert service.get("/readyz").status_code == 503
            assert service.get("/healthz").status_code == 200
            embedded._start(own)
            service.wait_until_ready()  # it looks for the database all the while
            again = [Ask("deduct", account, {"amount": 1}).post(service, f"before-{n}") for n in range(5)]
            assert [(a.status_code, a.content) for a in again] == [(200, d.content) for d in done]
            assert Ask("deduct", account, {"amount": 1}).post(service, "lost").json()["balance_after"] == 94
            assert (balance(service, account)["total"], version(service, account)) == (94, 8)
    return answers[0]


def full_disk(database: str, folder: Path) -> httpx.Response:
    """With a full disk nothing can be written, but queries are answered; with free space everything works again."""
    with service_here(database, folder) as service, psycopg.connect(owner(database), autocommit=True) as other:
        under_contract(service)
        account = service.open_account(permanent=10)
        break_appends(other, "RAISE disk_full")
        ask = Ask("deduct", account, {"amount": 1})
        answer = ask.post(service, "k")  # kept for a while, in case there soon is room
        assert answer.headers["retry-after"] == "5"
        assert balance(service, account)["total"] == 10
        other.execute("DROP TRIGGER fault ON ledger.events")
        eventually(lambda: ask.post(service, "k").status_code == 201)
        assert balance(service, account)["total"] == 9
    return answer


def everything_asked(service: Service, account: str) -> list[Callable[[], httpx.Response]]:
    """One request of each kind."""
    ask = Ask("deduct", account, {"amount": 1})
    get = service.get
    return [
        lambda: ask.post(service, "lost"),
        lambda: ask.post(service, "lost", "?dry_run=true"),
        lambda: Ask("release", account, {}, {"hold_id": "hld_1"}).post(service, "r"),
        lambda: Ask("open", fresh(), {"account_id": fresh()}).post(service),
        lambda: service.post("/v1/batch", {"commands": [ask.item("b")], "atomic": True}),
        lambda: service.post("/v1/batch?dry_run=true", {"commands": [ask.item("b")]}),
        lambda: get(f"/v1/accounts/{account}/balance"),
        lambda: get(f"/v1/accounts/{account}/balance", at="2026-01-01T00:00:00Z"),
        lambda: get(f"/v1/accounts/{account}/events"),
        lambda: get(f"/v1/accounts/{account}/receipts/deduct/k"),
        lambda: get("/v1/events"),
        lambda: get(f"/v1/accounts/{account}/history"),
        lambda: get(f"/v1/accounts/{account}/summary"),
        lambda: service.client.get("/v1/events", headers={"Authorization": "Bearer not-in-memory"}),
    ]


def no_projection(database: str, folder: Path) -> httpx.Response:
    """A projection is missing: answers that do not need it are served, and it is rebuilt as soon as that is allowed."""
    with service_here(database, folder) as service, psycopg.connect(database, autocommit=True) as other:
        under_contract(service)
        account = service.open_account(permanent=10)
        other.execute(queries("projections.engine", "sql/builds.sql")["lead_rebuild"])
        with psycopg.connect(owner(database)) as dropping:
            dropping.execute("DROP SCHEMA projection_history CASCADE")
        answer = service.get(f"/v1/accounts/{account}/history")
        assert answer.headers["retry-after"] == "5"
        assert service.get(f"/v1/accounts/{account}/grants").status_code == 200
        assert balance(service, account)["total"] == 10
        checks = service.get("/readyz").json()["checks"]
        assert checks == {
            "checkpoints": True,
            "committer": True,
            "database": True,
            "processes": True,
            "sessions": True,
            "projections": False,
        }
        other.close()
        service.wait_until_ready()
        assert service.get(f"/v1/accounts/{account}/history").json()["entries"][0]["balance_after"] == 10
    return answer


def slow_queries(database: str, folder: Path) -> httpx.Response:
    """Each query waits for a lock, until the database ends it. A command waits as long as it takes."""
    settings = {"CREDIT_LEDGER_QUERY_TIMEOUT_SECONDS": "0.2"}
    with (
        service_here(database, folder, settings=settings) as service,
        psycopg.connect(owner(database)) as other,
        ThreadPoolExecutor(1) as thread,
    ):
        under_contract(service)
        account = service.open_account(permanent=10)
        other.execute("LOCK TABLE ledger.events, projection_history.entries IN ACCESS EXCLUSIVE MODE")
        command = thread.submit(lambda: Ask("deduct", account, {"amount": 1}).post(service, "slow"))
        waits = "SELECT FROM pg_locks WHERE relation = 'ledger.events'::regclass AND NOT granted"
        eventually(lambda: other.execute(waits).rowcount > 0)
        answers = [service.get_once(f"/v1/accounts/{account}/{name}") for name in ("history", "events", "balance")]
        for answer in answers:
            refused(answer, 503, "query_timeout")
            assert answer.headers["retry-after"] == "5"
        assert not command.done()
        other.rollback()
        assert command.result().status_code == 201
        assert balance(service, account)["total"] == 9
    return answers[0]


def no_public_url(database: str, folder: Path) -> httpx.Response:
    """The service may listen on all addresses, and makes links only if it knows which of them to write."""
    everywhere = {"CREDIT_LEDGER_HOST": "0.0.0.0"}  # the tests' own server listens on loopback
    with service_here(database, folder, settings=everywhere) as service:
        under_contract(service)
        account = service.open_account()
        answer = service.post("/v1/portal_sessions", {"account_id": account}, Host="evil.example")
    assert "CREDIT_LEDGER_PUBLIC_URL" in answer.json()["detail"]
    everywhere["CREDIT_LEDGER_PUBLIC_URL"] = "https://credits.example/"
    with service_here(database, folder, settings=everywhere) as service:
        made = service.post("/v1/portal_sessions", {"account_id": account}, Host="evil.example")
        assert made.json()["url"].startswith("https://credits.example/dashboard/portal/")
    return answer


def of_people(path: str, body: dict[str, str], registration: str = "open") -> Callable[[str, Path], httpx.Response]:
    """A request of a person, where people sign in."""

    def post(database: str, folder: Path) -> httpx.Response:
        settings = {"CREDIT_LEDGER_REGISTRATION": registration}
        with service_here(database, folder, settings=settings) as service:
            under_contract(service)
            return service.post(path, body)

    return post


def not_verified(database: str, folder: Path) -> httpx.Response:
    """The token of a registration opens nothing."""
    with service_here(database, folder, settings={"CREDIT_LEDGER_REGISTRATION": "open"}) as service:
        under_contract(service)
        made = service.post("/api/auth/register", {**ADA, "name": "Ada"}).json()
        return service.client.get("/api/user/sessions", headers={"Authorization": f"Bearer {made['token']}"})


def still_charged(database: str, folder: Path) -> httpx.Response:
    """Who asks to be erased, and has a subscription that renews."""
    with service_here(database, folder, settings={"CREDIT_LEDGER_REGISTRATION": "open"}) as service:
        under_contract(service)
        club = Club(service, folder / "data" / "mail")
        ada = club.join("ada")
        name = subscribe(service, ada["user"]["id"])
        answer = club.ask("DELETE", "/api/user/profile", ada["token"], json={"password": PASSWORD})
    assert answer.json()["subscription_id"] == name
    return answer


def product_of_another(conninfo: str, folder: Path) -> httpx.Response:
    """Two packages cannot be one product of a provider."""
    price = {"price": "once", "amount_minor": 100, "currency": "EUR", "products": {"stripe": "price_1"}}
    with service_here(conninfo, folder) as service:
        under_contract(service)
        bodies = {name: {"name": name, "credits": 1, "prices": [price]} for name in ("one", "other")}
        first, second = (service.client.put(f"/v1/packages/{name}", json=body) for name, body in bodies.items())
    assert first.status_code == 201
    return second


def full_catalogue(conninfo: str, folder: Path) -> httpx.Response:
    """It has as many packages as it may have."""
    body = Package.model_validate({"name": "x", "credits": 1})
    bodies = [Wanted(f"p{number}", body) for number in range(MAX_ENTRIES)]
    asyncio.run(put_there(conninfo, bodies))
    with service_here(conninfo, folder) as service:
        under_contract(service)
        assert service.client.put("/v1/plans/p", json={"name": "x", "credits": 1}).status_code == 201
        answer = service.client.put("/v1/packages/one-more", json={"name": "x", "credits": 1})
    assert answer.json()["limit"] == MAX_ENTRIES
    return answer


async def put_there(conninfo: str, wanted: list[Wanted]) -> None:
    async with await connect_async(conninfo) as connection:
        await put(connection, wanted, "a test")


def nobody_to_pay(conninfo: str, folder: Path) -> httpx.Response:
    """There are no bank transfers, and no provider that can be called."""
    with service_here(conninfo, folder, settings={"CREDIT_LEDGER_MANUAL": "off"}) as service:
        under_contract(service)
        return checkout("package", price="once")(service, service.open_account())


def provider_away(conninfo: str, folder: Path) -> httpx.Response:
    """Nobody listens where the provider should; the row that was made is asked about again."""
    called = {"CREDIT_LEDGER_STRIPE_API_KEY": "sk_1", "CREDIT_LEDGER_STRIPE_API_URL": f"http://127.0.0.1:{free_port()}"}
    with service_here(conninfo, folder, settings=called) as service:
        under_contract(service)
        return checkout("package", price="once")(service, service.open_account())


def lost_signing_key(database: str, folder: Path) -> httpx.Response:
    """Without the key that signed the checkpoints no document is signed."""
    with service_here(database, folder) as service:
        under_contract(service)
        account = service.open_account(permanent=10)
        month = f"/v1/accounts/{account}/statements/{datetime.now(UTC):%Y-%m}.pdf"
        assert service.get(month).status_code == 200
        for key in (folder / "data" / "signing").iterdir():
            key.unlink()
        return service.get(month)


def full_month(database: str, folder: Path) -> httpx.Response:
    """A month of 5,001 events, which all meter usage."""
    with service_here(database, folder) as service:
        under_contract(service)
        account = service.open_account()
        usage = Ask("meter", account, {"quantity": 1, "usage": {"metric": "pages"}})
        for n in range(5):
            told = [usage.item(f"{n}-{place}") for place in range(1_000)]
            answer = service.post("/v1/batch", {"commands": told})
            assert {result["status"] for result in answer.json()["results"]} == {201}, answer.text[:300]
        return service.get(f"/v1/accounts/{account}/statements/{datetime.now(UTC):%Y-%m}.pdf")


FAULTS: dict[str, Callable[[str, Path], httpx.Response]] = {
    "provider_failed": provider_away,
    "provider_cannot": nobody_to_pay,
    "product_belongs_to_another": product_of_another,
    "catalog_limit_exceeded": full_catalogue,
    "hold_life_exceeded": too_long_a_hold,
    "occurred_at_out_of_bounds": too_long_ago,
    "rate_limited": too_many_requests,
    "body_timeout": body_that_stops,
    "overloaded": too_many_commands,
    "internal_error": broken_database,
    "unavailable": lost_database,
    "storage_full": full_disk,
    "projection_unavailable": no_projection,
    "query_timeout": slow_queries,
    "public_url_required": no_public_url,
    "document_unavailable": lost_signing_key,
    "statement_too_long": full_month,
    "wrong_credentials": of_people("/api/auth/login", ADA),
    "registration_closed": of_people("/api/auth/register", ADA, "invited"),
    "email_not_verified": not_verified,
    "has_a_subscription": still_charged,
    "token_spent": of_people("/api/auth/link/confirm", {"token": "unknown"}),
    "password_too_weak": of_people("/api/auth/register", {**ADA, "password": "password123"}),
}


@pytest.mark.parametrize("code", FAULTS)
def test_a_fault_is_answered_with(database: str, server_folder: Path, code: str) -> None:
    response = FAULTS[code](database, server_folder)
    refused(response, status_of(code), code)
    assert json.loads(response.content)["detail"]


def test_a_payment_under_another_key_is_not_recorded_twice(service: Service) -> None:
    account = staged(service)
    body = payment("pay-1", provider_of(account), grant={"kind": "permanent", "amount": 20})
    again = Ask("payment", account, body).post(service, "other")
    refused(again, 409, "payment_already_recorded", payment_id="pay-1")
    assert balance(service, account)["total"] == 140
