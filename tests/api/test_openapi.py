"""The OpenAPI document: valid, complete, and true of whatever Schemathesis makes of it.

That the other answers conform to it too is checked on every request of this folder's tests; see conftest.py.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from jsonschema_rs import Draft202012Validator
from schemathesis import Case
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.python._constants.orchestrator import make_constants_value_source
from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection, positive_data_acceptance
from schemathesis.specs.openapi.definitions import OPENAPI_31

from api.app import create_app
from api.contract.answers.commands import ANSWERS
from api.contract.operations import OPERATIONS as SERVED
from api.contract.problems import STATUSES
from api.http.hot_path import HotPath
from api.runtime.settings import load_settings
from tests.api.contract import Contract
from tests.api.stage import OPERATIONS, PATHS, Ask, Json, asks, staged
from tests.service import ADMIN_KEY, Service


def the_app() -> FastAPI:
    """The application, on a database that is not used."""
    front = create_app(load_settings(), "postgresql:///nowhere")
    assert isinstance(front, HotPath)
    return front.app


APP = the_app()
DOCUMENT: Json = APP.openapi()
QUERIES = {
    "/v1/accounts/{account_id}/balance": {200, 401, 403, 404, 422, 429, 500, 503},
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
    **{path: {200, 401, 403, 409, 422, 429, 500, 503} for path in ("/v1/accounts", "/v1/statistics")},
    "/healthz": {200},
    "/readyz": {200, 503},
    "/metrics": {200, 404},
}
COMMAND = {200, 201, 400, 401, 403, 404, 409, 412, 413, 415, 422, 429, 500, 503}
PORTAL = {201, 400, 401, 403, 404, 413, 415, 422, 429, 500, 503}
BATCH = {200, 400, 401, 403, 409, 413, 415, 422, 429, 500, 503}


def operations_of(document: Json) -> dict[tuple[str, str], Json]:
    return {(method, path): found for path, item in document["paths"].items() for method, found in item.items()}


def test_the_document_is_valid_openapi_31(service: Service) -> None:
    document = service.get("/openapi.json").json()
    assert document == DOCUMENT
    assert document["openapi"].startswith("3.1.")
    assert [error.message for error in Draft202012Validator(OPENAPI_31).iter_errors(document)] == []
    for name, schema in document["components"]["schemas"].items():
        Draft202012Validator({**schema, "components": document["components"]}).is_valid({})  # its references resolve
        assert schema.get("description") or schema.get("title"), name


def test_every_operation_has_its_own_name() -> None:
    names = [found["operationId"] for found in operations_of(DOCUMENT).values()]
    assert len(names) == len(set(names))


def test_all_that_is_served_is_in_the_document_and_the_other_way_round() -> None:
    served = {
        (method.lower(), route.path.replace(":path}", "}"))
        for route in all_routes(APP)
        if getattr(route, "include_in_schema", False)
        for method in route.methods
    }
    documented = set(operations_of(DOCUMENT))
    assert served == documented
    commands = {("post", path) for path in (*PATHS.values(), "/v1/batch", "/v1/portal_sessions")}
    contract = commands | {("get", path) for path in QUERIES}
    assert documented == contract
    unlisted = {route.path for route in all_routes(APP) if not getattr(route, "include_in_schema", False)}
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
    for (method, path), found in operations_of(DOCUMENT).items():
        statuses = {int(status) for status in found["responses"]}
        assert 414 in statuses
        statuses -= {414, 408} if method == "post" else {414}
        if method == "get":
            assert statuses == QUERIES[path], path
        elif path == "/v1/batch":
            assert statuses == BATCH
        elif path == "/v1/portal_sessions":
            assert statuses == PORTAL
        else:
            operation = next(name for name in OPERATIONS if PATHS[name] == path)
            expected = COMMAND | ({402} if operation in {"deduct", "hold", "capture"} else set())
            assert statuses == expected - ({404} if operation == "open" else set()), path
        for status, answer in found["responses"].items():
            if int(status) >= 400 and path != "/readyz":
                assert list(answer["content"]) == ["application/problem+json"], (path, status)
            later = {"429", "503", "409"} if method == "get" else {"429", "503"}
            assert ("Retry-After" in answer.get("headers", {})) == (path.startswith("/v1") and status in later)
    assert {status for status, _ in STATUSES.values()} <= COMMAND | {402, 405, 408, 414}


def test_everything_below_v1_asks_for_a_key() -> None:
    scheme = DOCUMENT["components"]["securitySchemes"]["key"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for (_, path), found in operations_of(DOCUMENT).items():
        assert ("security" in found) == path.startswith("/v1/")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_good_body_is_valid_by_the_document_and_a_bad_one_is_not(operation: str) -> None:
    ask = asks("account")[operation]
    body = {"$ref": f"#/components/schemas/{SERVED[operation].body.__name__}", "components": DOCUMENT["components"]}
    batch = {"$ref": "#/components/schemas/Batch", "components": DOCUMENT["components"]}
    assert Draft202012Validator(body).is_valid(ask.body)
    assert Draft202012Validator(batch).is_valid({"commands": [ask.item("k", if_match=7)], "atomic": True})
    assert not Draft202012Validator(body).is_valid({**ask.body, "colour": "red"})
    assert not Draft202012Validator(batch).is_valid({"commands": [ask.item("k", colour="red")]})
    assert not Draft202012Validator(batch).is_valid({"commands": [{**ask.item("k"), "account_id": "a/b"}]})


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_answer_has_all_the_fields_of_its_shape(service: Service, contract: Contract, operation: str) -> None:
    answer = asks(staged(service))[operation].post(service, "k").json()
    schema = contract.resolved({"$ref": f"#/components/schemas/{ANSWERS[operation].__name__}"})
    assert schema["properties"].keys() - {"dry_run", "status", "idempotent_replayed"} == answer.keys()


# Schemathesis -----------------------------------------------------------------------------------------------------

BEYOND_A_SCHEMA = (
    "must be in the future",
    "must not be in the future",
    "must be absent",
    "bytes of JSON",
    "cannot be stored exactly",
    "levels deep",
    "U+0000",
    "be a dot segment",
    "that UTC can express",
    "must be a time zone of the IANA database",
    "must be a `next_cursor` of this very list",
    "must not be before `from`",
    "must be a date from",
    "the period ",  # is too long, or begins after its end
    "valid datetime",  # 23:59:60, the year 0000
)
"""Rules that an OpenAPI document cannot express."""


SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)


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


@pytest.mark.parametrize(("method", "path"), [one for one in operations_of(DOCUMENT) if not one[1].endswith("/stream")])
def test_whatever_is_asked_is_answered_as_the_document_says(
    service: Service, target: str, caller: requests.Session, method: str, path: str
) -> None:
    """The cases are made here, and not when tests are collected: that takes seconds, in each process of a run."""
    feedback = FeedbackSources(constants_value_source=make_constants_value_source(SCHEMA))
    test = build_operation_test(
        config=SCHEMA.config,
        operation=SCHEMA[path][method],
        test_func=is_answered_as_the_document_says,
        given_kwargs={},
        feedback=feedback,
    )
    test(service=service, target=target, caller=caller)


@settings(max_examples=12, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def is_answered_as_the_document_says(case: Case[Any], service: Service, target: str, caller: requests.Session) -> None:
    assert case.meta is not None
    good = case.meta.generation.mode.is_positive
    if good and "account_id" in case.path_parameters:
        case.path_parameters["account_id"] = target
    if good:
        case.headers.pop("If-Match", None)  # Schemathesis leaves out the quotes, and the version would be wrong anyway
        body: Any = case.body
        for command in body["commands"] if case.operation.path == "/v1/batch" else ():
            command.pop("if_match", None)  # the same, and to JSON Schema 0.0 is an integer
    response = case.call(base_url=service.url, session=caller)
    in_batch = case.operation.path == "/v1/batch" and response.status_code in {200, 413}
    no_rejection = in_batch or response.status_code == 414  # this status is not among those that Schemathesis expects
    case.validate_response(
        response,
        # Our own check of good data is below. Of unknown keys a process looks at no more than some in a second. A bad
        # command of a batch is refused in its own result, and too many of them as too large.
        excluded_checks=[positive_data_acceptance, ignored_auth, *([negative_data_rejection] if no_rejection else [])],
    )
    if good and response.headers["content-type"][0].endswith("json"):
        assert understood(response.json()), response.text
        assert all(understood(result) for result in response.json().get("results", [])), response.text


def understood(answer: Json) -> bool:
    """Whether a request that is valid by the document was refused, if at all, for other reasons than its form."""
    code = answer.get("cause", answer).get("code")
    errors = answer.get("cause", answer).get("errors", [])
    return code not in {"malformed_json", "unsupported_media_type"} and all(map(beyond_a_schema, errors))


def beyond_a_schema(error: Json) -> bool:
    value = error.get("value")
    if error["message"] == "input should be a valid integer" and isinstance(value, float):
        return value.is_integer()  # 1.0 is an integer to JSON Schema, and not to us
    return any(rule in error["message"] for rule in BEYOND_A_SCHEMA)
