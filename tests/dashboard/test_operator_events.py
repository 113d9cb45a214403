"""The events page of operators: its explanations are those of the API."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape

import psycopg

from api.dashboard.pages.events import PAGE
from tests.dashboard.acting import path_of
from tests.dashboard.guests import operator, person
from tests.dashboard.histories import projected
from tests.postgres import owner, tampering
from tests.service import Service

HOSTILE = "<script>alert(1)</script>\u202etxet " + "W" * 300


def eventful(service: Service) -> str:
    """An account with every kind of event that has an explanation."""
    account = service.open_account(subscription=300, permanent=200)
    at = f"/v1/accounts/{account}"
    bought = {"kind": "permanent", "amount": 50}
    payment = {"payment_id": "p1", "provider": "stripe", "status": "paid", "amount_minor": 100, "currency": "EUR"}
    held = service.post(f"{at}/holds", {"amount": 40, "task_id": "job"}, key="h").json()["hold_id"]
    service.post(f"{at}/holds/{held}/captures", {"amount": 15}, key="c")
    spent = {
        "amount": 320,
        "task_id": "big",
        "description": HOSTILE,
        "usage": {"model": "m"},
        "metadata": {"a": HOSTILE},
    }
    deduction = service.post(f"{at}/deductions", spent).json()["deduction_id"]
    service.post(f"{at}/deductions/{deduction}/reversals", {"amount": 100, "reason": "bad"}, key="r")
    service.post(f"{at}/payments", payment | {"grant": bought})
    service.post(f"{at}/payments/p1/refunds", {"refund_id": "f1"})
    service.post(f"{at}/freeze", {"reason": HOSTILE}, key="z")
    return account


def parts(text: str) -> dict[int, str]:
    """The events of a page, by version."""
    found = re.findall(r'<li id="v(\d+)">(.*?)</li>', text, re.DOTALL)
    return {int(version): unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", part))) for version, part in found}


def test_a_page_says_of_each_event_what_the_api_explains(service: Service) -> None:
    account = eventful(service)
    page = operator(service).get(path_of(account, "events"))
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    shown = parts(page.text)
    newest = service.get(f"/v1/accounts/{account}/balance").json()["version"]
    assert list(shown) == list(range(newest, 0, -1))
    for version, text in shown.items():
        told = service.get(f"/v1/accounts/{account}/explain", version=version).json()
        stored = service.get(f"/v1/accounts/{account}/events", after_version=version - 1, limit=1).json()["events"][0]
        said = [told["type"], told["sentence"], *told["why"], "sound"]
        said += [part["grant_id"] for part in told["draws"] + told["passed_over"] + told["returns"]]
        said += [part["why"] for part in told["draws"] + told["passed_over"]]
        said += [f"{told[f'balance_{when}']['total']:,}" for when in ("before", "after")]
        said += [stored["metadata"][name] for name in ("actor", "operation", "idempotency_key", "request_id")]
        said += [stored["data"][name] for name in ("description", "reason") if name in stored["data"]]
        for words in said:
            assert re.sub(r"\s+", " ", words) in text, (version, words)


def test_pages_are_by_version(service: Service) -> None:
    account = service.open_account(permanent=1_000)
    commands = [{"op": "deduct", "account_id": account, "amount": 1, "task_id": f"t{n}"} for n in range(58)]
    service.post("/v1/batch", {"commands": commands})
    client = operator(service)
    path = path_of(account, "events")
    first = client.get(path)
    assert list(parts(first.text)) == list(range(60, 60 - PAGE, -1))
    assert "Newer" not in first.text
    assert f'href="{path}?version={60 - PAGE}"' in first.text
    second = client.get(path, params={"version": 60 - PAGE})
    assert list(parts(second.text)) == list(range(60 - PAGE, 60 - 2 * PAGE, -1))
    assert f'href="{path}?version=60"' in second.text
    last = client.get(path, params={"version": 10})
    assert list(parts(last.text)) == list(range(10, 0, -1))
    assert "Older" not in last.text
    for wrong in ("0", "61", "x", "-3", "9" * 30):
        page = client.get(path, params={"version": wrong})
        assert (page.status_code, "they go from 1 to 60" in page.text) == (200, True)


def test_what_is_not_sound_is_open_and_says_why(service: Service) -> None:
    account = spender(service)
    with changed(service, account, '"amount":10', '"amount":9'):
        page = operator(service).get(path_of(account, "events"))
    assert page.status_code == 200
    assert "This event breaks a rule: the draws add up to 9, but the event records 10 credits." in parts(page.text)[4]
    assert "breaks a rule" in parts(page.text)[4]
    assert page.text.count("<details open") == 1


def test_what_cannot_be_gone_on_from_is_shown_all_the_same(service: Service) -> None:
    account = spender(service)
    with changed(service, account, '"draws"', '"drawn"'):
        page = operator(service).get(path_of(account, "events"))
    assert page.status_code == 200
    assert "Not all of these events can be explained" in page.text
    shown = parts(page.text)
    assert "not explained" not in shown[3]
    assert "not explained" in shown[4]
    assert "not explained" in shown[5]
    assert "key:admin" in shown[5]


def spender(service: Service) -> str:
    """An account of five events, the last three of them deductions of 10."""
    account = service.open_account(permanent=100)
    for n in range(3):
        service.post(f"/v1/accounts/{account}/deductions", {"amount": 10, "task_id": f"t{n}"})
    return account


@contextmanager
def changed(service: Service, account: str, old: str, new: str) -> Iterator[None]:
    """Until the block ends, version 4 is replaced in the database, as its owner could do; the last match counts."""
    projected(service, service.get(f"/v1/accounts/{account}/balance").json()["position"])
    where = "WHERE originator_id = %s AND originator_version = 4"
    with tampering(service.conninfo) as connection:
        row = connection.execute(f"SELECT state FROM ledger.events {where}", (account,)).fetchone()
        assert row is not None
        head, found, rest = bytes(row[0]).decode().rpartition(old)
        assert found
        change = f"UPDATE ledger.events SET state = %s {where}"
        connection.execute(change, ((head + new + rest).encode(), account))
        connection.commit()
        try:
            yield
        finally:
            connection.execute(change, (row[0], account))


def test_texts_that_were_erased_say_so(service: Service) -> None:
    account = service.open_account(permanent=100)
    service.post(f"/v1/accounts/{account}/deductions", {"amount": 1, "task_id": "t", "description": "personal"})
    client = operator(service)
    assert "personal" in client.get(path_of(account, "events")).text
    with psycopg.connect(owner(service.conninfo)) as connection:
        connection.execute("DELETE FROM ledger.text_keys WHERE account_id = %s", (account,))
    page = client.get(path_of(account, "events"))
    assert "personal" not in page.text
    assert "description: the key of this text was destroyed" in parts(page.text)[3]


def test_events_are_for_operators(service: Service) -> None:
    account = service.open_account(permanent=100)
    assert person(service, account).get(path_of(account, "events")).status_code == 404
    assert operator(service).get(path_of("nobody-there", "events")).status_code == 404
