"""The queries of the events: the balance now and at past times, receipts, and the two feeds."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from tests.api.stage import (
    OPERATIONS,
    STAGED_VERSION,
    Ask,
    Json,
    asks,
    balance,
    eventually,
    field_errors,
    fresh,
    refused,
    staged,
)
from tests.service import Service


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def after(text: str, microseconds: int) -> str:
    return (instant(text) + timedelta(microseconds=microseconds)).isoformat()


# Receipts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_receipt_has_the_original_answer(service: Service, operation: str) -> None:
    ask = asks(staged(service))[operation]
    done = ask.post(service, "the-key").json()
    assert service.get(f"/v1/accounts/{ask.account}/receipts/{operation}/the-key").json() == {
        "account_id": ask.account,
        "operation": operation,
        "idempotency_key": "the-key",
        "version": done["version"],
        "position": done["position"],
        "recorded_at": done["recorded_at"],
        "answer": done,
    }


@pytest.mark.parametrize(
    "key", ["a/b", "/a", "a/", "a//b", "..", "a b", "?a=b#c", "100%", "%2F", ":", "release:x", "~" * 255, '"']
)
def test_a_receipt_is_found_under_any_key(service: Service, key: str) -> None:
    account = service.open_account(permanent=5)
    done = Ask("deduct", account, {"amount": 1}).post(service, key).json()
    found = service.get(f"/v1/accounts/{account}/receipts/deduct/{quote(key, safe='').replace('.', '%2E')}")
    assert (found.json()["idempotency_key"], found.json()["answer"]) == (key, done)


def test_a_receipt_is_found_under_a_business_id_and_whoever_opened_an_account_under_any(service: Service) -> None:
    account = service.open_account(permanent=5)
    done = Ask("deduct", account, {"amount": 1, "task_id": "täsk-ü/1"}).post(service).json()
    found = service.get(f"/v1/accounts/{account}/receipts/deduct/{quote('täsk-ü/1', safe='')}").json()
    assert (found["idempotency_key"], found["answer"]) == ("täsk-ü/1", done)
    opening = service.get(f"/v1/accounts/{account}/receipts/open/{account}").json()
    assert (opening["idempotency_key"], opening["version"]) == (account, 2)


def test_a_key_that_was_not_used_has_no_receipt(service: Service) -> None:
    account = service.open_account(permanent=5)
    Ask("deduct", account, {"amount": 1}).post(service, "k")
    for path in (f"{account}/receipts/deduct/K", f"{account}/receipts/hold/k", f"{fresh()}/receipts/deduct/k"):
        refused(service.get(f"/v1/accounts/{path}"), 404, "receipt_not_found")
    assert list(field_errors(service.get(f"/v1/accounts/{account}/receipts/withdraw/k"))) == ["operation"]


# The balance ------------------------------------------------------------------------------------------------------


def test_the_balance_names_the_open_lots_in_burn_order(service: Service) -> None:
    account = staged(service)
    response = service.get(f"/v1/accounts/{account}/balance")
    found = response.json()
    assert response.headers["etag"] == f'"{STAGED_VERSION}"'
    assert (found["account_id"], found["version"], found["standing"]) == (account, STAGED_VERSION, "active")
    lots = [(lot["grant_id"], lot["kind"], lot["remaining"]) for lot in found["grants"]]
    assert lots == [("grt_3", "subscription", 30), ("grt_2", "permanent", 50), ("grt_7", "permanent", 20)]
    assert found["grants"][0]["expires_at"] == found["subscription_expire_at"]
    assert abs(instant(found["as_of"]) - datetime.now(UTC)) < timedelta(minutes=1)


def test_who_has_the_answer_is_not_sent_it_again(service: Service) -> None:
    account = service.open_account(permanent=5)
    for path in (f"/v1/accounts/{account}", f"/v1/accounts/{account}/balance", f"/v1/accounts/{account}/subscription"):
        etag = service.get(path).headers["etag"]
        same = service.client.get(path, headers={"If-None-Match": f'"other", {etag}'})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
        assert Ask("deduct", account, {"amount": 1}).post(service, path).status_code == 201
        newer = service.client.get(path, headers={"If-None-Match": etag})
        assert newer.status_code == 200
        assert newer.headers["etag"] != etag


def test_the_etag_is_what_if_match_takes(service: Service) -> None:
    account = service.open_account(permanent=5)
    etag = service.get(f"/v1/accounts/{account}/balance").headers["etag"]
    ask = Ask("deduct", account, {"amount": 1})
    assert ask.post(service, "1", **{"If-Match": etag}).status_code == 201
    refused(ask.post(service, "2", **{"If-Match": etag}), 412, "version_mismatch")


def test_the_balance_of_a_past_instant_is_what_it_was_between_two_events(service: Service) -> None:
    account = fresh()
    answers = [Ask("open", account, {"account_id": account, "signup_credits": 100}).post(service).json()]
    answers += [Ask("deduct", account, {"amount": n}).post(service, f"k{n}").json() for n in range(1, 6)]
    for answer, following in zip(answers, [*answers[1:], None], strict=True):
        moments = [answer["recorded_at"]]  # what happens at an instant is a part of it
        moments += [after(following["recorded_at"], -1)] if following else []
        for moment in moments:
            found = service.get(f"/v1/accounts/{account}/balance", at=moment).json()
            assert {name: found[name] for name in answer["balance"]} == answer["balance"]
            assert (found["version"], found["position"]) == (answer["version"], answer["position"])
            assert instant(found["as_of"]) == instant(moment)
    before = after(answers[0]["recorded_at"], -1)
    early = service.get(f"/v1/accounts/{account}/balance", at=before)
    detail = refused(early, 404, "account_not_found", account_id=account)["detail"]
    assert detail == f"There is no account '{account}', or there was none yet at that time."


def test_an_instant_can_be_told_with_any_offset(service: Service) -> None:
    account = service.open_account(permanent=5)
    at = Ask("deduct", account, {"amount": 1}).post(service, "1").json()["recorded_at"]
    Ask("deduct", account, {"amount": 1}).post(service, "2")
    for zone in (timedelta(hours=-11), timedelta(hours=5, minutes=45)):
        local = instant(at).astimezone(UTC) + zone
        sign, length = ("-", -zone) if zone < timedelta() else ("+", zone)
        text = f"{local:%Y-%m-%dT%H:%M:%S.%f}{sign}{length.seconds // 3600:02}:{length.seconds // 60 % 60:02}"
        assert service.get(f"/v1/accounts/{account}/balance", at=text).json()["total"] == 4


def test_a_past_instant_knows_what_had_lapsed_by_then_and_what_not(service: Service) -> None:
    account = service.open_account(permanent=10)
    end = datetime.now(UTC) + timedelta(seconds=2)
    body = {"kind": "subscription", "amount": 7, "expires_at": end.isoformat()}
    assert Ask("grant", account, body).post(service, "g").status_code == 201
    hold = Ask("hold", account, {"amount": 9, "expires_in_seconds": 2}).post(service, "h").json()
    eventually(lambda: bool(balance(service, account)["held"] == 0))

    def at(moment: str) -> Any:
        found = service.get(f"/v1/accounts/{account}/balance", at=moment).json()
        return found["total"], found["held"]

    assert at(after(end.isoformat(), -1)) == (17, 9)
    assert at(after(hold["expires_at"], -1)) == (17, 9)  # while held, credits do not lapse
    assert at(hold["expires_at"]) == (10, 0)


@pytest.mark.parametrize(
    "at", ["yesterday", "2026-01-01", "2026-01-01T00:00:00", "1767225600", "1e9", "", "2026-13-01T00:00:00Z", "now"]
)
def test_an_instant_that_is_none_is_refused(service: Service, at: str) -> None:
    assert list(field_errors(service.get(f"/v1/accounts/{service.open_account()}/balance", at=at))) == ["at"]


def test_the_future_is_not_known(service: Service) -> None:
    account = service.open_account()
    for at in (datetime.now(UTC) + timedelta(minutes=1), datetime.max.replace(tzinfo=UTC)):
        assert list(field_errors(service.get(f"/v1/accounts/{account}/balance", at=at.isoformat()))) == ["at"]
    early = service.get(f"/v1/accounts/{account}/balance", at="0001-01-01T00:00:00+14:00")
    assert early.status_code in {404, 422}, early.text


# Feeds ------------------------------------------------------------------------------------------------------------


def followed(service: Service, path: str, cursor: str, **parameters: Any) -> list[Json]:
    """All of a feed, page by page."""
    events: list[Json] = []
    after = 0
    while page := service.get(path, **{cursor: after}, **parameters).json():
        if not page["events"]:
            assert page["next_after"] == after
            return events
        assert len(page["events"]) <= parameters["limit"]
        events += page["events"]
        after = page["next_after"]
    raise AssertionError


def test_a_stream_has_the_events_of_one_account_by_version(service: Service) -> None:
    account = staged(service)
    events = followed(service, f"/v1/accounts/{account}/events", "after_version", limit=3)
    assert [event["version"] for event in events] == list(range(1, STAGED_VERSION + 1))
    assert [event["type"] for event in events] == [
        "AccountOpened",
        "CreditsGranted",
        "CreditsGranted",
        "CreditsDeducted",
        "CreditsHeld",
        "PaymentRecorded",
        "CreditsGranted",
        "LimitsSet",
    ]
    assert {event["account_id"] for event in events} == {account}
    assert sorted(event["position"] for event in events) == [event["position"] for event in events]
    for path in (f"/v1/accounts/{fresh('nobody')}/events", f"/v1/accounts/{fresh('nobody')}/events?after_version=3"):
        refused(service.client.get(path), 404, "account_not_found")


def test_the_log_has_all_events_by_position_without_a_hole(service: Service) -> None:
    account = staged(service)
    events = followed(service, "/v1/events", "after", limit=997)
    assert [event["position"] for event in events] == list(range(1, len(events) + 1))
    stream = followed(service, f"/v1/accounts/{account}/events", "after_version", limit=100)
    assert [event for event in events if event["account_id"] == account] == stream


def test_the_log_can_be_asked_for_some_types(service: Service) -> None:
    account = staged(service)
    begin = service.get(f"/v1/accounts/{account}/events", limit=1).json()["events"][0]["position"]
    page = service.get("/v1/events", after=begin - 1, limit=1000, types="CreditsHeld, PaymentRecorded").json()
    assert [event["version"] for event in page["events"] if event["account_id"] == account] == [5, 6]
    assert list(field_errors(service.get("/v1/events", types="CreditsHeld,CreditsLost"))) == ["types"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=ten", "limit"),
        ("after=-1", "after"),
        ("after=1.5", "after"),
        ("after=9007199254740992", "after"),
        ("aftr=1", "aftr"),
    ],
)
def test_a_page_that_cannot_be_is_refused(service: Service, query: str, field: str) -> None:
    error = field_errors(service.client.get(f"/v1/events?{query}"))
    assert list(error) == [field]
    if field != "aftr":
        assert list(
            field_errors(service.client.get(f"/v1/accounts/x/events?{query.replace('after', 'after_version')}"))
        )


def test_alive_ready_and_measured(service: Service) -> None:
    assert service.get("/healthz").json() == {"status": "ok"}
    assert service.get("/readyz").json()["status"] == "ok"
    text = service.get("/metrics").text
    assert 'credit_ledger_commands_total{operation="open",status="201"}' in text
