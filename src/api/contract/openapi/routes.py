"""What routes that read their own requests tell the framework, which cannot see it: parameters, bodies and problems."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from api.contract.answers.commands import ANSWERS, BatchAnswer
from api.contract.bodies import ACCOUNT_ID, MAX_KEY, ONE_LINE, Body
from api.contract.openapi.problem_schemas import problem_response
from api.contract.openapi.refusals import codes_of, needs_key
from api.contract.openapi.schemas import reference
from api.contract.operations import Operation
from ledger.domain.commands import MAX_ID

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
_OF_EVERY_COMMAND = 401, 403, 413, 415, 429, 500, 503


def schema_of(shape: type) -> dict[str, Any]:
    """The reference to the schema of a body or an answer."""
    return reference(shape.__name__)


def command_documentation(operation: Operation) -> dict[str, Any]:
    """What add_api_route is told about one operation."""
    answer = {"application/json": {"schema": schema_of(ANSWERS[operation.name])}}
    problems = {status: problem_response(status) for status in _OF_EVERY_COMMAND}
    problems |= {status: problem_response(status, *codes) for status, codes in codes_of(operation).items()}
    path = [path_parameter(name) for name in ("account_id", *operation.path_ids) if f"{{{name}}}" in operation.path]
    return {
        "summary": operation.summary,
        "description": f"{operation.body.__doc__} {_key_sentence(operation)}",
        "tags": ["commands"],
        "status_code": 201,
        "responses": {
            201: {"description": "Done and durable", "content": answer},
            200: {"description": "A replay of the original answer, or a dry run", "content": answer}
            | {"headers": _REPLAYED},
            **dict(sorted(problems.items())),
        },
        "openapi_extra": {
            "parameters": [*path, _key_parameter(operation), _IF_MATCH, _DRY_RUN],
            "requestBody": {
                "required": not _may_be_absent(operation.body),
                "content": {"application/json": {"schema": schema_of(operation.body)}},
            },
        },
    }


def _may_be_absent(body: type[Body]) -> bool:
    """Whether a request without a body is a good one."""
    try:
        body.model_validate({})
    except ValidationError:
        return False
    return True


def _key_sentence(operation: Operation) -> str:
    if operation.name == "payment":
        return "Without the header, `provider`, `payment_id` and `status` are the idempotency key."
    if operation.own_key:
        return f"Without the header, `{operation.own_key}` is the idempotency key."
    return "The Idempotency-Key header is required."


def _key_parameter(operation: Operation) -> Mapping[str, Any]:
    return {**IDEMPOTENCY_KEY, "required": True} if needs_key(operation) else IDEMPOTENCY_KEY


def path_parameter(name: str) -> dict[str, Any]:
    """An id in a path."""
    schema = {"type": "string", "minLength": 1, "maxLength": MAX_ID, "pattern": ONE_LINE}
    parameter = {"name": name, "in": "path", "required": True, "schema": schema}
    return {**parameter, "description": ACCOUNT_ID} if name == "account_id" else parameter


BATCH_DOCUMENTATION: dict[str, Any] = {
    "summary": "Many commands at once",
    "description": "Up to 10,000 commands, independent or (`atomic`) all or nothing across accounts. "
    "Each has its own idempotency key, and needs the scope of its operation.",
    "tags": ["commands"],
    "status_code": 200,
    "responses": {
        200: {
            "description": "One result per command, in order",
            "content": {"application/json": {"schema": schema_of(BatchAnswer)}},
        },
        **{status: problem_response(status) for status in (400, 401, 403, 415, 422, 429, 500, 503)},
        409: problem_response(409, "batch_refused"),
        413: problem_response(413, "body_too_large", "batch_too_large"),
    },
    "openapi_extra": {
        "parameters": [_DRY_RUN],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": reference("Batch")}},
        },
    },
}
