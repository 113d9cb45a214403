"""JSON answers: the return type of a route's function is the type that is served and documented."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any, Generic, Self, TypeVar, get_args, get_origin, get_type_hints

import orjson
from fastapi import Request, Response
from fastapi.params import Path, Query
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.routing import BaseRoute

from api.contract.openapi import schema_of
from api.contract.problems import from_pydantic
from api.http.requests.ambiguity import parameters_of
from api.http.requests.authentication import Handler, ScopedRoute

AnswerT = TypeVar("AnswerT")
_JSON = (b"content-type", b"application/json")


class JsonAnswer(Response, Generic[AnswerT]):
    """A JSON answer. Integers beyond 64 bits, such as sums, are exact too, though written by a slower encoder."""

    media_type = "application/json"

    def __init__(self, answer: AnswerT, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.status_code = status
        self.background = None
        self.body = _encode(answer)
        self.raw_headers = [(b"content-length", b"%d" % len(self.body)), _JSON]
        if headers:
            self.raw_headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]

    @classmethod
    def not_modified(cls, headers: dict[str, str]) -> Self:
        """304: the caller has this answer already, as the entity tag of its request says."""
        made = cls.__new__(cls)
        made.status_code, made.background, made.body = 304, None, b""
        made.raw_headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        return made


class AnswerRoute(ScopedRoute):
    """A route whose function returns JsonAnswer[T]. The OpenAPI document describes T; the answer is not converted.

    The route names the schema of T, which is made with the document: the framework would make it twice at each start.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        returned = get_type_hints(endpoint).get("return")
        self.answers: tuple[type, ...] = ()
        """The types of which T is one; none where the answer is not JSON."""
        if get_origin(returned) is JsonAnswer:
            [answer] = get_args(returned)
            self.answers = get_args(answer) or (answer,)
            options |= {"response_model": None, "responses": self._responses(**options)}
        super().__init__(path, endpoint, **options)

    def _responses(
        self, *, status_code: int | None = None, responses: Mapping[int | str, Any] | None = None, **_: Any
    ) -> dict[int | str, Any]:
        references = [schema_of(answer) for answer in self.answers]
        schema = references[0] if len(references) == 1 else {"anyOf": references}
        described = {"content": {"application/json": {"schema": schema}}}
        others = dict(responses or {})
        status = status_code or 200
        return {**others, status: {**described, **others.get(status, {})}}

    def handler(self) -> Handler:
        """A handler of our own: the framework's takes as long as the query of a balance."""
        endpoint, arguments = self.endpoint, _arguments_of(self.endpoint)

        async def answer(request: Request) -> Response:
            response: Response = await endpoint(request, **arguments.of(request))
            return response

        return answer


def answers_of(routes: Iterable[BaseRoute]) -> list[type]:
    """The types of all JSON answers of some routes, each once."""
    return [*dict.fromkeys(answer for route in routes if isinstance(route, AnswerRoute) for answer in route.answers)]


class _Arguments:
    """The arguments of a route's function: its request, texts in the path, and a model of the query."""

    def __init__(self, endpoint: Callable[..., Any]) -> None:
        hints = get_type_hints(endpoint, include_extras=True)
        self._path: list[tuple[str, TypeAdapter[str]]] = []
        self._query: list[tuple[str, type[BaseModel]]] = []
        for name, hint in hints.items():
            match getattr(hint, "__metadata__", ()):
                case (Path(), *_):
                    self._path.append((name, _reader_of(hint)))
                case (Query(), *_):
                    self._query.append((name, hint.__origin__))
                case _:
                    assert name in {"request", "return"}, f"{endpoint.__name__} has an argument {name}"

    def of(self, request: Request) -> dict[str, Any]:
        """The arguments of one request. Raises Problem: validation_failed."""
        values: dict[str, Any] = {}
        errors: list[Any] = []
        for name, text in self._path:
            try:
                values[name] = text.validate_python(request.path_params[name])
            except ValidationError as error:
                errors += [{**detail, "loc": (name,)} for detail in error.errors(include_url=False)]
        for name, model in self._query:
            try:
                values[name] = model.model_validate(parameters_of(request.scope))
            except ValidationError as error:
                errors += error.errors(include_url=False)
        if errors:
            raise from_pydantic(errors)
        return values


@cache
def _arguments_of(endpoint: Callable[..., Any]) -> _Arguments:
    """Made once, although a query has two handlers: one behind the framework, one before it."""
    return _Arguments(endpoint)


@cache
def _reader_of(hint: Any) -> TypeAdapter[str]:
    """Made once for all routes with such a text in their path."""
    return TypeAdapter(hint)


def _encode(answer: object) -> bytes:
    try:
        return orjson.dumps(answer, default=_convert, option=orjson.OPT_UTC_Z)
    except orjson.JSONEncodeError:
        return json.dumps(answer, default=_convert, ensure_ascii=False, separators=(",", ":")).encode()


def _convert(value: object) -> object:
    """Convert values that JSON does not have: for example, sums come from the database as Decimal."""
    if isinstance(value, Decimal):
        return int(value)
    if isinstance(value, date):
        return value.isoformat().replace("+00:00", "Z")
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} cannot be encoded as JSON")
