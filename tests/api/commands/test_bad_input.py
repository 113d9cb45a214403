"""What callers should not send: a clear problem comes back, nothing is recorded, and the service is unharmed.

The last two are checked after every test of this file.
"""

import json
from itertools import product
from typing import Any

import pytest

from api.contract.bodies import UsageBody
from api.contract.operations import OPERATIONS as COMMANDS
from ledger.domain.usage import DIMENSIONS
from tests.api.stage import OPERATIONS, PATHS, Ask, Json, asks, field_errors, fresh, refused
from tests.service import Service

LARGEST = 2**53 - 1
JSON_TYPE = {"Content-Type": "application/json"}

pytestmark = pytest.mark.usefixtures("unharmed")


def places(account: str) -> list[str]:
    """A hot route, a route of the framework, the batch."""
    return [f"/v1/accounts/{account}/deductions", f"/v1/accounts/{account}/grants", "/v1/batch"]


def changed(ask: Ask, field: str, value: Any) -> Ask:
    """With another value at a dotted place of its body."""
    name, _, rest = field.partition(".")
    if not rest:
        return ask.but(**{name: value})
    return ask.but(**{name: {**ask.body.get(name, {}), rest: value}})


# Not JSON ---------------------------------------------------------------------------------------------------------

NOT_JSON = {
    "unfinished": b'{"amount": 1',
    "unfinished text": b'{"amount": 1, "description": "',
    "comma at the end": b'{"amount": 1,}',
    "single quotes": b"{'amount': 1}",
    "no quotes": b"{amount: 1}",
    "comment": b'{"amount": 1 /* one */}',
    "two values": b'{"amount": 1}{"amount": 1}',
    "leading zero": b'{"amount": 01}',
    "hexadecimal": b'{"amount": 0x1}',
    "NaN in lower case": b'{"amount": nan}',
    "Infinity with a plus": b'{"amount": +Infinity}',
    "a form": b"amount=1",
    "white space alone": b"   ",
    "a NUL": b"\0",
    "a byte order mark": b'\xef\xbb\xbf{"amount": 1}',
    "UTF-16": '{"amount": 1}'.encode("utf-16"),
    "invalid UTF-8": b'{"amount": 1, "description": "\xff"}',
    "overlong UTF-8": b'{"amount": 1, "description": "\xc0\x80"}',
    "half a surrogate pair": b'{"amount": 1, "description": "\\ud800"}',
    "half a surrogate pair in UTF-8": b'{"amount": 1, "description": "\xed\xa0\x80"}',
    "a line end within a text": b'{"amount": 1, "description": "a\nb"}',
    "unknown escape": b'{"amount": 1, "description": "\\x41"}',
    "deep lists": b"[" * 30_000,
    "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
}


@pytest.mark.parametrize("case", NOT_JSON)
def test_what_is_not_json_is_malformed(service: Service, account: str, case: str) -> None:
    for place in places(account):
        headers = {"Idempotency-Key": "k", **JSON_TYPE}
        refused(service.client.post(place, content=NOT_JSON[case], headers=headers), 400, "malformed_json")


@pytest.mark.parametrize("value", [[], [{"amount": 1}], 1, 1.5, "text", True, None])
def test_a_body_that_is_no_object_is_refused(service: Service, account: str, value: Any) -> None:
    for place in places(account):
        headers = {"Idempotency-Key": "k", **JSON_TYPE}
        response = service.client.post(place, content=json.dumps(value), headers=headers)
        assert list(field_errors(response)) == ["body"]


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/json",
        "application/xml",
        "application/jsonx",
        "json",
        "*/*",
        "",
        ";",
        "image/png",
        "application/octet-stream",
    ],
)
def test_another_media_type_is_refused(service: Service, account: str, content_type: str) -> None:
    for place in places(account):
        headers = {"Idempotency-Key": "k", "Content-Type": content_type}
        response = service.client.post(place, content=b'{"amount": 1000}', headers=headers)
        refused(response, 415, "unsupported_media_type", allowed="application/json")


# Numbers ----------------------------------------------------------------------------------------------------------

NUMBERS = [  # operation, field, the least and the largest value
    ("open", "signup_credits", 0, LARGEST),
    ("grant", "amount", 1, LARGEST),
    ("deduct", "amount", 1, LARGEST),
    ("deduct", "usage.input_tokens", 0, LARGEST),
    ("deduct", "usage.output_tokens", 0, LARGEST),
    ("deduct", "usage.quantity", 0, LARGEST),
    ("deduct", "usage.duration_ms", 0, LARGEST),
    ("reverse", "amount", 1, LARGEST),
    ("hold", "amount", 1, LARGEST),
    ("hold", "expires_in_seconds", 1, 604_800),
    ("capture", "amount", 1, LARGEST),
    ("capture", "usage.input_tokens", 0, LARGEST),
    ("capture", "usage.quantity", 0, LARGEST),
    ("extend", "expires_in_seconds", 1, 604_800),
    ("void", "amount", 1, LARGEST),
    ("payment", "amount_minor", 0, LARGEST),
    ("payment", "grant.amount", 1, LARGEST),
    ("payment_refund", "amount_minor", 1, LARGEST),
    ("payment_dispute", "amount_minor", 1, LARGEST),
    ("subscription", "quantity", 1, 10_000),
    ("subscription", "terms.plan_version", 1, LARGEST),
    ("subscription", "terms.credits", 0, 10**11),
]
NO_INTEGERS = [1.0, 1.5, -0.5, 1e300, True, False, "1", "", "one", [], [1], {}, {"amount": 1}]


@pytest.mark.parametrize(("operation", "field", "least", "largest"), NUMBERS)
def test_a_number_that_is_no_integer_or_out_of_range_is_refused_by_name(
    service: Service, account: str, operation: str, field: str, least: int, largest: int
) -> None:
    ask = asks(account)[operation]
    for value in NO_INTEGERS:
        error = field_errors(changed(ask, field, value).post(service, "k"))
        assert list(error) == [field], value
    for value in (least - 1, -LARGEST, -(2**63), -(10**30), -(10**300)):
        error = field_errors(changed(ask, field, value).post(service, "k"))
        assert list(error) == [field], value
    for value in (largest + 1, 2**63, 2**64, 10**30, 10**300):
        error = field_errors(changed(ask, field, value).post(service, "k"))
        assert list(error) == [field], value
    below, above = (field_errors(changed(ask, field, value).post(service, "k")) for value in (least - 1, largest + 1))
    assert (below[field]["value"], below[field]["limits"]) == (least - 1, {"ge": least})
    assert (above[field]["value"], above[field]["limits"]) == (largest + 1, {"le": largest})


@pytest.mark.parametrize("text", ["1e400", "-1e400", "1E2", "1.0", "9" * 5000, "1" + "0" * 400 + ".5", "-0.0"])
def test_numbers_that_json_allows_and_an_amount_does_not(service: Service, account: str, text: str) -> None:
    for place in places(account)[:2]:
        body = f'{{"kind": "permanent", "amount": {text}}}'.encode()
        response = service.client.post(place, content=body, headers={"Idempotency-Key": "k", **JSON_TYPE})
        assert "amount" in field_errors(response)


@pytest.mark.parametrize(
    "at",
    [
        4102444800,
        4102444800.5,
        "4102444800",
        "2099-01-01",
        "2099-01-01T00:00:00",
        "tomorrow",
        "",
        True,
        [],
        {},
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2099-02-30T00:00:00Z",
        "2020-01-01T00:00:00Z",
    ],
)
def test_an_expiry_that_is_no_time_to_come_is_refused(service: Service, account: str, at: Any) -> None:
    ask = asks(account)["grant"].but(kind="subscription", expires_at=at)
    assert list(field_errors(ask.post(service, "k"))) == ["expires_at"]
    bought = changed(changed(asks(account)["payment"], "grant.kind", "subscription"), "grant.expires_at", at)
    assert [name.rpartition(".")[2] for name in field_errors(bought.post(service))] == ["expires_at"]


def test_permanent_credits_never_expire(service: Service, account: str) -> None:
    ask = asks(account)["grant"].but(expires_at="2099-01-01T00:00:00Z")
    assert list(field_errors(ask.post(service, "k"))) == ["expires_at"]


# Fields -----------------------------------------------------------------------------------------------------------

REQUIRED = {
    "open": ["account_id"],
    "grant": ["amount", "kind"],
    "deduct": ["amount"],
    "hold": ["amount"],
    "extend": ["expires_in_seconds"],
    "payment": ["amount_minor", "currency", "payment_id", "provider", "status"],
    "payment_refund": ["refund_id"],
    "payment_dispute": ["dispute_id", "state"],
    "subscription": ["as_of", "provider", "status", "terms"],
}
WORDS = [
    ("grant", "kind"),
    ("grant", "source"),
    ("capture", "on_excess"),
    ("payment", "status"),
    ("payment_dispute", "state"),
    ("subscription", "status"),
    ("payment", "currency"),
    ("payment", "grant.kind"),
]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_unknown_fields_are_refused_by_name(service: Service, account: str, operation: str) -> None:
    ask = asks(account)[operation]
    allowed = len(COMMANDS[operation].body.model_fields)
    for more in ({"colour": "red"}, {"colour": "red", "Amount": 1}):
        error = field_errors(ask.but(**more).post(service, "k"))
        found = {name: error[name]["message"] for name in error}
        if len(ask.body) + len(more) <= allowed:
            assert found == dict.fromkeys(more, "is not a field of this request")
        else:  # counted, not listed
            assert list(found) == ["body"]
            assert found["body"].startswith(f"has {len(ask.body) + len(more)} fields and may have at most {allowed}")
    for name in ("usage", "grant"):
        if name in ask.body:
            assert list(field_errors(changed(ask, f"{name}.colour", 1).post(service, "k"))) == [f"{name}.colour"]


def test_unknown_fields_of_usage_are_refused_by_name(service: Service, account: str) -> None:
    for name in ("deduct", "capture"):
        error = field_errors(changed(asks(account)[name], "usage.colour", 1).post(service, "k"))
        assert list(error) == ["usage.colour"]


@pytest.mark.parametrize("operation", REQUIRED)
def test_all_that_is_missing_is_named(service: Service, account: str, operation: str) -> None:
    ask = asks(account)[operation]
    bare = Ask(operation, account, {}, ask.ids)
    assert sorted(field_errors(bare.post(service, "k"))) == REQUIRED[operation]
    for name in REQUIRED[operation]:
        assert list(field_errors(ask.but(**{name: None}).post(service, "k"))) == [name]


@pytest.mark.parametrize(("operation", "field"), WORDS)
def test_words_that_are_none_of_ours_are_refused(service: Service, account: str, operation: str, field: str) -> None:
    for value in ("", "Permanent", "usd", "dollars", "paid ", "all", 1, True, ["paid"], "US\n"):
        assert list(field_errors(changed(asks(account)[operation], field, value).post(service, "k"))) == [field]


def test_a_blank_name_in_usage_is_refused_as_such(service: Service, account: str) -> None:
    """It would be a member, a model or a key that nobody finds. Spaces within a name, or around it, are its own."""
    spaces = " ", "\u00a0 \u2003", "\u3000" * 128
    for operation in ("deduct", "capture", "meter"):
        for name, value in product(DIMENSIONS, spaces):
            error = field_errors(changed(asks(account)[operation], f"usage.{name}", value).post(service, "k"))
            assert {field: one["message"] for field, one in error.items()} == {f"usage.{name}": "must not be blank"}
    for path, body in (
        ("/v1/keys", {"account_id": account, "name": "x", "member": " "}),
        ("/v1/portal_sessions", {"account_id": account, "member": " "}),
        ("/v1/portal_sessions", {"account_id": account, "user": {"user_id": " "}}),
    ):
        assert list(field_errors(service.post(path, body))) in (["member"], ["user.user_id"])
    for value in ("a", " a", "a ", "a b", "\u3000é", "𝄞", "0"):
        assert UsageBody.model_validate({"member": value}).member == value


# Ids and texts ----------------------------------------------------------------------------------------------------

IDS = [
    ("open", "account_id"),
    ("grant", "transaction_id"),
    ("deduct", "task_id"),
    *[("deduct", f"usage.{name}") for name in ("provider", "model", "project", "member", "metric", "key", "agent")],
    ("hold", "task_id"),
    ("capture", "usage.model"),
    ("payment", "payment_id"),
    ("payment", "provider"),
    ("payment", "plan"),
    ("payment_refund", "refund_id"),
    ("payment_dispute", "dispute_id"),
    ("subscription", "provider"),
    ("subscription", "next_plan"),
    ("subscription", "pays"),
    ("subscription", "terms.plan"),
]
TEXTS = [
    ("grant", "description"),
    ("deduct", "description"),
    ("reverse", "reason"),
    ("hold", "description"),
    ("void", "reason"),
    ("payment_dispute", "reason"),
    ("payment", "grant.description"),
    ("open", "description"),
    ("update", "description"),
    ("update", "reason"),
    ("freeze", "reason"),
    ("unfreeze", "reason"),
    ("close", "reason"),
    ("reopen", "reason"),
    ("change_expiry", "reason"),
]
CONTROL = ["\0", "\x01", "\r", "\x08", "\x1b", "\x7f", "\x80", "\x9f"]


@pytest.mark.parametrize(("operation", "field", "limit"), [*[(*i, 128) for i in IDS], *[(*t, 500) for t in TEXTS]])
def test_over_long_and_unreadable_texts_are_refused(
    service: Service, account: str, operation: str, field: str, limit: int
) -> None:
    ask = asks(account)[operation]
    for value in ("x" * (limit + 1), "é" * (limit + 1), "𝄞" * (limit + 1)):
        error = field_errors(changed(ask, field, value).post(service, "k"))
        assert list(error) == [field]
        assert error[field]["limits"] == {"max_length": limit}
    unreadable = [*CONTROL, "\n", "\t"] if limit == 128 else CONTROL
    no_text: list[Any] = ["", 7, True, [], {}] if limit == 128 else [7, True, [], {}]
    for value in [*(f"a{character}b" for character in unreadable), *no_text]:
        assert list(field_errors(changed(ask, field, value).post(service, "k"))) == [field], repr(value)
    # At the limit it is well: the dry run finds nothing wrong.
    assert changed(ask, field, "é" * limit).post(service, "k", "?dry_run=true").status_code == 200


@pytest.mark.parametrize(
    "name", ["%00", "a%00b", "%0a", "%7f", "%C2%85", "x" * 129, "%C3%A9" * 129, "%2e", "%2e%2e", "a%2F..", "%2e%2Fa"]
)
def test_an_account_that_cannot_be(service: Service, name: str) -> None:
    for path in (f"/v1/accounts/{name}/deductions", f"/v1/accounts/{name}/grants"):
        body = {"kind": "permanent", "amount": 1} if path.endswith("grants") else {"amount": 1}
        response = service.client.post(path, json=body, headers={"Idempotency-Key": "k"})
        assert response.status_code in {404, 422}, response.text
        assert response.status_code == 404 or list(field_errors(response)) == ["account_id"]
    for path in ("balance", "events", "receipts/deduct/k"):
        response = service.client.get(f"/v1/accounts/{name}/{path}")
        assert response.status_code in {404, 422}, response.text


@pytest.mark.parametrize(
    "name", ["ded_9999", "ded_0", "ded_-1", "hld_5", "%00", "a%00b", "%FF", "x" * 5000, "ded_4%20"]
)
def test_a_thing_that_cannot_be(service: Service, account: str, name: str) -> None:
    for operation, noun in {
        "reverse": "deduction",
        "release": "hold",
        "capture": "hold",
        "extend": "hold",
        "void": "grant",
        "payment_refund": "payment",
        "payment_dispute": "payment",
    }.items():
        if (noun, name) == ("hold", "hld_5"):
            continue
        path = PATHS[operation].format(account_id=account, **{f"{noun}_id": name})
        response = service.client.post(path, json=asks(account)[operation].body, headers={"Idempotency-Key": "k"})
        assert response.status_code in {404, 422}, response.text
        assert response.json()["code"] in {f"{noun}_not_found", "validation_failed"}
    item = {"op": "reverse", "account_id": account, "deduction_id": name.replace("%00", "\0"), "idempotency_key": "k"}
    [result] = service.post("/v1/batch", {"commands": [item]}).json()["results"]
    assert result["status"] in {404, 422}
    assert service.client.get(f"/v1/accounts/{account}/receipts/deduct/{name}").status_code in {404, 422}


def test_an_unknown_account_is_named(service: Service) -> None:
    for operation in OPERATIONS[1:]:
        nobody = fresh("nobody")
        refused(asks(nobody)[operation].post(service, "k"), 404, "account_not_found", account_id=nobody)
        refused(service.get(f"/v1/accounts/{nobody}/balance"), 404, "account_not_found", account_id=nobody)


@pytest.mark.parametrize("key", [b"", b"k" * 256, b"\xff", "ключ".encode(), b"a\tb"])
def test_a_key_that_is_not_printable_ascii_is_refused(service: Service, account: str, key: bytes) -> None:
    for place in places(account)[:2]:
        body = {"kind": "permanent", "amount": 1, "task_id": "t"}
        headers = {b"Idempotency-Key": key, b"Content-Type": b"application/json"}
        response = service.client.post(place, content=json.dumps(body), headers=headers)
        assert list(field_errors(response)) == ["Idempotency-Key"]
        assert response.headers["connection"] == "close"  # its body was not read, so nothing can follow it


def test_the_connection_outlives_a_request_whose_body_was_read(service: Service, account: str) -> None:
    for place in places(account):
        response = service.client.post(place, content=b'{"colour": "red"}', headers={"Idempotency-Key": "k"})
        assert (response.status_code >= 400, response.headers.get("connection")) == (True, None), place


# Metadata ---------------------------------------------------------------------------------------------------------


def nested(depth: int) -> Json:
    value: Json = {}
    for _ in range(depth):
        value = {"a": value}
    return value


def test_metadata_has_limits(service: Service, account: str) -> None:
    for operation in ("open", "grant", "deduct"):
        ask = asks(account)[operation]
        size = 4096 - len('{"a":""}')
        assert ask.but(metadata={"a": "x" * size}).post(service, "k", "?dry_run=true").status_code == 200
        error = field_errors(ask.but(metadata={"a": "x" * (size + 1)}).post(service, "k"))
        assert "4096" in error["metadata"]["message"]
        no_objects: list[Any] = [[], "text", 7, True]
        for bad in [*no_objects, {"a": "\0"}, {"\0": 1}, {"a": [{"b": "c\0"}]}, nested(300), nested(600)]:
            assert list(field_errors(ask.but(metadata=bad).post(service, "k"))) == ["metadata"]
