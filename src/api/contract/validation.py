"""Validation of bodies: how many fields an object has is looked at before its fields are.

Each unknown field would become an error of its own, thousands of them for one request. So an object with more fields
than its model has is refused with their number, at every depth but within the free fields, which have their own limit.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from api.contract.problems import from_pydantic, invalid

BodyT = TypeVar("BodyT", bound=BaseModel)


class _Shape(NamedTuple):
    """The number of fields of a model, the fields that are one of some models themselves, and the names of those.

    `validate` is what `model_validate` calls, after looks at options that no body has.
    """

    size: int
    models: tuple[tuple[str, tuple[type[BaseModel], ...]], ...]
    names: frozenset[str]
    validate: Callable[[object], Any]


def validated(kind: type[BodyT], fields: dict[str, Any]) -> BodyT:
    """A body from the fields of a request. Raises Problem: validation_failed."""
    size, _, models, validate = _shape_of(kind)
    if len(fields) > size or not models.isdisjoint(fields):
        _check_size((kind,), fields, "body")
    try:
        body: BodyT = validate(fields)
    except ValidationError as error:
        raise from_pydantic(error.errors(include_url=False), about_zero=getattr(kind, "ABOUT_ZERO", {})) from None
    return body


def _check_size(kinds: Sequence[type[BaseModel]], fields: Mapping[str, Any], name: str) -> None:
    """Look at an object that is one of some models, and at the objects in it."""
    largest = max(kinds, key=lambda kind: _shape_of(kind).size)
    if len(fields) > (size := _shape_of(largest).size):
        known = ", ".join(largest.model_fields)
        raise invalid(name, f"has {len(fields)} fields and may have at most {size} ({known})")
    for below, models in (pair for kind in kinds for pair in _shape_of(kind).models):
        value = fields.get(below)
        path = below if name == "body" else f"{name}.{below}"
        if isinstance(value, dict):
            _check_size(models, value, path)
        elif isinstance(value, list):
            for index, part in enumerate(value):
                if isinstance(part, dict):
                    _check_size(models, part, f"{path}.{index}")


@cache
def _shape_of(kind: type[BaseModel]) -> _Shape:
    found = ((name, tuple(_models_in(field.annotation))) for name, field in kind.model_fields.items())
    models = tuple((name, those) for name, those in found if those)
    names = frozenset(name for name, _ in models)
    return _Shape(len(kind.model_fields), models, names, kind.__pydantic_validator__.validate_python)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
