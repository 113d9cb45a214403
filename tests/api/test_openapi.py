"""The OpenAPI document: valid, complete, and true of whatever Schemathesis makes of it.

That the other answers conform to it too is checked on every request of this folder's tests; see conftest.py.
"""

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import orjson
import pytest
import requests
from jsonschema_rs import Draft202012Validator

from api.contract.answers.commands import ANSWERS
from api.contract.bodies import CaptureBody
from api.contract.openapi.examples import EXAMPLES
from api.contract.openapi.facts import FACTS
from api.contract.operations import ALL_OPERATIONS as SERVED
from api.contract.operations import OPERATIONS as SERVED_ALONE
from api.contract.people.own_routes import OWN_OF_PEOPLE
from api.contract.problems import STATUSES, Problem
from api.contract.scopes import PEOPLE as HAS_SESSION
from api.contract.scopes import route_name
from api.contract.validation import validated
from tests.api.contract import Contract, the_app, the_contract
from tests.api.stage import MOVE_PATHS, OPERATIONS, PATHS, Ask, Json, asks, fresh, staged
from tests.service import ADMIN_KEY, Service


def the_document() -> Json:
    """Its description. To make it takes a third of a second, so it is not made when tests are collected."""
    return the_app().openapi()


LARGEST = 800_000
"""The size of the document, in bytes. Compressed, it is a tenth of that."""
QUERIES = {
    "/v1/accounts/{account_id}": {200, 304, 401, 403, 404, 422, 429, 500, 503},
    "/v1/accounts/{account_id}/subscription": {200, 304, 401, 403, 404, 422, 429, 500, 503},
    "/v1/accounts/{account_id}/limits": {200, 401, 403, 404, 422, 429, 500, 503},
    "/v1/accounts/{account_id}/balance": {200, 304, 401, 403, 404, 422, 429, 500, 503},
    "/v1/accounts/{account_id}/events": {200, 401, 403, 404, 422, 429, 500, 503},
    "/v1/accounts/{account_id}/explain": {200, 401, 403, 404, 422, 429, 500, 503},
    "/v1/accounts/{account_id}/receipts/{operation}/{key}": {200, 401, 403, 404, 422, 429, 500, 503},
    "/v1/events": {200, 401, 403, 422, 429, 500, 503},
    "/v1/events/stream": {200, 401, 403, 422, 429, 500, 503},
    "/v1/accounts/{account_id}/events/stream": {200, 401, 403, 404, 422, 429, 500, 503},
    **{
        f"/v1/accounts/{{account_id}}/{name}": {200, 401, 403, 404, 409, 422, 429, 500, 503}
        for name in ["history", "history.csv", "rollups/daily", "usage", "grants", "holds", "payments", "summary"]
    },
    **{
        f"/v1/{name}": {200, 401, 403, 409, 422, 429, 500, 503}
        for name in ["accounts", "statistics", "revenue", "uncollected", "disputes", "subscriptions"]
    },
    **{
        f"/v1/accounts/{{account_id}}/{name}": {200, 401, 403, 404, 409, 422, 429, 500, 503}
        for name in ["grants/{grant_id}", "holds/{hold_id}", "payments/{payment_id}", "deductions/{deduction_id}"]
    },
    "/v1/accounts/{account_id}/transfers/{transfer_id}": {200, 401, 403, 404, 422, 429, 500, 503},
    "/v1/accounts/{account_id}/payments/{payment_id}/receipt.pdf": {200, 304, 401, 403, 404, 409, 422, 429, 500, 503},
    "/v1/accounts/{account_id}/payments/{payment_id}/invoice": {200, 401, 403, 404, 409, 422, 429, 500, 501, 502, 503},
    "/v1/accounts/{account_id}/statements/{month}.pdf": {200, 304, 401, 403, 404, 422, 429, 500, 503},
    **{f"/v1/{name}": {200, 401, 403, 422, 429, 500, 503} for name in ("plans", "packages", "price_books")},
    "/v1/revenue/deferred": {200, 401, 403, 422, 429, 500, 503},
    "/v1/plans/{plan_id}": {200, 401, 403, 404, 422, 429, 500, 503},
    "/v1/packages/{package_id}": {200, 401, 403, 404, 422, 429, 500, 503},
    "/v1/price_books/{version}": {200, 401, 403, 404, 422, 429, 500, 503},
    "/v1/checkouts/{checkout_id}": {200, 401, 403, 404, 422, 429, 500, 503},
    "/v1/webhooks": {200, 401, 403, 422, 429, 500, 503},
    "/v1/webhooks/{name}": {200, 401, 403, 404, 422, 429, 500, 503},
    "/v1/audit": {200, 401, 403, 422, 429, 500, 503},
    "/v1/audit.csv": {200, 401, 403, 422, 429, 500, 503},
    "/api/user/sessions": {200, 401, 403, 404, 422, 500, 503},
    "/api/user/profile": {200, 401, 403, 404, 422, 500, 503},
    "/api/user/export/{export_id}": {200, 401, 403, 404, 422, 500, 503},
    **{
        f"/api/usage/{name}": {200, 401, 403, 404, 409, 422, 429, 500, 503}
        for name in ("current", "history", "analytics")
    },
    "/api/limits": {200, 401, 403, 404, 422, 429, 500, 503},
    "/api/subscription": {200, 401, 403, 404, 422, 429, 500, 503},
    "/api/audit": {200, 401, 403, 404, 422, 500, 503},
    "/v1/keys": {200, 401, 403, 422, 429, 500, 503},
    **{f"/v1/{name}": {200, 401, 403, 422, 429, 500, 503} for name in ("users", "teams")},
    **{
        path: {200, 401, 403, 404, 422, 429, 500, 503}
        for path in (
            *("/v1/users/{user_id}", "/v1/teams/{team_id}"),
            *("/v1/teams/{team_id}/members", "/v1/teams/{team_id}/invitations"),
        )
    },
    "/v1/teams/{team_id}/usage": {200, 401, 403, 404, 409, 422, 429, 500, 503},
    "/api/keys": {200, 401, 403, 404, 422, 429, 500, 503},
    "/healthz": {200},
    "/readyz": {200, 503},
    "/metrics": {200, 404},
}
COMMAND = {200, 201, 400, 401, 403, 404, 409, 412, 413, 415, 422, 429, 500, 503}
PORTAL = {201, 400, 401, 403, 404, 413, 415, 422, 429, 500, 503}
BATCH = {200, 400, 401, 403, 409, 413, 415, 422, 429, 500, 503}
DELIVERY = {200, 401, 404, 413, 422, 429, 500, 503}
DECISION = {200, 400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503}
DECISIONS = [f"/v1/webhooks/{{webhook_id}}/{word}" for word in ("retry", "match", "dismiss")]
CHANGE = DECISION | {501, 502}
CHANGES = [
    *(f"/v1/accounts/{{account_id}}/subscription/{word}" for word in ("upgrade", "downgrade", "cancel", "reactivate")),
    "/v1/accounts/{account_id}/portal",
]
PUT = {200, 201, 400, 401, 403, 409, 413, 415, 422, 429, 500, 503}
POSTED = [
    *(*PATHS.values(), *MOVE_PATHS.values(), "/v1/batch", "/v1/portal_sessions"),
    *("/v1/checkouts", "/v1/webhooks/{name}", *DECISIONS, *CHANGES),
    *("/v1/price_books", "/v1/estimates"),
]
CHECKOUT = PORTAL | {200, 409, 501, 502}
PUTS = ["/v1/plans/{plan_id}", "/v1/packages/{package_id}"]
IN_TEAM = {200, 401, 403, 404, 422, 500, 503}
BODY = {400, 404, 413, 415, 422, 429, 500, 503}
PEOPLE = {
    ("post", "/api/auth/register"): BODY | {201, 403},
    ("post", "/api/auth/verification"): BODY | {200, 401, 403, 410},
    ("post", "/api/auth/verification/resend"): BODY | {202},
    ("post", "/api/auth/login"): BODY | {200, 401, 403},
    ("post", "/api/auth/logout"): {200, 401, 403, 404, 422, 500, 503},
    ("post", "/api/auth/link"): BODY | {202},
    ("post", "/api/auth/link/confirm"): BODY | {200, 403, 410},
    ("post", "/api/auth/reset"): BODY | {202},
    ("post", "/api/auth/reset/confirm"): BODY | {200, 410},
    ("post", "/api/auth/email/confirm"): BODY | {200, 410},
    ("post", "/api/auth/email/undo"): BODY | {200, 410},
    ("post", "/api/user/email"): BODY | {202, 401, 403},
    ("post", "/api/user/password"): BODY | {200, 401, 403},
    ("patch", "/api/user/profile"): BODY | {200, 401, 403},
    ("delete", "/api/user/profile"): BODY | {202, 401, 403, 409},
    ("post", "/api/user/profile/keep"): {200, 401, 403, 404, 422, 500, 503},
    ("post", "/api/user/export"): {202, 401, 403, 404, 422, 429, 500, 503},
    ("delete", "/api/user/sessions"): {200, 401, 403, 404, 422, 500, 503},
    ("delete", "/api/user/sessions/{session_id}"): {200, 401, 403, 404, 422, 500, 503},
    ("post", "/api/keys"): BODY | {201, 401, 403},
    ("patch", "/api/keys/{key_id}"): BODY | {200, 401, 403},
    ("delete", "/api/keys/{key_id}"): {200, 401, 403, 404, 422, 429, 500, 503},
    ("post", "/api/keys/{key_id}/rotation"): BODY | {200, 401, 403},
    ("post", "/v1/keys"): BODY | {201, 401, 403},
    ("patch", "/v1/keys/{key_id}"): BODY | {200, 401, 403},
    ("delete", "/v1/keys/{key_id}"): {200, 401, 403, 404, 422, 429, 500, 503},
    ("post", "/v1/keys/{key_id}/rotation"): BODY | {200, 401, 403},
    ("post", "/v1/keys/verifications"): BODY - {404} | {200, 401, 403},
    ("post", "/v1/keys/revocations"): BODY - {404} | {202},
    ("post", "/api/subscription/upgrade"): BODY | {200, 401, 403, 409, 501, 502},
    ("post", "/api/subscription/cancel"): {200, 401, 403, 404, 409, 422, 500, 501, 502, 503},
    ("post", "/api/subscription/reactivate"): {200, 401, 403, 404, 409, 422, 500, 501, 502, 503},
    ("post", "/v1/users"): BODY | {200, 201, 401, 403, 409},
    ("patch", "/v1/users/{user_id}"): BODY | {200, 401, 403, 409},
    ("delete", "/v1/users/{user_id}"): IN_TEAM - {200} | {202, 409, 429},
    ("post", "/v1/users/{user_id}/keep"): IN_TEAM | {429},
    ("post", "/v1/teams"): BODY | {201, 401, 403, 409},
    ("patch", "/v1/teams/{team_id}"): BODY | {200, 401, 403, 409},
    ("delete", "/v1/teams/{team_id}"): IN_TEAM | {409, 429},
    ("post", "/v1/teams/{team_id}/owner"): BODY | {200, 401, 403, 409},
    ("post", "/v1/teams/{team_id}/members"): BODY | {201, 401, 403, 409},
    ("patch", "/v1/teams/{team_id}/members/{user_id}"): BODY | {200, 401, 403, 409},
    ("delete", "/v1/teams/{team_id}/members/{user_id}"): IN_TEAM | {409, 429},
    ("post", "/v1/teams/{team_id}/invitations"): BODY | {201, 401, 403, 409},
    ("post", "/v1/teams/{team_id}/invitations/{invitation_id}/resend"): IN_TEAM | {429},
    ("delete", "/v1/teams/{team_id}/invitations/{invitation_id}"): IN_TEAM | {429},
    ("get", "/api/teams"): IN_TEAM,
    ("post", "/api/teams"): BODY | {201, 401, 403, 409},
    ("patch", "/api/teams/{team_id}"): BODY | {200, 401, 403, 409},
    ("delete", "/api/teams/{team_id}"): IN_TEAM | {409, 429},
    ("get", "/api/teams/{team_id}/members"): IN_TEAM | {429},
    ("post", "/api/teams/{team_id}/members"): BODY | {201, 401, 403, 409},
    ("patch", "/api/teams/{team_id}/members/{user_id}"): BODY | {200, 401, 403, 409},
    ("delete", "/api/teams/{team_id}/members/{user_id}"): IN_TEAM | {409},
    ("post", "/api/teams/{team_id}/owner"): BODY | {200, 401, 403, 409},
    ("get", "/api/teams/{team_id}/invitations"): IN_TEAM,
    ("post", "/api/teams/{team_id}/invitations/{invitation_id}/resend"): IN_TEAM | {429},
    ("delete", "/api/teams/{team_id}/invitations/{invitation_id}"): IN_TEAM,
    ("get", "/api/teams/{team_id}/usage"): IN_TEAM | {409, 429},
    ("get", "/api/teams/{team_id}/limits"): IN_TEAM | {429},
    ("put", "/api/teams/{team_id}/limits"): BODY | {200, 401, 403, 409},
    ("put", "/api/teams/{team_id}/limits/{limit_id}/allowances/{user_id}"): BODY | {200, 401, 403, 409},
    ("get", "/api/invitations/{token}"): {200, 404, 410, 422, 500, 503},
    ("post", "/api/invitations/{token}/acceptance"): IN_TEAM | {409, 410},
}
CONTRACT = [
    *PEOPLE,
    *(("get", path) for path in QUERIES),
    *(("post", path) for path in POSTED),
    *(("put", path) for path in PUTS),
]
"""All operations: a test compares them with the document."""


def operations_of(document: Json) -> dict[tuple[str, str], Json]:
    return {(method, path): found for path, item in document["paths"].items() for method, found in item.items()}


def test_the_document_is_valid_openapi_31(service: Service) -> None:
    document = service.get("/openapi.json").json()
    assert document == the_document()
    assert document["openapi"].startswith("3.1.")
    openapi_31 = import_module("schemathesis.specs.openapi.definitions").OPENAPI_31
    assert [error.message for error in Draft202012Validator(openapi_31).iter_errors(document)] == []
    for name, schema in document["components"]["schemas"].items():
        assert schema.get("description") or schema.get("title"), name
    text = orjson.dumps(document)
    references = re.findall(r'"\$ref":"([^"]+)"', text.decode())
    assert [name for name in references if not leads_somewhere(document, name)] == []
    assert len(text) < LARGEST


def leads_somewhere(document: Json, reference: str) -> bool:
    """Whether a reference is to a part of the document."""
    found: Any = document
    start, *steps = reference.split("/")
    for step in steps:
        found = found.get(step, {})
    return start == "#" and bool(found)


def test_every_operation_has_a_short_name_of_its_own() -> None:
    names = [found["operationId"] for found in operations_of(the_document()).values()]
    assert len(names) == len(set(names))
    assert {"deduct", "capture_hold", "list_grants"} <= set(names)
    assert [name for name in names if not re.fullmatch(r"[a-z]+(_[a-z]+){0,3}", name)] == []


def test_nothing_of_a_body_or_answer_misleads_a_generator() -> None:
    """A default makes its field required for some, and `true` beside named fields hides their types."""
    for name, schema in the_document()["components"]["schemas"].items():
        for part in parts_of(schema):
            assert "default" not in part.keys() - part.get("properties", {}).keys(), name
            assert not ("properties" in part and part.get("additionalProperties") is True), name
            assert not ("properties" in part and "oneOf" in part), name


def parts_of(schema: Any) -> Iterator[Json]:
    """A schema and all that are in it."""
    if isinstance(schema, list):
        for one in schema:
            yield from parts_of(one)
    elif isinstance(schema, dict):
        if "type" in schema or "properties" in schema or "anyOf" in schema:
            yield schema
        for name, part in schema.items():
            yield from parts_of(list(part.values()) if name in ("properties", "patternProperties") else part)


def test_a_key_is_required_where_a_command_without_one_is_refused(service: Service) -> None:
    account = staged(service)
    for name, ask in asks(account).items():
        operation = the_document()["paths"][PATHS[name]]["post"]
        [key] = [one for one in operation["parameters"] if one["name"] == "Idempotency-Key"]
        if key["required"]:
            answer = ask.post(service)
            assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_required"), name
    needed = {name for name in PATHS if SERVED[name].own_key is None}
    assert {"reverse", "hold", "capture", "freeze"} <= needed


def test_each_problem_is_a_type_with_its_facts() -> None:
    document = the_document()
    deduct = the_contract().responses(PATHS["deduct"], "post")["402"]["content"]["application/problem+json"]["schema"]
    codes = ["insufficient_credits", "limit_reached"]
    assert list(deduct["discriminator"]["mapping"]) == codes
    schemas = document["components"]["schemas"]
    short = schemas["InsufficientCreditsProblem"]
    assert {"required", "available", "shortfall", "code"} <= set(short["required"])
    for code, (status, _) in STATUSES.items():
        name = "".join(word.capitalize() for word in code.split("_")) + "Problem"
        if name in schemas:
            fields = schemas[name]["properties"]
            assert (fields["code"]["const"], fields["status"]["const"]) == (code, status)
    assert FACTS.keys() <= STATUSES.keys()
    assert the_contract().document is document


def test_the_results_of_a_batch_are_typed() -> None:
    results = the_document()["components"]["schemas"]["BatchAnswer"]["properties"]["results"]["items"]["oneOf"]
    names = {one["$ref"].rpartition("/")[2] for one in results}
    assert len(names) == len(SERVED_ALONE) + 1
    assert {"DeductResult", "HoldResult", "ProblemInBatch"} <= names


def test_the_examples_are_a_story_that_happens(service: Service) -> None:
    """In their order, with the ids that the answers before them gave; a problem would be no example."""
    paths = {found["operationId"]: (method, path) for (method, path), found in operations_of(the_document()).items()}
    other = fresh("beta")
    names = {"acme": fresh("acme"), "beta": other, "pay-1": fresh("pay"), "bank": fresh("bank")}
    ids = {"subscription_id": "sub-1", "limit_id": "queries"}
    assert service.post("/v1/accounts", {"account_id": other}).status_code == 201
    for name, example in EXAMPLES.items():
        method, path = paths[name]
        assert method == "post"
        body = renamed(example, names)
        answer = service.post(path.format(**ids, account_id=names["acme"]), body, key=name)
        assert answer.status_code in {200, 201}, (name, answer.text)
        told = answer.json()
        ids |= {field: told[field] for field in told if field.endswith("_id") and field != "account_id"}


def renamed(value: Any, names: dict[str, str]) -> Any:
    """An example with ids that no other test has."""
    if isinstance(value, Mapping):
        return {field: renamed(part, names) for field, part in value.items()}
    if isinstance(value, list):
        return [renamed(part, names) for part in value]
    return names.get(value, value) if isinstance(value, str) else value


def test_all_that_is_served_is_in_the_document_and_the_other_way_round() -> None:
    served = {
        (method.lower(), route.path.replace(":path}", "}"))
        for route in all_routes(the_app())
        if getattr(route, "include_in_schema", False)
        for method in route.methods
    }
    documented = set(operations_of(the_document()))
    assert served == documented
    assert documented == set(CONTRACT)
    unlisted = {route.path for route in all_routes(the_app()) if not getattr(route, "include_in_schema", False)}
    assert "/openapi.json" in unlisted
    assert not [path for path in unlisted if path.startswith("/v1")]


def all_routes(router: Any) -> list[Any]:
    """The routes, with those of routers that are part of it."""
    found = []
    for route in router.routes:
        included = getattr(route, "original_router", None)
        found += [route] if included is None else all_routes(included)
    return found


def test_every_route_says_how_it_can_fail() -> None:
    for (method, path), found in operations_of(the_document()).items():
        statuses = {int(status) for status in found["responses"]}
        assert 414 in statuses
        statuses -= {414, 408} if method in {"patch", "post", "put"} else {414}
        if (method, path) in PEOPLE:
            assert statuses == PEOPLE[method, path], path
        elif method == "get":
            assert statuses == QUERIES[path], path
        elif method == "put":
            assert statuses == PUT
        elif path == "/v1/batch":
            assert statuses == BATCH
        elif path == "/v1/portal_sessions":
            assert statuses == PORTAL
        elif path == "/v1/checkouts":
            assert statuses == CHECKOUT
        elif path == "/v1/price_books":
            assert statuses == PUT
        elif path == "/v1/estimates":
            assert statuses == DECISION - {409}
        elif path == "/v1/webhooks/{name}":
            assert statuses == DELIVERY
        elif path in DECISIONS:
            assert statuses == DECISION
        elif path in CHANGES:
            assert statuses == CHANGE
        else:
            operation = next(name for name, its_path in (PATHS | MOVE_PATHS).items() if its_path == path)
            expected = COMMAND | ({402} if operation in {"deduct", "hold", "capture", "meter", "transfer"} else set())
            never = {"open": {404}, "reverse": {409}, "void": {409}}
            assert statuses == expected - never.get(operation, set()), path
        for status, answer in the_contract().responses(path, method).items():
            if int(status) >= 400 and path != "/readyz":
                assert list(answer["content"]) == ["application/problem+json"], (path, status)
            later = {"429", "503", "409"} if method == "get" else {"429", "503"}
            waits = path.startswith(("/v1", "/api")) and status in later
            assert ("Retry-After" in answer.get("headers", {})) == waits
    assert {status for status, _ in STATUSES.values()} <= COMMAND | CHECKOUT | {402, 405, 408, 410, 414}


def test_everything_below_v1_asks_for_a_key() -> None:
    scheme = the_document()["components"]["securitySchemes"]["key"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for (method, path), found in operations_of(the_document()).items():
        in_body = (method, path) in {("post", "/v1/webhooks/{name}"), ("post", "/v1/keys/revocations")}
        name = route_name(method.upper(), path)
        session = HAS_SESSION.get(name, False)
        of_people = [{"session": []}, *({"own_key": [OWN_OF_PEOPLE[one]]} for one in {name} & OWN_OF_PEOPLE.keys())]
        assert bool(found["security"]) == (session or (path.startswith("/v1/") and not in_body))
        assert (found["security"] == of_people) == session


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_good_body_is_valid_by_the_document_and_a_bad_one_is_not(operation: str) -> None:
    ask = asks("account")[operation]
    body, batch = the_contract().validator(SERVED[operation].body.__name__), the_contract().validator("Batch")
    assert body.is_valid(ask.body)
    assert batch.is_valid({"commands": [ask.item("k", if_match=7)], "atomic": True})
    assert not body.is_valid({**ask.body, "colour": "red"})
    assert not batch.is_valid({"commands": [ask.item("k", colour="red")]})
    assert not batch.is_valid({"commands": [{**ask.item("k"), "account_id": "a\nb"}]})


def test_the_document_says_of_a_capture_what_is_refused() -> None:
    """It is one form with a condition, because it may be left out: not priced, or priced with usage and no amount."""
    document = the_contract().validator("CaptureBody")
    good: list[Json] = [{}, {"amount": 5}, {"amount": None, "priced": None}, {"priced": False, "usage": {"model": "m"}}]
    good += [{"priced": True, "usage": {}}, {"priced": True, "usage": {"metric": "image"}, "amount": None}]
    bad: list[Json] = [{"priced": True}, {"priced": True, "usage": None}, {"priced": True, "usage": {}, "amount": 5}]
    bad += [{"priced": True, "amount": 5}, {"priced": 1}, {"amount": 0}]
    for body, valid in [*((one, True) for one in good), *((one, False) for one in bad)]:
        assert document.is_valid(body) == valid, body
        if valid:
            validated(CaptureBody, dict(body))
            continue
        with pytest.raises(Problem):
            validated(CaptureBody, dict(body))


def test_the_document_bounds_the_names_of_a_dictionary_and_their_number() -> None:
    labels, limit = the_contract().validator("UpdateBody"), the_contract().validator("LimitBody")
    good = {name: labels.is_valid({"labels": {name: "x"}}) for name in ("plan", "", "a b", "é")}
    assert good == {"plan": True, "": False, "a b": False, "é": False}
    assert not labels.is_valid({"labels": dict.fromkeys(map(str, range(33)))})
    for field in ("used", "allowances"):
        for name, valid in (("m", True), ("a\nb", False)):
            body = {"limit_id": "l", "amount": 1, field: {name: 1}}
            assert limit.is_valid(body) == valid, body


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_answer_has_all_the_fields_of_its_shape(service: Service, contract: Contract, operation: str) -> None:
    answer = asks(staged(service))[operation].post(service, "k").json()
    schema = contract.resolved({"$ref": f"#/components/schemas/{ANSWERS[operation].__name__}"})
    voided = (
        {"grant_id", "voided", "voids", "uncollected"} - ({"grant_id"} if operation == "subscription" else set())
        if operation in {"payment_dispute", "subscription"}
        else set()
    )  # one that opens voids nothing, and a first word takes nothing back
    absent = {"limits", "uncollected", "waived", "price", *voided} - {*answer, *schema["required"]}
    if_any = {"dry_run", "op", "status", "idempotent_replayed", *absent}
    assert schema["properties"].keys() - if_any == answer.keys()


def test_a_field_that_the_document_does_not_name_is_found(contract: Contract) -> None:
    credits = dict.fromkeys(("total", "available", "permanent_credits"), 1)
    told = {**credits, "held": 0, "subscription_credits": 0, "subscription_expire_at": None}
    assert contract.errors("BalanceFields", told) == []
    [error] = contract.errors("BalanceFields", {**told, "colour": "red"})
    assert "colour" in error


# Schemathesis -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def caller() -> Iterator[requests.Session]:
    """One connection for all requests, on which the environment is not asked for proxies each time."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {ADMIN_KEY}"
        yield session


@pytest.fixture(scope="module")
def target(service: Service) -> str:
    """An account on which many a request can be carried out."""
    account = staged(service)
    rich = Ask("grant", account, {"kind": "permanent", "amount": 2**52})
    assert rich.post(service, "rich").status_code == 201
    return account


@pytest.fixture(scope="module")
def generated() -> Any:
    """GeneratedRequests. See the module, which is imported here."""
    return import_module("tests.api.generated_requests").GeneratedRequests(the_document())


@pytest.mark.parametrize(("method", "path"), [one for one in CONTRACT if not one[1].endswith("/stream")])
def test_whatever_is_asked_is_answered_as_the_document_says(
    service: Service, target: str, caller: requests.Session, generated: Any, method: str, path: str
) -> None:
    generated.test_of(method, path)(service=service, target=target, caller=caller)
