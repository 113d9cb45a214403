"""A client that sends at given times, whether or not earlier requests were answered, and counts from those times.

A client that waits for answers (wrk) sends less when the service is slow, and so hides the queue that real callers
would stand in. Here a request that finds no free connection waits in a queue, and its wait counts. The event loop's
timer wakes up once in a millisecond, so up to one millisecond of every figure is this client's own.

Run by measures/latency.py in a process of its own; prints one JSON object.
"""

import argparse
import asyncio
import gc
import json
import os
import sys
from array import array
from collections import deque
from collections.abc import Sequence
from time import monotonic
from typing import cast

import uvloop

from benchmarks.accounts import name
from benchmarks.line import deduction, read_head

STRIDE = 7919
"""As in load.lua: the accounts come in an order that is spread out and meets all of them."""

TICK = 0.001
PATIENCE = 60.0
"""Seconds that answers may still take when everything was sent."""


class Lane(asyncio.Protocol):
    """One keep-alive connection; it carries one request at a time."""

    def __init__(self, schedule: "Schedule") -> None:
        self._schedule = schedule
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready to carry."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def send(self, number: int, request: bytes) -> None:
        """Send a request; its answer is reported under its number."""
        self._number = number
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
            self._schedule.answered(self, self._number, status)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody hangs up before the end, so this is one, or a failure."""
        self._schedule.lost(exc)


class Schedule:
    """Which request is sent when, and how long each took."""

    def __init__(self, requests: list[bytes], rate: float) -> None:
        self._requests = requests
        self._interval = 1 / rate
        self._next = 0
        self._idle: deque[Lane] = deque()
        self._waiting: deque[int] = deque()
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self._loop.create_future()
        self.seconds = array("d", bytes(8 * len(requests)))
        """From when each request was due until its answer was here."""
        self.late = array("d", bytes(8 * len(requests)))
        """The part of that before it was sent."""
        self.failed = 0
        self.finished = 0

    def start(self, lanes: list[Lane]) -> None:
        """The first request is due now."""
        self._idle.extend(lanes)
        self._began = monotonic()
        self._tick()

    def _tick(self) -> None:
        """Send what is due, or let it wait for a lane."""
        due = min(len(self._requests), int((monotonic() - self._began) / self._interval) + 1)
        self._waiting.extend(range(self._next, due))
        self._next = due
        while self._waiting and self._idle:
            self._send(self._idle.popleft())
        if due < len(self._requests):
            self._loop.call_later(TICK, self._tick)

    def _send(self, lane: Lane) -> None:
        number = self._waiting.popleft()
        self.late[number] = self._since_due(number)
        lane.send(number, self._requests[number])

    def _since_due(self, number: int) -> float:
        return monotonic() - self._began - number * self._interval

    def answered(self, lane: Lane, number: int, status: int) -> None:
        """An answer has come."""
        self.seconds[number] = self._since_due(number)
        self.failed += status != 201
        self.finished += 1
        self._idle.append(lane)
        if self._waiting:
            self._send(self._idle.popleft())
        elif self.finished == len(self._requests) and not self.done.done():
            self.done.set_result(None)

    def lost(self, error: Exception | None) -> None:
        """A connection has ended."""
        if not self.done.done():
            self.done.set_exception(error or ConnectionResetError("the service has closed a connection"))


async def run(options: argparse.Namespace) -> dict[str, float]:
    """The whole run; the warm-up is part of the schedule and not of the figures."""
    skipped = round(options.rate * options.warm_up)
    total = skipped + round(options.rate * options.seconds)
    schedule = Schedule([_request(options, number) for number in range(total)], options.rate)
    gc.freeze()
    gc.disable()
    lanes = []
    for _ in range(options.connections):
        _, lane = await asyncio.get_running_loop().create_connection(lambda: Lane(schedule), "127.0.0.1", options.port)
        lanes.append(lane)
    began = monotonic()
    schedule.start(lanes)
    await asyncio.wait_for(schedule.done, options.warm_up + options.seconds + PATIENCE)
    answered = {"answered": total, "rate": total / (monotonic() - began), "failed": schedule.failed}
    late = _percentiles(schedule.late[skipped:])["p99"]
    return answered | _percentiles(schedule.seconds[skipped:]) | {"late": late}


def _request(options: argparse.Namespace, number: int) -> bytes:
    account = name(number * STRIDE % options.accounts)
    return deduction(account, os.environ["BENCHMARK_API_KEY"], f"{options.prefix}{100_000_000 + number}")


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """In milliseconds."""
    ordered = sorted(seconds)
    return {f"p{share:g}": ordered[int(len(ordered) * share / 100)] * 1e3 for share in (50, 90, 99, 99.9)}


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("port", "seconds", "warm-up", "connections", "accounts"):
        parser.add_argument(f"--{option}", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True, help="requests a second")
    parser.add_argument("--prefix", required=True, help="what the idempotency keys begin with")
    json.dump(uvloop.run(run(parser.parse_args())), sys.stdout)


if __name__ == "__main__":
    main()
