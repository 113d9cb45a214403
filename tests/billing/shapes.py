"""What differs between a simulated payload and the types of the providers' own libraries.

The tests import this module when they run: the libraries and Dodo's model of all events take a second, in each process
of a run.
"""

import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import dodopayments.types as dodo_types
import stripe
from dodopayments._models import BaseModel
from pydantic import TypeAdapter

THINGS: Mapping[str, type] = {
    "charge": stripe.Charge,
    "checkout.session": stripe.checkout.Session,
    "dispute": stripe.Dispute,
    "invoice": stripe.Invoice,
    "invoice_payment": stripe.InvoicePayment,
    "subscription": stripe.Subscription,
}
"""Stripe's types of the objects that events are about, by the name that an object gives itself."""
DODO = TypeAdapter(dodo_types.UnwrapWebhookEvent)


class Names(dict[str, Any]):
    """The names in the annotations of a type: those of its module and class, and else whatever Stripe calls so."""

    def __missing__(self, name: str) -> Any:
        return getattr(stripe, name, Any)


@cache
def hints(kind: type) -> dict[str, Any]:
    """The fields of a type of Stripe. Its annotations name types that are imported for type checkers alone."""
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__[:-1]):
        if issubclass(base, stripe.StripeObject) and base is not stripe.StripeObject:
            found |= get_type_hints(base, {}, Names(vars(sys.modules[base.__module__]) | vars(base)))
    return found


def offences(value: Any, kind: Any, path: str) -> Iterator[str]:
    """What in a value is not of a type, by its path."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return
    if origin in (Union, UnionType):
        found = [list(offences(value, one, path)) for one in arguments]
        yield from min(found, key=len)
    elif origin is Literal:
        if value not in arguments:
            yield f"{path}: {value!r} is none of {arguments}"
    elif origin is list and isinstance(value, list):
        for place, one in enumerate(value):
            yield from offences(one, arguments[0], f"{path}.{place}")
    elif origin is stripe.ListObject and isinstance(value, dict):
        yield from offences(value["data"], list[arguments[0]], f"{path}.data")  # type: ignore[valid-type]
    elif isinstance(kind, type) and issubclass(kind, stripe.StripeObject) and isinstance(value, dict):
        yield from offences_in_object(value, kind, path)
    elif isinstance(origin, type) and issubclass(origin, stripe.StripeObject) and isinstance(value, dict):
        return  # metadata: any texts
    elif kind is Decimal and isinstance(value, str):
        Decimal(value)  # a text in JSON
    elif not isinstance(kind, type) or type(value) is not kind:
        yield f"{path}: {value!r} is no {kind}"


def offences_in_object(value: dict[str, Any], kind: type, path: str) -> Iterator[str]:
    for name, one in value.items():
        if name in hints(kind):
            yield from offences(one, hints(kind)[name], f"{path}.{name}")
        else:
            yield f"{path}.{name}: {kind.__qualname__} has no such field"


def unknown(model: Any, path: str) -> Iterator[str]:
    """The fields that a model of Dodo's library took without knowing them, by their paths."""
    if isinstance(model, BaseModel):
        yield from (f"{path}.{name}" for name in model.model_extra or {})
        for name in type(model).model_fields:
            yield from unknown(getattr(model, name), f"{path}.{name}")
    elif isinstance(model, list):
        for place, one in enumerate(model):
            yield from unknown(one, f"{path}.{place}")
