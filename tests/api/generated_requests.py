"""Requests that Schemathesis makes of the OpenAPI document, and what is true of their answers.

The test imports this module when it runs: Schemathesis takes half a second to import, in each process of a run.
"""

from collections.abc import Callable
from random import Random
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.python._constants.orchestrator import make_constants_value_source
from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection, positive_data_acceptance

from tests.api.stage import Json
from tests.long_form import times
from tests.service import Service

BEYOND_A_SCHEMA = (
    "must be in the future",
    "must be after period_start",
    "must not be in the future",
    "must be absent",
    "bytes of JSON",
    "cannot be stored exactly",
    "levels deep",
    "U+0000",
    "be a dot segment",
    "that UTC can express",
    "must be a time zone of the IANA database",
    "must have an id of its own each",
    "is one of the source",  # a limit that the account has from elsewhere
    "must have `months` or `days`, and not both",
    "must be absent, or have `every`",
    "is no limit: ",
    "must have tiers of rising `up_to`",
    "are equally specific, and some usage matches both",
    "must have amounts with a common denominator",
    "a float is not exact",  # 1.0 is an integer to JSON Schema
    "must be another account",
    "must be a `next_cursor` of this very list",
    "must not be before `from`",
    "must be a date from",
    "must be days of the month, the first one first",
    "there is no such piece of these days",  # nobody knows how many there are
    "the period ",  # is too long, or begins after its end
    "valid datetime",  # 23:59:60, the year 0000
)
"""Rules that an OpenAPI document cannot express."""


MOST_EDGES = times(25, 100_000)
"""Of each operation, other ones in every run."""


class GeneratedRequests:
    """The requests that are made of a document."""

    def __init__(self, document: Json) -> None:
        self._schema = schemathesis.openapi.from_dict(document)
        self._feedback = FeedbackSources(constants_value_source=make_constants_value_source(self._schema))

    def test_of(self, method: str, path: str) -> Callable[..., None]:
        """A test of one operation. Its requests are made when it is called.

        The edges of all bodies of a batch are thousands of requests, and each command's own operation has its edges
        too: of so many, every run has others.
        """
        test = build_operation_test(
            config=self._schema.config,
            operation=self._schema[path][method],
            test_func=is_answered_as_the_document_says,
            given_kwargs={},
            feedback=self._feedback,
        )
        edges = getattr(test, "hypothesis_explicit_examples", [])
        edges[:] = Random().sample(edges, min(len(edges), MOST_EDGES))
        return test


@settings(
    max_examples=times(5, 12), deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
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
        # command of a batch is refused in its own result, and too many of them as too large. A provider may have no way
        # to do what is asked (501).
        excluded_checks=[
            positive_data_acceptance,
            ignored_auth,
            *([negative_data_rejection] if no_rejection else []),
            *([not_a_server_error] if response.status_code == 501 else []),
        ],
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
    if error["message"] == "must be at most 100":
        return bool(error["field"] == "grants")  # together with `grant`
    return any(rule in error["message"] for rule in BEYOND_A_SCHEMA)
