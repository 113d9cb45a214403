"""Simulated deliveries are posted to a running service, and its answers are kept."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import orjson

from billing.simulation.scenarios import SCENARIOS, Prices, steps_of
from billing.simulation.signing import Signed, events_of
from billing.simulation.steps import Customer, Event

_TIMEOUT = 10.0
"""Seconds to wait for an answer: less than any provider waits."""
_LONGEST_ANSWER = 65_536


class NoAnswer(Exception):
    """A delivery got no answer: nothing listens there, or it broke off."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a delivery: its HTTP status, and its JSON if it has any."""

    status: int
    body: Any

    @property
    def is_received(self) -> bool:
        """Whether a provider would take it as received, and not deliver again."""
        return 200 <= self.status < 300


class _NoRedirect(HTTPRedirectHandler):
    """Providers follow no redirect."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Let the redirect be the answer."""


def events_to_post(
    provider: str, scenario: str, customer: Customer, prices: Prices, now: datetime, *, live: bool
) -> list[Event]:
    """The events of a scenario in the order in which they are posted. The customer's number is the seed of chance."""
    steps = steps_of(scenario, prices, now)
    events = [event for step in steps for event in events_of(provider, customer, step, live=live)]
    if SCENARIOS[scenario].shuffled:
        events *= 2
        random.Random(customer.number).shuffle(events)  # noqa: S311  # an order that can be had again, no secret
    return events


def post(url: str, signed: Signed) -> Answer:
    """Post a delivery. Raises NoAnswer, and ValueError for a URL that is not http or https."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{url} is not an address that begins with http:// or https://")
    request = Request(url, signed.body, dict(signed.headers), method="POST")  # noqa: S310  # the scheme is checked
    try:
        with build_opener(_NoRedirect).open(request, timeout=_TIMEOUT) as answer:
            return Answer(answer.status, _json(answer.read(_LONGEST_ANSWER)))
    except HTTPError as error:
        with error:
            return Answer(error.code, _json(error.read(_LONGEST_ANSWER)))
    except (OSError, HTTPException) as error:
        raise NoAnswer(f"{url} does not answer: {error}") from error


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def not_received(answers: Sequence[Answer]) -> int:
    """How many of some answers are refusals."""
    return sum(not answer.is_received for answer in answers)
