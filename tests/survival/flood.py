"""A flood: callers who send at given times whether or not they were answered, and who do not wait for ever.

Run by faults/overload.py in a process of its own; prints one JSON object. A request that finds no free connection for
longer than PATIENCE is given up by its caller and never sent. Without a rate, each connection sends as soon as it is
answered, which is how a capacity is measured.
"""

import argparse
import asyncio
import gc
import json
import os
import sys
from collections import deque
from collections.abc import Iterator
from time import monotonic
from typing import NamedTuple, cast

import uvloop

from benchmarks.line import deduction, read_head

ACCOUNTS = 200
KEY = "FLOOD_API_KEY"
PATIENCE = 0.5
ANSWERS = 60.0
"""Seconds that answers may still take when everything was sent."""
_TICK = 0.001


def account(number: int) -> str:
    """The account that a request is about."""
    return f"flood-{number % ACCOUNTS:03}"


class Phase(NamedTuple):
    """Requests at a rate, a second, for some seconds."""

    seconds: float
    rate: float


class Lane(asyncio.Protocol):
    """One keep-alive connection; it carries one request at a time."""

    def __init__(self, flood: "Flood") -> None:
        self._flood = flood
        self._received = b""
        self.number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready to carry."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def carry(self, number: int, request: bytes) -> None:
        """Send a request."""
        self.number = number
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Report an answer when it is whole."""
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        status, length = read_head(self._received[:end])
        if len(self._received) >= end + 4 + length:
            self._received = b""
            self._flood.answered(self, status)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody hangs up before the end, so this is one, or a failure."""
        self._flood.lost(exc)


class Flood:
    """Which request is sent when, and what became of each."""

    def __init__(self, phases: list[Phase], prefix: str) -> None:
        self._moments = _timetable(phases)
        self._until = sum(phase.seconds for phase in phases)
        self._endless = all(phase.rate == 0 for phase in phases)
        self._prefix, self._key = prefix, os.environ[KEY]
        self._loop = asyncio.get_running_loop()
        self._idle: deque[Lane] = deque()
        self._due: deque[float] = deque()
        self._flying: dict[int, float] = {}
        self._number = 0
        self.done: asyncio.Future[None] = self._loop.create_future()
        self.answers: list[tuple[int, float, float, int]] = []
        """Number, when it was due, how long after that it was answered, and with which status."""
        self.given_up: list[float] = []

    def start(self, lanes: list[Lane]) -> None:
        """The first request is due now."""
        self._began = monotonic()
        self._idle.extend(lanes)
        self._next = next(self._moments, None)
        self._tick()

    @property
    def _now(self) -> float:
        return monotonic() - self._began

    def _tick(self) -> None:
        now = self._now
        while self._next is not None and self._next <= now:
            self._due.append(self._next)
            self._next = next(self._moments, None)
        while self._due and now - self._due[0] > PATIENCE:
            self.given_up.append(self._due.popleft())
        while self._idle and (self._due or self._more):
            self._send(self._idle.popleft())
        if self._more or self._next is not None or self._due:
            self._loop.call_later(_TICK, self._tick)
        else:
            self._finish()

    @property
    def _more(self) -> bool:
        return self._endless and self._now < self._until

    def _send(self, lane: Lane) -> None:
        number = self._number
        self._number += 1
        self._flying[number] = self._due.popleft() if self._due else self._now
        lane.carry(number, deduction(account(number), self._key, f"{self._prefix}{number}"))

    def answered(self, lane: Lane, status: int) -> None:
        """An answer has come."""
        due = self._flying.pop(lane.number)
        self.answers.append((lane.number, due, self._now - due, status))
        self._idle.append(lane)
        if self._due or self._more:
            self._send(self._idle.popleft())
        elif self._next is None:
            self._finish()

    def lost(self, error: Exception | None) -> None:
        """A connection has ended."""
        if not self.done.done():
            self.done.set_exception(error or ConnectionResetError("the service has closed a connection"))

    def _finish(self) -> None:
        if not self._flying and not self.done.done():
            self.done.set_result(None)


def _timetable(phases: list[Phase]) -> Iterator[float]:
    begin = 0.0
    for seconds, rate in phases:
        yield from (begin + number / rate for number in range(int(seconds * rate)))
        begin += seconds


async def run(options: argparse.Namespace) -> dict[str, object]:
    """The whole flood."""
    phases = [Phase(*map(float, phase.split("x"))) for phase in options.phases.split(",")]
    flood = Flood(phases, options.prefix)
    gc.freeze()
    gc.disable()
    loop = asyncio.get_running_loop()
    lanes = [
        (await loop.create_connection(lambda: Lane(flood), "127.0.0.1", options.port))[1]
        for _ in range(options.connections)
    ]
    flood.start(lanes)
    await asyncio.wait_for(flood.done, sum(phase.seconds for phase in phases) + ANSWERS)
    return {"answers": flood.answers, "given_up": flood.given_up}


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--prefix", required=True, help="what the idempotency keys begin with")
    parser.add_argument("--phases", required=True, help="seconds x requests a second, such as 2x500,10x3000")
    json.dump(uvloop.run(run(parser.parse_args())), sys.stdout)


if __name__ == "__main__":
    main()
