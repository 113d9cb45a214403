"""The OpenAPI document as a contract: every answer in a test is checked against it."""

import re
from functools import cache
from typing import Any

import httpx
import orjson
from fastapi import FastAPI
from jsonschema_rs import Draft202012Validator

from api.app import create_app
from api.contract.problems import STATUSES
from api.http.hot_path import HotPath
from api.runtime.settings import load_settings

_OPEN = {"ProblemDocument", "Cause"}
"""The schemas of problems of any code: each code has facts of its own."""
_WITH_SLASHES = {"key", "payment_id"}
"""Path parameters that may go on over several segments."""
_REFERENCE = re.compile(r'"#/components/schemas/([^"]+)"')


class Contract:
    """Finds the operation that a request was for, and complains about an answer that it does not announce."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._components = document["components"]
        schemas = self._components["schemas"]
        closed, open_ones = _closed(schemas), {name: schemas[name] for name in _OPEN if name in schemas}
        self._closed_schemas = {**closed, **open_ones}
        self._paths: list[tuple[re.Pattern[str], str]] = [(_pattern(path), path) for path in document["paths"]]
        self._validator = cache(self._make_validator)
        self.validator = cache(self._make_plain_validator)
        """What a schema of the document allows, by its name."""

    def template(self, method: str, path: str) -> str | None:
        """The path of the document that serves a request."""
        for pattern, template in self._paths:
            if pattern.fullmatch(path) and method.lower() in self.document["paths"][template]:
                return template
        return None

    def check(self, response: httpx.Response) -> None:
        """Raise AssertionError unless the answer is one that the document announces. A hook of httpx."""
        response.read()
        request = response.request
        if response.status_code >= 400 and request.method != "HEAD":
            check_problem(response)
        template = self.template(request.method, request.url.raw_path.decode().partition("?")[0])
        if template is None:
            return
        said = f"{request.method} {template} answered {response.status_code}: {response.text[:500]}"
        if request.method in {"POST", "PUT"}:
            assert response.headers.get("x-request-id"), said
        announced = self.document["paths"][template][request.method.lower()]["responses"]
        assert str(response.status_code) in announced, f"not in the document: {said}"
        announced = self.responses(template, request.method.lower())
        if response.status_code == 304:
            return
        content = announced[str(response.status_code)].get("content", {})
        media_type = response.headers["content-type"].partition(";")[0]
        assert media_type in content, f"{media_type} is not in the document: {said}"
        if media_type.endswith("json"):
            self._check_body(template, request.method.lower(), response, media_type, said)

    def _check_body(self, template: str, method: str, response: httpx.Response, media_type: str, said: str) -> None:
        validator = self._validator(template, method, response.status_code, media_type)
        assert [error.message for error in validator.iter_errors(response.json())] == [], said

    def _schema(self, template: str, method: str, status: int, media_type: str) -> dict[str, Any]:
        operation = self.responses(template, method)
        schema: dict[str, Any] = operation[str(status)]["content"][media_type]["schema"]
        return schema

    def _make_validator(self, template: str, method: str, status: int, media_type: str) -> Draft202012Validator:
        schema = self._schema(template, method, status, media_type)
        return Draft202012Validator(complete(_closed(schema), self._closed_schemas), validate_formats=True)

    def responses(self, template: str, method: str) -> dict[str, Any]:
        """The responses of an operation, those of the components in place of references to them."""
        found = self.document["paths"][template][method]["responses"]
        return {status: self._components["responses"].get(_named(one), one) for status, one in found.items()}

    def errors(self, name: str, value: Any) -> list[str]:
        """How a value differs from a schema of the document."""
        schema = complete(_reference_to(name), self._closed_schemas)
        validator = Draft202012Validator(schema, validate_formats=True)
        return [error.message for error in validator.iter_errors(value)]

    def _make_plain_validator(self, name: str) -> Draft202012Validator:
        return Draft202012Validator(complete(_reference_to(name), self._components["schemas"]))

    def resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema that a reference means."""
        while "$ref" in schema:
            schema = self._components["schemas"][schema["$ref"].rpartition("/")[2]]
        return schema


@cache
def the_app() -> FastAPI:
    """The application, on a database that is not used."""
    front = create_app(load_settings(), "postgresql:///nowhere")
    assert isinstance(front, HotPath)
    return front.app


@cache
def the_contract() -> Contract:
    """Its document as a contract: that of every service, as test_openapi.py finds. To ask each of them for the same
    document, and to make the same validators of it, takes half a second."""
    return Contract(the_app().openapi())


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    return re.compile("".join(_part(part, named=index % 2 == 1) for index, part in enumerate(parts)))


def _part(part: str, *, named: bool) -> str:
    if not named:
        return re.escape(part)
    return ".+" if part in _WITH_SLASHES else "[^/]+"


def complete(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    """A schema with those that it refers to, and no others: a validator of the whole document takes long to make.

    Raises KeyError for a reference to nothing.
    """
    found: dict[str, Any] = {}
    waiting = [schema]
    while waiting:
        named = set(_REFERENCE.findall(orjson.dumps(waiting.pop()).decode())) - found.keys()
        found |= {name: schemas[name] for name in named}
        waiting += [schemas[name] for name in named]
    return {**schema, "components": {"schemas": found}}


def _reference_to(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _named(response: dict[str, Any]) -> str:
    """The name of the response that a reference means; empty for one that is no reference."""
    return str(response.get("$ref", "")).rpartition("/")[2]


def _closed(schema: Any) -> Any:
    """The same with no other fields than those that it names. A schema without fields allows any."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(part) for name, part in schema.items()}
    if isinstance(schema.get("properties"), dict) and "type" in schema:
        closed["additionalProperties"] = False
    return closed


def check_problem(response: httpx.Response) -> None:
    """Raise AssertionError unless an answer is a problem document with a known code and the headers that go with it."""
    if response.request.url.path == "/readyz":
        return  # it says what is not ready, for a person or a load balancer
    assert response.headers["content-type"] == "application/problem+json", response.text
    document = response.json()
    code = document["code"]
    assert STATUSES[code] == (response.status_code, document["title"])
    assert document["status"] == response.status_code
    assert document["type"] == f"urn:credit-ledger:problem:{code}"
    assert document["detail"]
    assert ("retry-after" in response.headers) == (response.status_code in {429, 503} or code == "not_yet_visible")
    assert ("www-authenticate" in response.headers) == (response.status_code == 401)
