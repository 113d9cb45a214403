"""The schemas of batches: each command with what otherwise stands in its path and headers, and each result."""

from collections.abc import Mapping

from api.contract.answers.commands import ANSWERS
from api.contract.bodies import MAX_BATCH
from api.contract.openapi.problem_schemas import union_of
from api.contract.openapi.refusals import codes_in_batch, needs_key
from api.contract.openapi.routes import IDEMPOTENCY_KEY, path_parameter
from api.contract.openapi.schemas import Schema, forms, reference, split
from api.contract.operations import OPERATIONS, Operation

BATCH = "Batch"
_PROBLEM = "ProblemInBatch"
_STATUS = {"type": "integer", "description": "the status that it would have alone"}


def batch_schemas(schemas: Mapping[str, Schema]) -> dict[str, Schema]:
    """The schemas of a batch and of its results, from those of the bodies (before they are split) and answers."""
    commands = split({_named(one, "InBatch"): _command(one, schemas) for one in OPERATIONS.values()})
    every = [form for one in OPERATIONS.values() for form in forms(_named(one, "InBatch"), commands)]
    results = {_named(one, "Result"): _result(one, schemas) for one in OPERATIONS.values()}
    problem = {"title": _PROBLEM, "description": "Why a command of a batch was refused.", **union_of(codes_in_batch())}
    answer = {**schemas["BatchAnswer"]}
    answer["properties"] = {"results": {"type": "array", "items": _one_of([*results, _PROBLEM])}}
    only_forms = {name: schema for name, schema in commands.items() if name in every}
    return {**only_forms, **results, _PROBLEM: problem, "BatchAnswer": answer, BATCH: _batch(every)}


def _one_of(names: list[str]) -> Schema:
    return {"oneOf": [reference(name) for name in names]}


def _named(operation: Operation, end: str) -> str:
    return "".join(word.capitalize() for word in operation.name.split("_")) + end


def _command(operation: Operation, schemas: Mapping[str, Schema]) -> Schema:
    body = schemas[operation.body.__name__]
    ids = {name: path_parameter(name)["schema"] for name in ("account_id", *operation.path_ids)}
    keys = ["idempotency_key"] if needs_key(operation) else []
    return {
        **body,
        "title": _named(operation, "InBatch"),
        "properties": {
            "op": {"type": "string", "const": operation.name},
            **ids,
            "idempotency_key": IDEMPOTENCY_KEY["schema"],
            "if_match": {"type": "integer", "minimum": 0},
            **body.get("properties", {}),
        },
        "required": list(dict.fromkeys(["op", *ids, *keys, *body.get("required", [])])),
    }


def _result(operation: Operation, schemas: Mapping[str, Schema]) -> Schema:
    answer = schemas[ANSWERS[operation.name].__name__]
    told = {"op": {"type": "string", "const": operation.name}, "status": _STATUS}
    return {
        **answer,
        "title": _named(operation, "Result"),
        "properties": {**answer["properties"], **told},
        "required": [*told, *answer["required"]],
    }


def _batch(commands: list[str]) -> Schema:
    any_form = {"anyOf": [reference(name) for name in commands]}
    return {
        "type": "object",
        "title": BATCH,
        "description": "Commands in the order in which they are carried out.",
        "additionalProperties": False,
        "required": ["commands"],
        "properties": {
            "atomic": {"type": "boolean", "description": "all of them or none; default: false"},
            "commands": {"type": "array", "maxItems": MAX_BATCH, "items": any_form},
        },
    }
