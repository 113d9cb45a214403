"""Answers as JSON: the type that the function of a route returns is what it serves and what is documented."""

import json
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import orjson
from fastapi import Response
from fastapi.routing import APIRoute

AnswerT = TypeVar("AnswerT")


class JsonAnswer(Response, Generic[AnswerT]):
    """A JSON answer. Sums may be larger than the integers of the faster writer; they are exact all the same."""

    media_type = "application/json"

    def __init__(self, answer: AnswerT, status: int = 200, headers: dict[str, str] | None = None) -> None:
        super().__init__(_written(answer), status, headers)


class AnswerRoute(APIRoute):
    """A route whose function returns JsonAnswer[T]: the OpenAPI document has T. Nothing is serialised through it."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        returned = get_type_hints(endpoint).get("return")
        if get_origin(returned) is JsonAnswer:
            [options["response_model"]] = get_args(returned)
        super().__init__(path, endpoint, **options)


def _written(answer: object) -> bytes:
    try:
        return orjson.dumps(answer, default=_plain, option=orjson.OPT_UTC_Z)
    except orjson.JSONEncodeError:
        return json.dumps(answer, default=_plain, ensure_ascii=False, separators=(",", ":")).encode()


def _plain(value: object) -> object:
    """What is no JSON of itself: sums come from the database as Decimal."""
    if isinstance(value, Decimal):
        return int(value)
    if isinstance(value, date):
        return value.isoformat().replace("+00:00", "Z")
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} has no place in an answer")
