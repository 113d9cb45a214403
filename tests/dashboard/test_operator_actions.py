"""The actions of operators: with a reason, after a preview, once, and with the operator as actor."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx

from people.api_keys import create_key
from tests.api.stage import eventually
from tests.dashboard.acting import done, fields_of, filled_in, newest_event, path_of, sent
from tests.dashboard.guests import ROOT, operator, person
from tests.dashboard.histories import visible
from tests.service import Service

HOSTILE = '<script>alert(1)</script> \u202eesrever & "quoted" 🪙 ' + "W" * 200
FORMS = [
    ("grant",),
    ("deduct",),
    ("update",),
    ("freeze",),
    ("unfreeze",),
    ("limit",),
    ("limits", "daily", "allowance"),
    ("limits", "daily", "remove"),
    ("reopen",),
    ("transfer",),
    ("merge",),
    ("grants", "grt_2", "void"),
    ("grants", "grt_2", "change_expiry"),
    ("grants",),
]


def versions(service: Service, account: str) -> int:
    version: int = service.get(f"/v1/accounts/{account}/balance").json()["version"]
    return version


def total(service: Service, account: str) -> int:
    credits: int = service.get(f"/v1/accounts/{account}/balance").json()["total"]
    return credits


# Each action, from the form to the event ----------------------------------------------------------------------------


def test_a_grant_is_previewed_and_then_done(service: Service) -> None:
    account = service.open_account(permanent=1_000)
    client = operator(service)
    path = path_of(account, "grant")
    ahead = filled_in(client, path, amount="2500", kind="subscription", reason="Sorry for the outage")
    assert ahead.status_code == 200
    assert "this is recorded as version 3" in ahead.text
    for words in (">1,000<", "+2,500", ">3,500<", "Sorry for the outage", "key:admin"):
        assert words in ahead.text
    assert versions(service, account) == 2, "a preview records nothing"
    page = sent(client, path, ahead, "confirm")
    assert (page.status_code, page.url.path) == (200, path_of(account))
    assert page.url.query == b"done=3"
    assert "<strong>Done.</strong> 2,500 subscription credits were granted as grt_3 (adjustment)" in page.text
    assert "Sorry for the outage" in page.text, "the page knows of it already"
    event = newest_event(service, account)
    assert (event["type"], event["data"]["description"]) == ("CreditsGranted", "Sorry for the outage")
    assert event["metadata"]["actor"] == "key:admin"
    assert event["metadata"]["operation"] == "grant"


def test_a_transfer_shows_both_accounts_and_is_done_once(service: Service) -> None:
    account, other = service.open_account(permanent=1_000), service.open_account(permanent=5)
    client = operator(service)
    path = path_of(account, "transfer")
    ahead = filled_in(client, path, to_account_id=other, amount="400", reason="A team of their own")
    assert ahead.status_code == 200
    for words in ("400 credits were sent to account", other, ">1,000<", ">600<", ">405<", "A team of their own"):
        assert words in ahead.text
    assert (versions(service, account), versions(service, other)) == (2, 2), "a preview records nothing"
    page = sent(client, path, ahead, "confirm")
    assert (page.status_code, page.url.path) == (200, path_of(account))
    assert sent(client, path, ahead, "confirm").status_code == 200, "it is the same transfer"
    assert (total(service, account), total(service, other)) == (600, 405)
    event = newest_event(service, other)
    assert (event["type"], event["data"]["description"]) == ("CreditsReceived", "A team of their own")
    assert event["metadata"]["actor"] == "key:admin"
    events = client.get(path_of(other, "events")).text
    assert f'href="{path_of(account, "events")}?version=3#v3"' in events


def test_a_transfer_that_is_refused_says_why(service: Service) -> None:
    account, other = service.open_account(permanent=10), service.open_account()
    client = operator(service)
    path = path_of(account, "transfer")
    assert "Enter the id of the account." in filled_in(client, path, amount="1", reason="why").text
    assert "only 10 are available" in filled_in(client, path, to_account_id=other, amount="11", reason="why").text
    assert "There is no account" in filled_in(client, path, to_account_id="nobody", amount="1", reason="why").text
    assert "another account" in filled_in(client, path, to_account_id=account, amount="1", reason="why").text


def test_a_merged_account_links_to_its_successor(service: Service) -> None:
    account, other = service.open_account(permanent=10, subscription=300), service.open_account()
    client = operator(service)
    path = path_of(account, "merge")
    ahead = filled_in(client, path, successor=other, reason="A new name")
    assert "It was merged into" in ahead.text
    own, _, theirs = ahead.text.partition("The other account")
    assert "−310" in own, "all that the merge moves, not its last event"
    assert "+310" in theirs
    page = sent(client, path, ahead, "confirm")
    assert f'It was merged into <a class="breaks" href="{path_of(other)}">' in page.text
    assert "Buy more credits" not in page.text, "a closed account cannot use them"
    assert f"to {other}" in page.text, "the entry says where the credits went"
    assert f"merged into <bdi>{other}</bdi>" in client.get(f"{ROOT}/accounts", params={"prefix": account}).text
    assert total(service, other) == 310


def test_a_grant_expires_when_its_operator_says_in_the_zone_of_the_form(service: Service) -> None:
    account = service.open_account()
    client = operator(service)
    client.cookies.set("credit_ledger_zone", "Asia/Tokyo", path=ROOT)
    path = path_of(account, "grant")
    form = client.get(path)
    assert "(Asia/Tokyo)" in form.text
    client.cookies.set("credit_ledger_zone", "America/New_York", path=ROOT)  # the form keeps what it said
    day = (datetime.now(UTC) + timedelta(days=40)).date()
    typed = {"amount": "5", "kind": "subscription", "expires_at": f"{day}T12:00", "reason": "a week more"}
    sent(client, path, sent(client, path, form, "preview", **typed), "confirm")
    assert newest_event(service, account)["data"]["expires_at"] == f"{day}T03:00:00Z"


def test_a_deduction_says_what_it_would_draw(service: Service) -> None:
    account = service.open_account(subscription=300, permanent=200)
    client = operator(service)
    ahead = filled_in(client, path_of(account, "deduct"), amount="350", reason="Double payout")
    assert "before grt_2: subscription before permanent" in ahead.text
    page = sent(client, path_of(account, "deduct"), ahead, "confirm")
    assert "350 credits were deducted as ded_4" in page.text
    assert total(service, account) == 150


def test_a_grant_is_voided_from_the_list_of_those_that_are_open(service: Service) -> None:
    account = service.open_account(subscription=300, permanent=200)
    client = operator(service)
    visible(service, account, newest_event(service, account)["position"])
    listed = client.get(path_of(account, "grants"))
    path = path_of(account, "grants", "grt_3", "void")
    assert f'href="{path}"' in listed.text
    page = done(client, path, amount="100", reason="Chargeback")
    assert "100 credits of grant grt_3 were voided" in page.text
    page = done(client, path, reason="All of it")
    assert "200 credits of grant grt_3 were voided. The grant is closed" in page.text
    event = newest_event(service, account)
    assert (event["data"]["reason"], event["data"]["closed"]) == ("All of it", True)
    assert "grt_3" not in client.get(path_of(account, "grants")).text


def test_the_expiry_of_a_grant_is_changed_and_what_expired_is_reinstated(service: Service) -> None:
    account = service.open_account()
    client = operator(service)
    soon = datetime.now(UTC) + timedelta(seconds=2)
    grant = {"kind": "subscription", "amount": 300, "expires_at": soon.isoformat()}
    granted = service.post(f"/v1/accounts/{account}/grants", grant, key="g")
    visible(service, account, granted.json()["position"])
    path = path_of(account, "grants", "grt_2", "change_expiry")
    assert f'href="{path}"' in client.get(path_of(account, "grants")).text
    assert "Enter a date and a time" in filled_in(client, path, reason="Too short").text
    until = (datetime.now(UTC) + timedelta(days=9)).date()
    typed = {"expires_at": f"{until}T12:00", "reason": "Too short"}
    eventually(lambda: total(service, account) == 0)
    assert "Choose to reinstate" in filled_in(client, path, **typed).text
    listed = client.get(f"{path_of(account, 'grants')}?status=expired")
    assert f'href="{path}"' in listed.text
    page = done(client, path, reinstate="true", **typed)
    assert "300 subscription credits were reinstated" in page.text
    assert newest_event(service, account)["data"]["reason"] == "Too short"
    assert total(service, account) == 300


def test_an_account_is_frozen_and_unfrozen(service: Service) -> None:
    account = service.open_account(permanent=100)
    client = operator(service)
    freeze, unfreeze = path_of(account, "freeze"), path_of(account, "unfreeze")
    assert client.get(unfreeze).url.path == freeze, "what is so already is not offered"
    page = done(client, freeze, reason="Looks like fraud")
    assert "The account was frozen" in page.text
    assert "This account is frozen" in page.text
    assert f'href="{unfreeze}"' in page.text
    assert newest_event(service, account)["data"]["reason"] == "Looks like fraud"
    refused = filled_in(client, path_of(account, "deduct"), amount="10", reason="test")
    assert refused.status_code == 409
    assert "The account is frozen." in refused.text
    assert client.get(freeze).url.path == unfreeze
    assert "The account was unfrozen" in done(client, unfreeze, reason="It was not").text
    assert f'href="{freeze}"' in client.get(path_of(account)).text


def test_a_closed_account_is_reopened(service: Service) -> None:
    account = service.open_account(permanent=100)
    assert service.post(f"/v1/accounts/{account}/close", {}, key="c").status_code == 201
    client = operator(service)
    reopen = path_of(account, "reopen")
    page = client.get(path_of(account))
    assert "This account is closed" in page.text
    assert f'href="{reopen}"' in page.text
    assert f'href="{path_of(account, "grant")}"' not in page.text
    refused = filled_in(client, path_of(account, "deduct"), amount="10", reason="test")
    assert "Reopen the account first" in refused.text
    assert "The account was reopened" in done(client, reopen, reason="She came back").text
    assert newest_event(service, account)["data"]["reason"] == "She came back"
    assert total(service, account) == 100


def test_an_account_is_edited_and_what_is_left_as_it_is_stays(service: Service) -> None:
    account = service.open_account()
    path, form = f"/v1/accounts/{account}", path_of(account, "update")
    said = {"description": "A team\nof two", "metadata": {"crm": "é 7"}, "labels": {"plan": "free", "region": "eu"}}
    assert service.post(path, said, key="first").status_code == 201
    client = operator(service)
    shown = fields_of(client.get(form))
    assert (shown["description"], shown["metadata"]) == ("A team\nof two", '{"crm":"é 7"}')
    assert shown["labels"] == "plan=free\nregion=eu"
    ahead = filled_in(client, form, labels="plan=pro\r\n\r\nteam = a b=c ", reason="upgraded")
    sentence = "label plan is pro; label team is a b=c; no label region."
    assert f"The account was updated: {sentence}" in ahead.text
    page = sent(client, form, ahead, "confirm")
    assert "<strong>Done.</strong> The account was updated" in page.text
    data = newest_event(service, account)["data"]
    assert data.keys() == {"balance", "labels", "reason"}
    done(client, form, description="", metadata="", reason="tidied")
    found = service.get(path).json()
    assert (found["description"], found["metadata"]) == (None, None)
    assert found["labels"] == {"plan": "pro", "team": "a b=c"}
    before = versions(service, account)
    for typed, error in (
        ({"metadata": "[]"}, "Enter a JSON object, or nothing."),
        ({"labels": "plan"}, "Enter one label on each line"),
        ({"labels": "a=b\na=c"}, "The label a is there twice."),
        ({"labels": "a/b=c"}, "This is no label: labels must have names of 1 to 40 letters"),
        ({}, "Change the description, the labels or the metadata."),
    ):
        refused = filled_in(client, form, reason="wrong", **typed)
        assert refused.status_code == 422
        assert error in refused.text, typed
    assert versions(service, account) == before


# Once ---------------------------------------------------------------------------------------------------------------


def test_a_double_click_does_it_once(service: Service) -> None:
    account = service.open_account(permanent=100)
    client = operator(service)
    path = path_of(account, "deduct")
    ahead = filled_in(client, path, amount="30", reason="once")
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda _: sent(client, path, ahead, "confirm"), range(2))
    assert first.url == second.url
    assert total(service, account) == 70
    again = sent(client, path, ahead, "preview")
    assert again.url == first.url, "a preview of what was done tells that it was"


def test_a_form_that_was_done_cannot_be_sent_with_other_values(service: Service) -> None:
    account = service.open_account(permanent=100)
    client = operator(service)
    path = path_of(account, "deduct")
    ahead = filled_in(client, path, amount="30", reason="once")
    sent(client, path, ahead, "confirm")
    other = sent(client, path, ahead, "confirm", amount="31")
    assert other.status_code == 422
    assert "This form was used already" in other.text
    assert total(service, account) == 70
    assert fields_of(client.get(path))["key"] != fields_of(other)["key"]


def test_a_notice_tells_only_what_this_operator_did(service: Service) -> None:
    account = service.open_account(permanent=100)
    other = operator(service, create_key(service.conninfo, "another", ["admin"]))
    client = operator(service)
    url = done(client, path_of(account, "grant"), amount="5", reason="mine").url
    assert "<strong>Done.</strong>" in client.get(url).text
    for stranger in (other, person(service, account)):
        assert "<strong>Done.</strong>" not in stranger.get(url).text
    for text in ("99", "0", "-1", "x", "9" * 40, "<b>"):
        page = client.get(path_of(account), params={"done": text})
        assert page.status_code == 200
        assert "<strong>Done.</strong>" not in page.text


# What cannot be done ------------------------------------------------------------------------------------------------


def test_what_was_typed_stays_when_a_form_is_refused(service: Service) -> None:
    account = service.open_account(permanent=100)
    client = operator(service)
    path = path_of(account, "deduct")
    refused = filled_in(client, path, amount="101", reason=HOSTILE)
    assert refused.status_code == 402
    assert "You asked for 101 credits, but only 100 are available." in refused.text
    fields = fields_of(refused)
    assert (fields["amount"], fields["reason"]) == ("101", HOSTILE)
    assert "<script>alert" not in refused.text
    ahead = sent(client, path, refused, "preview", amount="100")
    back = sent(client, path, ahead, "change")
    assert fields_of(back)["reason"] == HOSTILE
    page = sent(client, path, ahead, "confirm")
    assert page.url.path == path_of(account)
    assert newest_event(service, account)["data"]["description"] == HOSTILE


WRONG: list[tuple[dict[str, str], str]] = [
    ({"amount": "5"}, "Enter a reason"),
    ({"amount": "5", "reason": "  "}, "Enter a reason"),
    ({"amount": "5", "reason": "x" * 501}, "A reason has at most 500 characters; this one has 501."),
    ({"amount": "5", "reason": "a\x07bell"}, "This "),
    ({"reason": "r"}, "Enter the number of credits."),
    ({"amount": "1,000", "reason": "r"}, "without separators"),
    ({"amount": "1.5", "reason": "r"}, "without separators"),
    ({"amount": "-5", "reason": "r"}, "without separators"),
    ({"amount": "0", "reason": "r"}, "from 1 to 9,007,199,254,740,991"),
    ({"amount": "٣", "reason": "r"}, "without separators"),
    ({"amount": "5", "reason": "r", "kind": "magic"}, "This "),
    ({"amount": "5", "reason": "r", "kind": "subscription", "expires_at": "soon"}, "Enter a date and a time"),
    ({"amount": "5", "reason": "r", "kind": "subscription", "expires_at": "2020-01-01T00:00"}, "in the future"),
    ({"amount": "5", "reason": "r", "kind": "permanent", "expires_at": "2099-01-01T00:00"}, "This "),
]  # fmt: skip


def test_a_form_says_by_field_what_is_wrong(service: Service) -> None:
    account = service.open_account(permanent=10)
    client = operator(service)
    path = path_of(account, "grant")
    form = client.get(path)
    for typed, said in WRONG:
        page = sent(client, path, form, "preview", **typed)
        assert page.status_code == 422
        assert 'class="error"' in page.text
        assert said in page.text
    assert versions(service, account) == 2


def test_lines_of_a_reason_are_kept(service: Service) -> None:
    account = service.open_account(permanent=10)
    done(operator(service), path_of(account, "grant"), amount="1", reason="one\r\ntwo")
    assert newest_event(service, account)["data"]["description"] == "one\ntwo"


def test_what_is_not_there_is_said(service: Service) -> None:
    account = service.open_account(permanent=10)
    client = operator(service)
    assert client.get(path_of("nobody-there", "grant")).status_code == 404
    page = filled_in(client, path_of(account, "grants", "grt_99", "void"), reason="r")
    assert page.status_code == 404
    assert "There is no such grant." in page.text
    for key in ("", "ünicode", "k" * 256):
        page = filled_in(client, path_of(account, "grant"), amount="1", reason="r", key=key)
        assert page.status_code == 422
        assert "The form has an error" in page.text


# Who may ------------------------------------------------------------------------------------------------------------


def _refused(client: httpx.Client, account: str, status: int) -> None:
    for below in FORMS:
        path = path_of(account, *below)
        assert client.get(path).status_code == status, path
        if below != ("grants",):
            assert client.post(path, data={"step": "confirm", "amount": "1", "reason": "r"}).status_code == status


def test_who_may_only_look_is_shown_no_buttons_and_told_so(service: Service) -> None:
    account = service.open_account(permanent=10)
    client = operator(service, create_key(service.conninfo, "looks", ["ledger:read"]))
    page = client.get(path_of(account))
    assert page.status_code == 200
    assert 'class="acts' not in page.text
    _refused(client, account, 403)
    assert versions(service, account) == 2


def test_to_a_person_there_are_no_such_pages(service: Service) -> None:
    account = service.open_account(permanent=10)
    client = person(service, account)
    assert 'class="acts' not in client.get(path_of(account)).text
    _refused(client, account, 404)


def test_a_form_without_its_token_does_nothing(service: Service) -> None:
    account = service.open_account(permanent=10)
    client = operator(service)
    path = path_of(account, "grant")
    ahead = filled_in(client, path, amount="5", reason="r")
    assert sent(client, path, ahead, "confirm", csrf="0" * 64).status_code == 403
    assert versions(service, account) == 2


def test_refusals_are_counted_as_those_of_the_api(service: Service) -> None:
    account = service.open_account(permanent=10)
    client = operator(service)
    path = path_of(account, "deduct")
    ahead = filled_in(client, path, amount="10", reason="r")
    service.post(f"/v1/accounts/{account}/deductions", {"amount": 5, "task_id": "meanwhile"})
    counted = 'credit_ledger_commands_total{operation="deduct",status="402"}'
    before = _counted(service, counted)
    assert sent(client, path, ahead, "confirm").status_code == 402
    assert _counted(service, counted) == before + 1


def _counted(service: Service, name: str) -> float:
    lines = service.get("/metrics").text.splitlines()
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


def test_hostile_ids_are_text(service: Service) -> None:
    account = '<img src=x onerror="alert(1)">\u202eoof'
    assert service.post("/v1/accounts", {"account_id": account, "signup_credits": 7}).status_code == 201
    client = operator(service)
    for below in ((), ("grant",), ("freeze",), ("grants",), ("events",)):
        page = client.get(path_of(account, *below))
        assert page.status_code == 200
        assert "<img" not in page.text
    assert "5 permanent credits were granted" in done(client, path_of(account, "grant"), amount="5", reason="r").text
