"""JSON answers: the return type of a route's function is the type that is served and documented."""

import json
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import orjson
from fastapi import Response

from api.http.requests.authentication import ScopedRoute

AnswerT = TypeVar("AnswerT")


class JsonAnswer(Response, Generic[AnswerT]):
    """A JSON answer. Integers beyond 64 bits, such as sums, are exact too, though written by a slower encoder."""

    media_type = "application/json"

    def __init__(self, answer: AnswerT, status: int = 200, headers: dict[str, str] | None = None) -> None:
        super().__init__(_encode(answer), status, headers)


class AnswerRoute(ScopedRoute):
    """A route whose function returns JsonAnswer[T]. The OpenAPI document describes T; the answer is not converted."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        returned = get_type_hints(endpoint).get("return")
        if get_origin(returned) is JsonAnswer:
            [options["response_model"]] = get_args(returned)
        super().__init__(path, endpoint, **options)


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
