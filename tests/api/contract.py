"""The OpenAPI document as a contract: every answer in a test is checked against it."""

import re
from functools import cache
from typing import Any

import httpx
from jsonschema_rs import Draft202012Validator

from api.contract.problems import STATUSES

_WITH_SLASHES = {"key", "payment_id"}
"""Path parameters that may go on over several segments."""


class Contract:
    """Finds the operation that a request was for, and complains about an answer that it does not announce."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._components = document["components"]
        self._paths: list[tuple[re.Pattern[str], str]] = [(_pattern(path), path) for path in document["paths"]]
        self._validator = cache(self._make_validator)

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
        if request.method == "POST":
            assert response.headers.get("x-request-id"), said
        announced = self.document["paths"][template][request.method.lower()]["responses"]
        assert str(response.status_code) in announced, f"not in the document: {said}"
        content = announced[str(response.status_code)].get("content", {})
        media_type = response.headers["content-type"].partition(";")[0]
        assert media_type in content, f"{media_type} is not in the document: {said}"
        if media_type.endswith("json"):
            self._check_body(template, request.method.lower(), response, media_type, said)

    def _check_body(self, template: str, method: str, response: httpx.Response, media_type: str, said: str) -> None:
        errors = self._validator(template, method, response.status_code, media_type).iter_errors(response.json())
        assert [error.message for error in errors] == [], said
        if response.status_code < 300:
            unsaid = _unsaid(response.json(), self._schema(template, method, response.status_code, media_type), self)
            assert unsaid == [], f"fields that are not in the document: {unsaid}: {said}"

    def _schema(self, template: str, method: str, status: int, media_type: str) -> dict[str, Any]:
        operation = self.document["paths"][template][method]
        schema: dict[str, Any] = operation["responses"][str(status)]["content"][media_type]["schema"]
        return schema

    def _make_validator(self, template: str, method: str, status: int, media_type: str) -> Draft202012Validator:
        schema = {**self._schema(template, method, status, media_type), "components": self._components}
        return Draft202012Validator(schema, validate_formats=True)

    def errors(self, name: str, value: Any) -> list[str]:
        """How a value differs from a schema of the document."""
        schema = {"$ref": f"#/components/schemas/{name}", "components": self._components}
        validator = Draft202012Validator(schema, validate_formats=True)
        return [error.message for error in validator.iter_errors(value)] + _unsaid(value, schema, self)

    def resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema that a reference means."""
        while "$ref" in schema:
            schema = self._components["schemas"][schema["$ref"].rpartition("/")[2]]
        return schema


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    return re.compile("".join(_part(part, named=index % 2 == 1) for index, part in enumerate(parts)))


def _part(part: str, *, named: bool) -> str:
    if not named:
        return re.escape(part)
    return ".+" if part in _WITH_SLASHES else "[^/]+"


def _unsaid(value: Any, schema: dict[str, Any], contract: Contract, where: str = "") -> list[str]:
    """The fields of an answer that its schema does not name. A schema without fields allows any."""
    schema = contract.resolved(schema)
    if isinstance(value, list):
        return [name for part in value for name in _unsaid(part, schema.get("items", {}), contract, f"{where}[]")]
    if not isinstance(value, dict) or "properties" not in schema:
        return []
    known = schema["properties"]
    found = [f"{where}.{name}" for name in value.keys() - known.keys()]
    for name in value.keys() & known.keys():
        found += _unsaid(value[name], known[name], contract, f"{where}.{name}")
    return found


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
