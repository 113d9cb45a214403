"""Keeping the star moving while the demo serves: a deduction every few seconds, as a service would post it.

It is a caller like any other, over HTTP and with a key of its own. Nothing that goes wrong ends it: it tries again.
"""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from secrets import token_hex
from typing import Any

import orjson

from api.demo.offers import MIDDLE
from api.demo.people import Customer
from api.demo.star import next_deduction

_PAUSE = (3.0, 8.0)
"""Seconds between two deductions."""
_PATIENCE = 10
_TOO_LITTLE = 402


class Poster:
    """Posts commands for one customer."""

    def __init__(self, address: tuple[str, int], key: str, customer: Customer) -> None:
        self._address = address
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._customer = customer

    def step(self, chance: Random) -> int | None:
        """One deduction, or, when there is too little for it, a top-up; the status, or None without an answer."""
        status = self._post("deductions", next_deduction(chance, self._customer) | {"task_id": f"task_{token_hex(7)}"})
        return self._post("payments", _top_up(self._customer)) if status == _TOO_LITTLE else status

    def _post(self, what: str, body: dict[str, Any]) -> int | None:
        connection = http.client.HTTPConnection(*self._address, timeout=_PATIENCE)
        try:
            path = f"/v1/accounts/{self._customer.account_id}/{what}"
            connection.request("POST", path, orjson.dumps(body), self._headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None  # it does not serve yet, or no more
        finally:
            connection.close()


def _top_up(customer: Customer) -> dict[str, Any]:
    said = {"provider": customer.provider, "status": "paid", "currency": customer.currency}
    grant = {"kind": "permanent", "amount": MIDDLE.credits, "source": "topup"}
    return {**said, "payment_id": f"pi_{token_hex(7)}", "amount_minor": MIDDLE.price_minor, "grant": grant}


@contextmanager
def moving(poster: Poster, chance: Random) -> Iterator[None]:
    """A thread that posts until the block ends."""
    stopping = threading.Event()
    thread = threading.Thread(target=_move, args=[poster, chance, stopping], name="demo", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(_PATIENCE)


def _move(poster: Poster, chance: Random, stopping: threading.Event) -> None:
    while not stopping.wait(chance.uniform(*_PAUSE)):
        poster.step(chance)
