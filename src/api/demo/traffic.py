"""Traffic of the showcase account while the demo serves: a deduction every few seconds, as a service would post it.

It is a caller like any other, over HTTP and with a key of its own. Nothing that goes wrong ends it: it tries again.
"""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import orjson

from api.demo.activities import make_top_up
from api.demo.company import Customer
from api.demo.tasks import make_task

_TIMEOUT = 10
_CHEAP = ("gpt-5-mini", "gemini-2.5-flash", "mistral-small")


def next_deduction(rng: Random, customer: Customer) -> dict[str, Any]:
    """The body of one more, cheap enough to continue for hours."""
    return make_task(rng, customer, rng.choice(customer.members), _CHEAP)._asdict()


class TrafficPoster:
    """Posts commands for one customer."""

    def __init__(self, address: tuple[str, int], key: str, customer: Customer, rng: Random) -> None:
        self._address, self._customer, self._rng = address, customer, rng
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def step(self) -> int | None:
        """One deduction, or, when there is too little for it, a top-up; the status, or None without an answer."""
        status = self._post("deductions", next_deduction(self._rng, self._customer))
        if status != http.client.PAYMENT_REQUIRED:
            return status
        return self._post("payments", make_top_up(self._rng, self._customer))

    def _post(self, what: str, body: dict[str, Any]) -> int | None:
        connection = http.client.HTTPConnection(*self._address, timeout=_TIMEOUT)
        try:
            path = f"/v1/accounts/{self._customer.account_id}/{what}"
            connection.request("POST", path, orjson.dumps(body), self._headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None  # it does not serve yet, or no more
        finally:
            connection.close()

    @contextmanager
    def running(self) -> Iterator[None]:
        """A thread that posts until the block ends."""
        stopping = threading.Event()
        thread = threading.Thread(target=self._post_until, args=[stopping], name="demo", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join(_TIMEOUT)

    def _post_until(self, stopping: threading.Event) -> None:
        while not stopping.wait(self._rng.uniform(3, 8)):
            self.step()
