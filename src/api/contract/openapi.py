"""The OpenAPI document: what the framework cannot see of routes that read their own requests."""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from api.contract.answers.answer import ProblemDocument
from api.contract.answers.commands import ANSWERS, BatchAnswer
from api.contract.answers.events import EventNotice
from api.contract.billing_bodies import CheckoutBody, DismissBody, EstimateBody, MatchBody, PriceBookBody
from api.contract.bodies import ACCOUNT_ID, MAX_BATCH, MAX_KEY, ONE_LINE, PortalSessionBody
from api.contract.change_bodies import CancelBody, DowngradeBody, PortalBody, ReactivateBody, UpgradeBody
from api.contract.operations import ALL_OPERATIONS, OPERATIONS, Operation
from api.contract.people.bodies import PEOPLE_BODIES
from api.contract.scopes import MEANINGS, PEOPLE, ROUTES, Scopes, route_name
from billing.plans import Package, Plan
from ledger.domain.commands import MAX_ID

_SCHEMAS = "#/components/schemas/"
_PROBLEM_CONTENT: dict[str, Any] = {
    "application/problem+json": {"schema": {"$ref": _SCHEMAS + ProblemDocument.__name__}}
}

_TITLES = {
    400: "`idempotency_key_required` or `malformed_json`",
    401: "`unauthenticated`, `signature_invalid` or `wrong_credentials`",
    402: "`insufficient_credits` or `limit_reached`",
    403: "`missing_scope`, or below /api `registration_closed` or `email_not_verified`",
    404: "not found: the account or what the command names",
    408: "`body_timeout`",
    409: "in conflict with the state of the account or hold",
    410: "`token_spent`",
    412: "`version_mismatch`",
    413: "`body_too_large` or `batch_too_large`",
    414: "`query_too_large`",
    415: "`unsupported_media_type`",
    422: "`validation_failed`, `idempotency_key_reused` or a limit",
    429: "`rate_limited`; the headers `Retry-After`, `RateLimit` and `RateLimit-Policy` say when to go on",
    500: "`internal_error`",
    501: "`provider_cannot`",
    502: "`provider_failed`; repeat it with the same key",
    503: "`overloaded`, `unavailable`, `storage_full`, `projection_unavailable` or `query_timeout`; "
    "repeat it, a command with the same key",
}
_SPENDING = {"deduct", "hold", "capture", "meter", "transfer"}

IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": "^[ -~]+$"},
    "description": "Unique per account and operation, for ever. The same key and body give the original answer again.",
}
_ENTITY_TAG = '(W/)?"[!#-~]*"'
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": rf"^(\*|{_ENTITY_TAG}(, *{_ENTITY_TAG})*)$"},
    "example": '"7"',
    "description": "The account version that the command is for, in double quotes; or several, of which one must be "
    "that of the account; or `*`: any, if the account exists. A weak tag is that of no version.",
}
_DRY_RUN = {
    "name": "dry_run",
    "in": "query",
    "required": False,
    "schema": {"type": "string", "enum": ["true", "false"]},
    "description": "Answer what would happen and record nothing.",
}
_REPLAYED = {"Idempotent-Replayed": {"schema": {"type": "string", "enum": ["true"]}, "description": "on a replay"}}
_RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}


def command_documentation(operation: Operation) -> dict[str, Any]:
    """What add_api_route is told about one operation."""
    answer = {"application/json": {"schema": {"$ref": _SCHEMAS + ANSWERS[operation.name].__name__}}}
    statuses = [400, 401, 403, 409, 412, 413, 415, 422, 429, 500, 503]
    if operation.name != "open":
        statuses.append(404)
    if operation.name in _SPENDING:
        statuses.append(402)
    path = [_path_parameter(name) for name in ("account_id", *operation.path_ids) if f"{{{name}}}" in operation.path]
    return {
        "summary": operation.summary,
        "description": f"{operation.body.__doc__} {_key_sentence(operation)}",
        "tags": ["commands"],
        "status_code": 201,
        "responses": {
            201: {"description": "Done and durable", "content": answer},
            200: {"description": "A replay of the original answer, or a dry run", "content": answer}
            | {"headers": _REPLAYED},
            **{status: problem_response(status) for status in sorted(statuses)},
        },
        "openapi_extra": {
            "parameters": [*path, IDEMPOTENCY_KEY, _IF_MATCH, _DRY_RUN],
            "requestBody": {
                "required": any(field.is_required() for field in operation.body.model_fields.values()),
                "content": {"application/json": {"schema": {"$ref": _SCHEMAS + operation.body.__name__}}},
            },
        },
    }


def _key_sentence(operation: Operation) -> str:
    if operation.name == "payment":
        return "Without the header, `provider`, `payment_id` and `status` are the idempotency key."
    if operation.own_key:
        return f"Without the header, `{operation.own_key}` is the idempotency key."
    return "The Idempotency-Key header is required."


def _path_parameter(name: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": MAX_ID, "pattern": ONE_LINE}
    parameter = {"name": name, "in": "path", "required": True, "schema": schema}
    return {**parameter, "description": ACCOUNT_ID} if name == "account_id" else parameter


def problem_response(status: int) -> dict[str, Any]:
    """How the document describes the problems of one status."""
    response: dict[str, Any] = {"description": _TITLES[status], "content": _PROBLEM_CONTENT}
    return response | ({"headers": _RETRY_AFTER} if status in {429, 503} else {})


def not_yet_visible_response() -> dict[str, Any]:
    """How it describes the one conflict of a question to the projections."""
    return {**problem_response(409), "description": "`not_yet_visible`", "headers": _RETRY_AFTER}


def _batch_command(operation: Operation) -> dict[str, Any]:
    """One command of a batch: the operation's body with what otherwise stands in the path and the headers."""
    schema = operation.body.model_json_schema(ref_template=_SCHEMAS + "{model}")
    schema.pop("$defs", None)
    ids = {name: _path_parameter(name)["schema"] for name in ("account_id", *operation.path_ids)}
    schema["properties"] = {
        "op": {"const": operation.name},
        **ids,
        "idempotency_key": IDEMPOTENCY_KEY["schema"],
        "if_match": {"type": "integer", "minimum": 0},
        **schema.get("properties", {}),
    }
    schema["required"] = list(dict.fromkeys(["op", *ids, *schema.get("required", [])]))
    schema["title"] = f"{operation.name} in a batch"
    return schema


def _in_batch(operation: Operation) -> str:
    return "".join(word.capitalize() for word in operation.name.split("_")) + "InBatch"


BATCH_DOCUMENTATION: dict[str, Any] = {
    "summary": "Many commands at once",
    "description": "Up to 10,000 commands, independent or (`atomic`) all or nothing across accounts. "
    "Each has its own idempotency key, and needs the scope of its operation.",
    "tags": ["commands"],
    "status_code": 200,
    "responses": {
        200: {
            "description": "One result per command, in order",
            "content": {"application/json": {"schema": {"$ref": _SCHEMAS + BatchAnswer.__name__}}},
        },
        **{status: problem_response(status) for status in (400, 401, 403, 409, 413, 415, 422, 429, 500, 503)},
    },
    "openapi_extra": {
        "parameters": [_DRY_RUN],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": _SCHEMAS + "Batch"}}},
        },
    },
}


def _batch_schema() -> dict[str, Any]:
    references = {operation.name: _SCHEMAS + _in_batch(operation) for operation in OPERATIONS.values()}
    return {
        "type": "object",
        "title": "Batch",
        "additionalProperties": False,
        "required": ["commands"],
        "properties": {
            "atomic": {"type": "boolean", "default": False},
            "commands": {
                "type": "array",
                "maxItems": MAX_BATCH,
                "items": {
                    "oneOf": [{"$ref": reference} for reference in references.values()],
                    "discriminator": {"propertyName": "op", "mapping": references},
                },
            },
        },
    }


def schema_of(answer: type) -> dict[str, Any]:
    """The reference to the schema of an answer."""
    return {"$ref": _SCHEMAS + answer.__name__}


def describe(app: FastAPI, answers: Iterable[type]) -> None:
    """Make the document whole: the bodies and answers that routes name by reference, and how to authenticate.

    `answers` are those of queries: the types to which their routes refer with `schema_of`.
    """
    made_by_framework = app.openapi

    def whole() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = made_by_framework()
            _complete(document, answers)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = whole  # type: ignore[method-assign]  # the documented way to extend it


def _complete(document: dict[str, Any], answers: Iterable[type]) -> None:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas |= _schemas(answers)
    schemas["Batch"] = _batch_schema()
    schemas |= {_in_batch(operation): _batch_command(operation) for operation in OPERATIONS.values()}
    document["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": _KEYS + _SCOPES},
        "session": {"type": "http", "scheme": "bearer", "description": _SESSIONS},
    }
    for path, item in document["paths"].items():
        for method, operation in item.items():
            _add_problems_of_all(method, operation["responses"])
            name = route_name(method.upper(), path)
            if PEOPLE.get(name):
                operation["security"] = [{"session": []}]
            elif name not in PEOPLE and (scopes := ROUTES[name]):
                operation["security"] = [{"key": [scope]} for scope in scopes]
                operation["description"] = f"{operation['description'].rstrip()}\n\n{_scope_sentence(scopes)}"


_SESSIONS = "The token of a person who signed in at /api/auth."
_KEYS = "An API key. Each route asks for one of the scopes that it lists; the scope `admin` is enough for all of them. "
_SCOPES = "; ".join(f"`{scope}`: {meaning}" for scope, meaning in MEANINGS.items())


def _scope_sentence(scopes: Scopes) -> str:
    return f"Scope {' or '.join(f'`{scope}`' for scope in scopes)}."


def _add_problems_of_all(method: str, responses: dict[str, Any]) -> None:
    """Add the problems that do not depend on the route: of the query string, and of the time that a body takes."""
    for status in (408, 414) if method in {"post", "put"} else (414,):
        responses[str(status)] = problem_response(status)


def _schemas(of_queries: Iterable[type]) -> dict[str, Any]:
    """What routes name by reference."""
    others = (PortalSessionBody, Plan, Package, CheckoutBody, MatchBody, DismissBody, PriceBookBody, EstimateBody)
    changes = (UpgradeBody, DowngradeBody, CancelBody, ReactivateBody, PortalBody)
    bodies: list[type] = [*(operation.body for operation in ALL_OPERATIONS.values()), *others, *changes, *PEOPLE_BODIES]
    answers: list[type] = [*of_queries, *ANSWERS.values(), BatchAnswer, EventNotice, ProblemDocument]
    named: list[tuple[type, JsonSchemaMode, TypeAdapter[Any]]] = [
        *((body, "validation", TypeAdapter(body)) for body in bodies),
        *((answer, "serialization", TypeAdapter(answer)) for answer in answers),
    ]
    _, schemas = TypeAdapter.json_schemas(named, ref_template=_SCHEMAS + "{model}")
    found: dict[str, Any] = schemas["$defs"]
    return found
