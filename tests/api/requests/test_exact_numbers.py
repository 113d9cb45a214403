"""Numbers that cannot be stored exactly: refused by name before anything is made of them, wherever JSON comes in."""

from decimal import Decimal
from typing import TypeGuard, get_args

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from api.contract.bodies import FREE_FIELDS
from api.contract.exact_numbers import LARGEST, LEAST, holds_float, inexact_numbers
from api.contract.operations import OPERATIONS
from tests.api.stage import Json, asks, field_errors, payment, refused
from tests.service import Service

JSON_TYPE = {"Content-Type": "application/json"}
INEXACT = [
    "18446744073709551616",
    "-9223372036854775809",
    "1" + "0" * 30,
    "9" * 5_000,
    "0.1000000000000000055511151231257827",
    "9007199254740993.0",
    "1e400",
    "-1e400",
    "1e-400",
    "1e99999999999999999999",
    "NaN",
    "Infinity",
    "-Infinity",
]
EXACT = ["18446744073709551615", "-9223372036854775808", "0.1", "1.50", "1E2", "1e23", "5e-324", "-0.0", "-0", "0e9"]


def document(number: str) -> bytes:
    return f'{{"metadata": {{"lines": [1, {{"order": {number}}}]}}, "amount": 1}}'.encode()


# The rule ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", INEXACT)
def test_a_number_that_cannot_be_kept_is_found(number: str) -> None:
    assert inexact_numbers(document(number)) == [(("metadata", "lines", 1, "order"), number)]


@pytest.mark.parametrize("number", EXACT)
def test_a_number_that_can_be_kept_is_not(number: str) -> None:
    assert inexact_numbers(document(number)) == []


NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)


@given(NUMBERS)
def test_what_is_not_found_is_stored_as_the_same_number(number: str) -> None:
    """The ledger stores what orjson writes; a number that orjson would change is found in the text."""
    try:
        read = orjson.loads(number)
    except orjson.JSONDecodeError:
        kept = False
    else:
        kept = Decimal(orjson.dumps(read).decode()) == Decimal(number)
        kept = kept and (isinstance(read, float) == any(sign in number for sign in ".eE"))
        assert holds_float([{"a": read}]) == isinstance(read, float)
    assert (inexact_numbers(number.encode()) == []) == kept


@given(st.integers(LEAST, LARGEST))
def test_integers_of_64_bits_are_kept(number: int) -> None:
    assert orjson.loads(orjson.dumps(orjson.loads(str(number)))) == number
    assert inexact_numbers(str(number).encode()) == []


@pytest.mark.parametrize("text", [b"", b"{", b'{"a": NaN', b"\xff", b"[" * 100_000, "[NaN]".encode("utf-16")])
def test_what_is_no_json_even_so_has_no_such_numbers(text: bytes) -> None:
    assert inexact_numbers(text) == []


def test_all_fields_in_which_callers_write_what_they_like_are_known() -> None:
    """Floats are refused in all other fields, so only these are searched for one."""

    def free(model: type[BaseModel]) -> set[str]:
        found = set()
        for name, field in model.model_fields.items():
            below = [kind for kind in _kinds(field.annotation) if _is_body(kind)]
            if "Any" in str(field.annotation) or any(map(free, below)):
                found.add(name)
        return found

    assert set().union(*(free(operation.body) for operation in OPERATIONS.values())) == set(FREE_FIELDS)


def _kinds(annotation: object) -> list[object]:
    """The types that an annotation is made of, itself included."""
    return [annotation, *(kind for part in get_args(annotation) for kind in _kinds(part))]


def _is_body(kind: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


# The ways in ------------------------------------------------------------------------------------------------------

WITH_METADATA = {
    "open": "metadata",
    "grant": "metadata",
    "deduct": "metadata",
    "payment": "grant.metadata",
}


def body_with(service: Service, account: str, operation: str, number: str) -> tuple[str, str]:
    """The address and the body of a good request but for one number."""
    ask = asks(account)[operation]
    if operation == "payment":
        fields: Json = payment("pay-2", grant={"kind": "permanent", "amount": 3, "metadata": {"order": "$"}})
    else:
        fields = ask.body | {"metadata": {"order": "$"}}
    return ask.path, orjson.dumps(fields).decode().replace('"$"', number)


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("operation", WITH_METADATA)
def test_a_command_with_such_a_number_is_refused_by_name(service: Service, account: str, operation: str) -> None:
    headers = {"Idempotency-Key": "k", **JSON_TYPE}
    for number in INEXACT:
        path, body = body_with(service, account, operation, number)
        for query in ("", "?dry_run=true"):
            errors = field_errors(service.client.post(path + query, content=body, headers=headers))
            field = f"{WITH_METADATA[operation]}.order"
            assert list(errors) == [field]
            assert "cannot be stored exactly" in errors[field]["message"]
            assert errors[field].get("value") == (number if len(number) <= 64 else None)


@pytest.mark.usefixtures("unharmed")
def test_so_is_such_a_number_in_any_other_field(service: Service, account: str) -> None:
    for number in INEXACT:
        body = f'{{"amount": {number}}}'
        answer = service.client.post(asks(account)["hold"].path, content=body, headers={"Idempotency-Key": "k"})
        error = field_errors(answer)["amount"]
        assert isinstance(error.get("value", ""), str) or abs(error["value"]) < 2**53


def test_another_integer_under_the_same_key_is_no_replay(service: Service, account: str) -> None:
    path = asks(account)["deduct"].path
    headers = {"Idempotency-Key": "k", **JSON_TYPE}

    def post(number: str) -> Json:
        body = f'{{"amount": 1, "metadata": {{"order": {number}}}}}'
        response = service.client.post(path, content=body, headers=headers)
        return {"status": response.status_code, **response.json()}

    assert post("18446744073709551616")["code"] == "validation_failed"
    first = post("18446744073709551615")
    assert first["status"] == 201
    assert post("18446744073709551614")["code"] == "idempotency_key_reused"
    assert post("18446744073709551617")["code"] == "validation_failed"
    assert post("18446744073709551615") == {**first, "status": 200}
    stored = service.get(f"/v1/accounts/{account}/events", after_version=first["version"] - 1).json()["events"][0]
    assert stored["data"]["metadata"] == {"order": 2**64 - 1}


def test_numbers_that_can_be_kept_come_back_as_they_are(service: Service, account: str) -> None:
    path = asks(account)["deduct"].path
    for number in EXACT:
        body = f'{{"amount": 1, "metadata": {{"order": {number}}}}}'
        response = service.client.post(path, content=body, headers={"Idempotency-Key": number, **JSON_TYPE})
        assert response.status_code == 201
        after = response.json()["version"] - 1
        stored = service.client.get(f"/v1/accounts/{account}/events?after_version={after}").json(parse_float=Decimal)
        assert stored["events"][0]["data"]["metadata"]["order"] == Decimal(number)


@pytest.mark.usefixtures("unharmed")
def test_in_a_batch_the_command_is_refused_that_has_the_number(service: Service, account: str) -> None:
    good = {"op": "deduct", "account_id": account, "amount": 1, "idempotency_key": "good"}
    bad = good | {"idempotency_key": "bad", "metadata": {"a": [1.5, "$"], "b": "$"}}
    commands = orjson.dumps([good, bad, "$", good | {"amount": 0}]).decode().replace('"$"', str(2**64))
    content = f'{{"commands": {commands}}}'
    dry = service.client.post("/v1/batch?dry_run=true", content=content, headers=JSON_TYPE).json()["results"]
    assert [result["status"] for result in dry] == [200, 422, 422, 422]
    named = [[error["field"] for error in result["errors"]] for result in dry[1:]]
    assert named == [["metadata.b", "metadata.a.1"], ["command"], ["amount"]]
    atomic = service.client.post("/v1/batch", content='{"atomic": true, ' + content[1:], headers=JSON_TYPE)
    cause = refused(atomic, 409, "batch_refused", index=1)["cause"]
    assert [error["field"] for error in cause["errors"]] == ["metadata.b", "metadata.a.1"]
    no_json = service.client.post("/v1/batch", content=content.replace(str(2**64), "NaN"), headers=JSON_TYPE)
    assert sorted(field_errors(no_json)) == ["commands.1.metadata.a.1", "commands.1.metadata.b", "commands.2"]


@pytest.mark.usefixtures("unharmed")
def test_of_many_numbers_some_are_named(service: Service, account: str) -> None:
    body = f'{{"amount": 1, "metadata": {{"a": [{", ".join(["1e400"] * 1_000)}]}}}}'
    answer = service.client.post(asks(account)["deduct"].path, content=body, headers={"Idempotency-Key": "k"})
    assert list(field_errors(answer)) == [f"metadata.a.{n}" for n in range(20)]


def test_a_portal_session_with_such_a_number_is_refused_by_name(service: Service, account: str) -> None:
    for number in INEXACT:
        body = f'{{"account_id": "{account}", "expires_in_seconds": {number}}}'
        answer = service.client.post("/v1/portal_sessions", content=body, headers=JSON_TYPE)
        assert list(field_errors(answer)) == ["expires_in_seconds"]


def test_a_parameter_with_such_a_number_is_refused_by_name(service: Service, account: str) -> None:
    for number in (number for number in INEXACT if len(number) < 4_000):
        for path, name in (("/v1/events", "after"), (f"/v1/accounts/{account}/events", "limit")):
            assert list(field_errors(service.client.get(f"{path}?{name}={number}"))) == [name]


def test_the_path_of_a_part_is_not_as_long_as_a_document_is_deep() -> None:
    """Otherwise a body of 64 KB that is nested deep, with thousands of parts below that, takes a second."""
    [place, _] = inexact_numbers(b"[" * 900 + b"NaN, NaN" + b"]" * 900)
    assert place.path == (0,) * 16


def test_what_is_too_large_in_any_case_is_not_read_again(service: Service, account: str) -> None:
    """To look for such numbers takes long, and a body of 64 KB can have thousands."""
    number = "0.10000000000000000001"
    for many, named in ((180, ["metadata.n.0"]), (2_500, ["metadata"])):
        metadata = f'{{"n": [{", ".join([number] * many)}]}}'
        body = f'{{"amount": 1, "task_id": "large", "metadata": {metadata}}}'
        answer = service.client.post(f"/v1/accounts/{account}/deductions", content=body, headers=JSON_TYPE)
        assert list(field_errors(answer))[:1] == named
    deep = "[" * 900 + ", ".join([number] * 2_500) + "]" * 900
    body = f'{{"amount": 1, "task_id": "large", "metadata": {{"n": {deep}}}}}'
    answer = service.client.post(f"/v1/accounts/{account}/deductions", content=body, headers=JSON_TYPE)
    assert list(field_errors(answer)) == ["metadata"]
