"""The OpenAPI document as a whole: what the framework makes of the routes, with the schemas that they name."""

import re
from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI

from api.contract.answers.answer import ProblemDocument
from api.contract.answers.commands import ANSWERS, BatchAnswer
from api.contract.answers.events import EventNotice
from api.contract.billing_bodies import CheckoutBody, DismissBody, EstimateBody, MatchBody, PriceBookBody
from api.contract.change_bodies import CancelBody, DowngradeBody, PortalBody, ReactivateBody, UpgradeBody
from api.contract.limit_bodies import TEAM_LIMIT_BODIES
from api.contract.openapi.batches import batch_schemas
from api.contract.openapi.examples import EXAMPLES
from api.contract.openapi.names import IDS, TAGS
from api.contract.openapi.problem_schemas import announce, problem_response, problem_schemas, share, types_of_facts
from api.contract.openapi.schemas import SCHEMAS, Schema, schemas_of, split, tidy_parameter, titled
from api.contract.operations import ALL_OPERATIONS
from api.contract.people.bodies import PEOPLE_BODIES
from api.contract.people.keys import KEY_BODIES
from api.contract.people.own_routes import OWN_OF_PEOPLE
from api.contract.people.portal_bodies import PortalSessionBody
from api.contract.people.service_bodies import SERVICE_BODIES
from api.contract.people.subscription import ChosenTierBody
from api.contract.people.team_bodies import TEAM_BODIES
from api.contract.scopes import MEANINGS, PEOPLE, ROUTES, Scopes, route_name
from billing.plans import Package, Plan

_BODIES = (PortalSessionBody, Plan, Package, CheckoutBody, MatchBody, DismissBody, PriceBookBody, EstimateBody)
_OF_PEOPLE = (*PEOPLE_BODIES, *KEY_BODIES, *TEAM_BODIES, *TEAM_LIMIT_BODIES, *SERVICE_BODIES, ChosenTierBody)
_CHANGES = (UpgradeBody, DowngradeBody, CancelBody, ReactivateBody, PortalBody)
_INFO = {
    "title": "Credit ledger",
    "version": "1",
    "description": "Prepaid credits as an event-sourced ledger: exact, durable and idempotent. Every refusal is a "
    "problem document whose `code` says why, and whose other fields are the facts of that code.",
    "contact": {"name": "Whoever runs this service"},
    "license": {"name": "None yet: the owner of the program has not chosen one"},
}
_SESSIONS = "The token of a person who signed in at /api/auth."
_OWN_KEYS = "An API key that the person made. It acts on its account, in their role there, as its scopes say."
_KEYS = "An API key. Each route asks for one of the scopes that it lists; the scope `admin` is enough for all of them. "
_SCOPES = "; ".join(f"`{scope}`: {meaning}" for scope, meaning in MEANINGS.items())


def describe(app: FastAPI, answers: Iterable[type]) -> None:
    """Make the document whole: the bodies and answers that routes name by reference, and how to authenticate.

    `answers` are those of queries: the types to which their routes refer with `schema_of`.
    """
    made_by_framework = app.openapi

    def whole() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _whole(made_by_framework(), answers)
        return app.openapi_schema

    app.openapi = whole  # type: ignore[method-assign]  # the documented way to extend it


def _whole(document: Schema, of_queries: Iterable[type]) -> Schema:
    components = document.setdefault("components", {})
    components["schemas"] = _schemas(components.get("schemas", {}), of_queries)
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": _KEYS + _SCOPES},
        "session": {"type": "http", "scheme": "bearer", "description": _SESSIONS},
        "own_key": {"type": "http", "scheme": "bearer", "description": _OWN_KEYS},
    }
    for path, item in document["paths"].items():
        for method, operation in item.items():
            _complete(method, path, operation)
    share(document)
    _leave_out_unused(document)
    tags = {tag for item in document["paths"].values() for operation in item.values() for tag in operation["tags"]}
    return {
        "openapi": document["openapi"],
        "info": _INFO,
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items() if name in tags],
        "paths": document["paths"],
        "components": components,
    }


def _complete(method: str, path: str, operation: Schema) -> None:
    name = route_name(method.upper(), path)
    operation["operationId"] = IDS.get(name) or _name_of_function(method, path, operation["operationId"])
    for parameter in operation.get("parameters", ()):
        tidy_parameter(parameter)
    responses = operation["responses"]
    for status in (408, 414) if method in {"patch", "post", "put"} else (414,):  # the problems of all routes
        responses[str(status)] = problem_response(status)
    announce(method, path, responses)
    if (example := EXAMPLES.get(operation["operationId"])) is not None:
        operation["requestBody"]["content"]["application/json"]["example"] = dict(example)
    _secure(name, operation)


def _name_of_function(method: str, path: str, made_by_framework: str) -> str:
    return made_by_framework.removesuffix(f"_{method}").removesuffix(re.sub(r"\W", "_", path))


def _secure(name: str, operation: Schema) -> None:
    """Say who may ask."""
    operation["security"] = [{"session": []}] if PEOPLE.get(name) else []
    if (own := OWN_OF_PEOPLE.get(name)) is not None:
        operation["security"].append({"own_key": [own]})
        _add_sentence(operation, f"Takes a key of one's own too, with the scope `{own}`, on its account.")
    elif name not in PEOPLE and (scopes := ROUTES[name]):
        operation["security"] = [{"key": [scope]} for scope in scopes]
        _add_sentence(operation, _scope_sentence(scopes))


def _add_sentence(operation: Schema, sentence: str) -> None:
    operation["description"] = f"{operation['description'].rstrip()}\n\n{sentence}"


def _scope_sentence(scopes: Scopes) -> str:
    return f"Scope {' or '.join(f'`{scope}`' for scope in scopes)}."


def _schemas(made_by_framework: dict[str, Schema], of_queries: Iterable[type]) -> dict[str, Schema]:
    """What routes name by reference."""
    bodies: list[type] = [*(one.body for one in ALL_OPERATIONS.values()), *_BODIES, *_CHANGES, *_OF_PEOPLE]
    answers: list[type] = [*of_queries, *ANSWERS.values(), BatchAnswer, EventNotice, ProblemDocument]
    found, facts = schemas_of(bodies, answers, types_of_facts())
    by_framework = {name: titled(name, schema) for name, schema in made_by_framework.items()}
    whole = {**by_framework, **split(found), **problem_schemas(facts), **batch_schemas(found)}
    return dict(sorted(whole.items()))


def _leave_out_unused(document: Schema) -> None:
    """Leave out the schemas that nothing refers to."""
    schemas = document["components"]["schemas"]
    used: set[str] = set()
    found = _named_in([document["paths"], document["components"]["responses"]])
    while found:
        used |= found
        found = {name for one in found for name in _named_in(schemas[one])} - used
    document["components"]["schemas"] = {name: schema for name, schema in schemas.items() if name in used}


def _named_in(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value.removeprefix(SCHEMAS)} if value.startswith(SCHEMAS) else set()
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {name for part in parts for name in _named_in(part)}
