"""A simulated event as a delivery: the bytes of its body, and the headers with which its provider would sign them."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from billing.providers.signatures import signature, standard_key, text_key
from billing.simulation.dodo_events import dodo_events
from billing.simulation.lemonsqueezy_events import lemonsqueezy_events
from billing.simulation.steps import Customer, Event, Step
from billing.simulation.stripe_events import stripe_events


@dataclass(frozen=True, slots=True)
class Signed:
    """What is posted: an event with its headers and body."""

    event: Event
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def events_of(provider: str, customer: Customer, step: Step, *, live: bool) -> list[Event]:
    """The events with which a provider tells a step. Raises KeyError for a provider that is not simulated."""
    return _EVENTS[provider](customer, step, live)


def signed(provider: str, event: Event, secret: str, now: datetime) -> Signed:
    """An event as its provider would post it now. Raises ValueError for a secret that is none of this provider's."""
    body = orjson.dumps(event.payload)
    headers = {"content-type": "application/json", **_SIGNERS[provider](event, body, secret, now)}
    return Signed(event, headers, body)


def _sign_standard(event: Event, body: bytes, secret: str, now: datetime) -> Mapping[str, str]:
    sent = str(int(now.timestamp()))
    made = signature(standard_key(secret), f"{event.event_id}.{sent}.".encode() + body)
    return {
        "webhook-id": event.event_id,
        "webhook-timestamp": sent,
        "webhook-signature": f"v1,{base64.b64encode(made).decode()}",
    }


def _sign_stripe(event: Event, body: bytes, secret: str, now: datetime) -> Mapping[str, str]:
    sent = str(int(now.timestamp()))
    made = signature(text_key(secret), f"{sent}.".encode() + body)
    return {"stripe-signature": f"t={sent},v1={made.hex()}"}


def _sign_lemonsqueezy(event: Event, body: bytes, secret: str, now: datetime) -> Mapping[str, str]:
    return {"x-event-name": event.type, "x-signature": signature(text_key(secret), body).hex()}


_EVENTS: Mapping[str, Callable[[Customer, Step, bool], list[Event]]] = {
    "dodo": lambda customer, step, live: dodo_events(customer, step),
    "lemonsqueezy": lambda customer, step, live: lemonsqueezy_events(customer, step, live=live),
    "stripe": lambda customer, step, live: stripe_events(customer, step, live=live),
}
_SIGNERS: Mapping[str, Callable[[Event, bytes, str, datetime], Mapping[str, str]]] = {
    "dodo": _sign_standard,
    "lemonsqueezy": _sign_lemonsqueezy,
    "stripe": _sign_stripe,
}
SIMULATED = tuple(_EVENTS)
"""The providers that can be simulated."""
