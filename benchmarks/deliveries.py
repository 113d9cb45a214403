"""A provider with many connections: each sends a signed webhook as soon as it has the answer to the one before.

Each webhook is a payment of its own, for one of some accounts. Run by measures/webhooks.py in a process of its own;
prints one JSON object.
"""

import argparse
import asyncio
import gc
import json
import os
import sys
from datetime import UTC, datetime
from time import monotonic

import uvloop

from benchmarks.line import read_head
from billing.simulation.scenarios import Life, Prices
from billing.simulation.signing import events_of, signed
from billing.simulation.steps import Customer

PROVIDER = "stripe"
PRODUCT = "price_of_the_benchmark"
"""What the payments are for."""
SECRET = "BENCHMARK_WEBHOOK_SECRET"
"""The variable with the secret that signs."""


def account(number: int) -> str:
    """An account that is paid for."""
    return f"webhooks-{number:05d}"


async def run(options: argparse.Namespace) -> dict[str, float]:
    """The whole run. The webhooks are made and signed before, because that is the provider's time and not ours."""
    each = options.webhooks // options.connections
    requests = [
        [_request(options, line * each + number) for number in range(each)] for line in range(options.connections)
    ]
    gc.disable()
    began = monotonic()
    seconds = sorted(
        one for asked in await asyncio.gather(*(_send(options.port, some) for some in requests)) for one in asked
    )
    return {
        "answered": len(seconds),
        "seconds": monotonic() - began,
        "p50": seconds[len(seconds) // 2] * 1e3,
        "p99": seconds[int(len(seconds) * 0.99)] * 1e3,
    }


def _request(options: argparse.Namespace, number: int) -> bytes:
    now = datetime.now(UTC)
    life = Life(Prices(PRODUCT, PRODUCT, PRODUCT), now)
    life.buy_package()
    customer = Customer(account(number % options.accounts), options.first + number)
    [event] = events_of(PROVIDER, customer, life.steps[0], live=True)
    told = signed(PROVIDER, event, os.environ[SECRET], now)
    headers = "".join(f"{key}: {value}\r\n" for key, value in told.headers.items())
    head = (
        f"POST /v1/webhooks/{PROVIDER} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}Content-Length: {len(told.body)}\r\n\r\n"
    )
    return head.encode() + told.body


async def _send(port: int, requests: list[bytes]) -> list[float]:
    """The seconds until each answer. Raises ValueError for an answer that is not 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found = []
    for request in requests:
        sent_at = monotonic()
        writer.write(request)
        status, length = read_head(await reader.readuntil(b"\r\n\r\n"))
        body = await reader.readexactly(length)
        if status != 200:
            raise ValueError(body.decode())
        found.append(monotonic() - sent_at)
    writer.close()
    return found


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("port", "webhooks", "connections", "accounts", "first"):
        parser.add_argument(f"--{option}", type=int, required=True)
    json.dump(uvloop.run(run(parser.parse_args())), sys.stdout)


if __name__ == "__main__":
    main()
