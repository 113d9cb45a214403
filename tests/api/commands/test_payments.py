"""Payments over HTTP: one of each provider and id, in one account of the ledger; and the grants that they buy."""

from datetime import UTC, datetime, timedelta

import httpx

from people.api_keys import create_key
from tests.api.stage import Ask, Json, balance, fresh, payment, provider_of, refused
from tests.service import Service

SOON = datetime(2100, 1, 1, tzinfo=UTC)


def opened(service: Service) -> str:
    account = fresh()
    assert Ask("open", account, {"account_id": account, "signup_credits": 0}).post(service).status_code == 201
    return account


def paid(service: Service, account: str, **more: object) -> httpx.Response:
    return Ask("payment", account, payment("1", provider_of(account)) | more).post(service)


def refund(service: Service, account: str, **body: object) -> httpx.Response:
    return Ask("payment_refund", account, {"refund_id": "re-1", **body}, {"payment_id": "1"}).post(service)


def credits(amount: int, **more: object) -> Json:
    return {"kind": "permanent", "amount": amount, **more}


def test_two_providers_use_one_payment_id_without_any_header(service: Service) -> None:
    account = opened(service)
    other = f"other-{account}"
    assert paid(service, account, grant=credits(10)).status_code == 201
    assert paid(service, account, provider=other, grant=credits(30)).status_code == 201
    again = paid(service, account, provider=other, grant=credits(30))
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    refused(refund(service, account), 409, "payment_ambiguous", providers=[provider_of(account), other])
    assert refund(service, account, provider=other).json()["voided"] == 30
    assert refund(service, account, provider=provider_of(account)).json()["voided"] == 10
    last = service.get(f"/v1/accounts/{account}/balance").json()["position"]
    rows = service.get(f"/v1/accounts/{account}/payments", min_position=last).json()["payments"]
    assert [(row["provider"], row["status"], [part["amount"] for part in row["grants"]]) for row in rows] == [
        (other, "refunded", [30]),
        (provider_of(account), "refunded", [10]),
    ]


def test_a_payment_that_failed_is_recorded_once_more_as_paid(service: Service) -> None:
    account = opened(service)
    assert paid(service, account, status="failed").json()["payment_status"] == "failed"
    done = paid(service, account, amount_minor=900, grant=credits(7)).json()
    assert (done["payment_status"], done["granted"], balance(service, account)["total"]) == ("paid", 7, 7)
    assert paid(service, account, status="failed").headers["idempotent-replayed"] == "true"
    [row] = service.get(f"/v1/accounts/{account}/payments", min_position=done["position"]).json()["payments"]
    assert (row["status"], row["amount_minor"], row["version"]) == ("paid", 900, 3)


def test_a_payment_belongs_to_one_account_and_who_may_not_read_does_not_learn_which(service: Service) -> None:
    first, second = opened(service), opened(service)
    body = payment("1", provider_of(first), grant=credits(5))
    assert Ask("payment", first, body).post(service).status_code == 201
    ask = Ask("payment", second, body)
    told = refused(ask.post(service), 409, "payment_of_another_account", other_account_id=first)
    assert first not in told["detail"].replace(provider_of(first), "")
    batch = {"commands": [ask.item()], "atomic": True}
    assert refused(service.post("/v1/batch", batch), 409, "batch_refused")["cause"]["other_account_id"] == first
    key = create_key(service.conninfo, "for a test", ["ledger:manage"])
    headers = {"Authorization": f"Bearer {key}"}
    answers = [
        service.client.post(ask.path, json=body, headers=headers).json(),
        service.client.post(f"{ask.path}?dry_run=true", json=body, headers=headers).json(),
        service.client.post("/v1/batch", json=batch, headers=headers).json(),
        service.client.post("/v1/batch", json=batch | {"atomic": False}, headers=headers).json(),
    ]
    for answer in answers:
        assert "payment_of_another_account" in str(answer)
        assert "other_account_id" not in str(answer)
    assert balance(service, second)["total"] == 0


def test_two_accounts_in_one_batch_cannot_both_record_a_payment(service: Service) -> None:
    first, second = opened(service), opened(service)
    commands = [Ask("payment", account, payment("1", provider_of(first))).item() for account in (first, second)]
    together = service.post("/v1/batch", {"commands": commands, "atomic": True})
    assert refused(together, 409, "batch_refused", index=1)["cause"]["code"] == "payment_of_another_account"
    results = service.post("/v1/batch", {"commands": commands[::-1]}).json()["results"]
    assert [result["status"] for result in results] == [201, 409]


def test_a_payment_buys_several_grants_and_a_refund_voids_all_in_proportion(service: Service) -> None:
    account = opened(service)
    done = paid(service, account, grants=[credits(10), credits(5), credits(1, effective_at=SOON.isoformat())]).json()
    bought = [(part["grant_id"], part["granted"]) for part in done["grants"]]
    assert bought == [("grt_3", 10), ("grt_4", 5), ("grt_5", 1)]
    assert "grant_id" not in done
    assert done["balance"]["total"] == 15
    back = refund(service, account, amount_minor=500).json()
    assert [(part["grant_id"], part["voided"]) for part in back["voids"]] == [("grt_3", 6), ("grt_4", 2)]
    rest = Ask("payment_refund", account, {"refund_id": "re-2"}, {"payment_id": "1"}).post(service).json()
    assert sum(part["voided"] for part in rest["voids"]) == 8
    assert balance(service, account)["total"] == 0
    assert balance(service, account)["coming"] == []


def test_what_is_coming_is_shown_and_can_be_voided(service: Service) -> None:
    account = opened(service)
    end = (SOON + timedelta(days=30)).isoformat()
    ask = Ask("grant", account, {"kind": "subscription", "amount": 9, "effective_at": SOON.isoformat()})
    rehearsed = ask.post(service, "k", "?dry_run=true").json()
    done = ask.post(service, "k").json()
    assert rehearsed["effective_at"] == done["effective_at"] == "2100-01-01T00:00:00Z"
    assert datetime.fromisoformat(done["expires_at"]) == datetime.fromisoformat(end)
    found = balance(service, account)
    assert (found["total"], found["grants"]) == (0, [])
    [coming] = found["coming"]
    assert (coming["grant_id"], coming["amount"], coming["effective_at"]) == ("grt_2", 9, "2100-01-01T00:00:00Z")
    listed = service.get(f"/v1/accounts/{account}/grants", status="coming", min_position=done["position"])
    [row] = listed.json()["grants"]
    assert (row["coming"], row["remaining"], row["effective_at"]) == (9, 0, "2100-01-01T00:00:00Z")
    summary = service.get(f"/v1/accounts/{account}/summary", min_position=done["position"]).json()
    assert summary["balance"]["coming"] == [{"effective_at": "2100-01-01T00:00:00Z", "credits": 9}]
    voided = Ask("void", account, {}, {"grant_id": "grt_2"}).post(service, "v").json()
    assert (voided["voided"], balance(service, account)["coming"]) == (9, [])
    past = Ask("grant", account, {"kind": "permanent", "amount": 1, "effective_at": "2020-01-01T00:00:00Z"})
    assert refused(past.post(service, "p"), 422, "validation_failed")["errors"][0]["field"] == "effective_at"


def test_a_retry_of_a_payment_finds_the_receipt_of_before(service: Service) -> None:
    """An older program took the payment id alone for the key."""
    account = opened(service)
    body = payment("1", provider_of(account), grant=credits(4))
    assert Ask("payment", account, body).post(service, key="1").status_code == 201
    again = Ask("payment", account, body).post(service)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    refused(Ask("payment", account, body | {"amount_minor": 1}).post(service), 422, "idempotency_key_reused")
    other = Ask("payment", account, body | {"provider": f"other-{account}"}).post(service)
    assert (other.status_code, balance(service, account)["total"]) == (201, 8)


def dispute(service: Service, account: str, state: str, **body: object) -> httpx.Response:
    ids = {"payment_id": "1"}
    return Ask("payment_dispute", account, {"dispute_id": "dp-1", "state": state, **body}, ids).post(service)


def in_list(service: Service, account: str, position: int) -> Json:
    [row] = service.get(f"/v1/accounts/{account}/payments", min_position=position).json()["payments"]
    return {name: row[name] for name in ("status", "disputed_minor", "dispute_state", "refunded_minor")}


def test_a_dispute_holds_what_is_left_and_what_is_won_comes_back(service: Service) -> None:
    account = opened(service)
    paid(service, account, grant=credits(20))
    assert Ask("deduct", account, {"amount": 5}).post(service, "d").status_code == 201
    held = dispute(service, account, "open", amount_minor=500, reason="fraudulent").json()
    assert (held["held"], held["hold_id"], held["balance"]["available"]) == (10, "hld_5", 5)
    assert dispute(service, account, "open", amount_minor=500, reason="fraudulent").status_code == 200
    facts = {"hold_id": "hld_5", "payment_id": "1", "dispute_id": "dp-1"}
    refused(Ask("capture", account, {}, {"hold_id": "hld_5"}).post(service, "c"), 409, "hold_disputed", **facts)
    row = {"status": "paid", "disputed_minor": 500, "dispute_state": "open", "refunded_minor": 0}
    assert in_list(service, account, held["position"]) == row
    won = dispute(service, account, "won").json()
    assert (won["released"], won["disputed_minor"], won["balance"]["available"]) == (10, 500, 15)
    assert in_list(service, account, won["position"]) == row | {"disputed_minor": 0, "dispute_state": "won"}
    late = dispute(service, account, "open", amount_minor=501)
    refused(late, 422, "idempotency_key_reused")
    refused(dispute(service, account, "lost"), 409, "dispute_already_decided", dispute_state="won")


def test_a_dispute_that_is_lost_says_what_was_cancelled_and_what_was_spent(service: Service) -> None:
    account = opened(service)
    paid(service, account, grants=[credits(20), credits(10)])
    assert Ask("deduct", account, {"amount": 5}).post(service, "d").status_code == 201
    assert dispute(service, account, "open").json()["held"] == 25
    rehearsed = Ask("payment_dispute", account, {"dispute_id": "dp-1", "state": "lost"}, {"payment_id": "1"}).post(
        service, None, "?dry_run=true"
    )
    assert (rehearsed.json()["dry_run"], balance(service, account)["held"]) == (True, 25)
    lost = dispute(service, account, "lost").json()
    assert (lost["cancelled"], lost["released"], lost["balance"]["total"]) == (25, 0, 0)
    assert [(part["voided"], part["uncollected"]) for part in lost["voids"]] == [(0, 5), (0, 0)]
    assert in_list(service, account, lost["position"])["disputed_minor"] == 1000
    refused(refund(service, account), 422, "amount_exceeds_payment", refundable_minor=0)
    explained = service.get(f"/v1/accounts/{account}/explain", version=7).json()
    assert explained["violations"] == []
