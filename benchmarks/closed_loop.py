"""A client with many connections, each of which sends a deduction as soon as it has the answer to the one before.

Run by measures/cold_start.py in a process of its own; prints one JSON object.
"""

import argparse
import asyncio
import gc
import json
import os
import sys
from random import Random
from time import monotonic
from typing import NamedTuple

import uvloop

from benchmarks.accounts import name
from benchmarks.line import deduction, read_head

CARRIED_OUT, TURNED_AWAY = 201, 503


class Answer(NamedTuple):
    """What came back, when, and after how many seconds."""

    at: float
    seconds: float
    status: int
    told_when: bool
    """Whether it says when to come again."""


async def run(options: argparse.Namespace) -> dict[str, float]:
    """The whole run. A client that is turned away comes again at once: that is the worst that one can do."""
    gc.disable()
    began = monotonic()
    callers = [_ask(options, number, began + options.seconds) for number in range(options.connections)]
    answers = [answer for asked in await asyncio.gather(*callers) for answer in asked]
    seconds = sorted(answer.seconds for answer in answers)
    statuses = [answer.status for answer in answers]
    return {
        "answered": len(answers),
        "carried_out": statuses.count(CARRIED_OUT),
        "turned_away": statuses.count(TURNED_AWAY),
        "not_told_when": sum(answer.status == TURNED_AWAY and not answer.told_when for answer in answers),
        "first": (min(answer.at for answer in answers) - began) * 1e3,
        "p50": seconds[len(seconds) // 2] * 1e3,
        "p99": seconds[int(len(seconds) * 0.99)] * 1e3,
        "longest": seconds[-1] * 1e3,
    }


async def _ask(options: argparse.Namespace, connection: int, until: float) -> list[Answer]:
    """What one connection is answered, on accounts chosen at random."""
    reader, writer = await asyncio.open_connection("127.0.0.1", options.port)
    chance, answers = Random(connection), list[Answer]()
    while monotonic() < until:
        account, key = name(chance.randrange(options.accounts)), f"{options.prefix}{connection}-{len(answers)}"
        sent_at = monotonic()
        writer.write(deduction(account, os.environ["BENCHMARK_API_KEY"], key))
        head = await reader.readuntil(b"\r\n\r\n")
        status, length = read_head(head)
        await reader.readexactly(length)
        now = monotonic()
        answers.append(Answer(now, now - sent_at, status, b"retry-after:" in head.lower()))
    writer.close()
    return answers


def main() -> None:
    """Read the options, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("port", "seconds", "connections", "accounts"):
        parser.add_argument(f"--{option}", type=int, required=True)
    parser.add_argument("--prefix", required=True, help="what the idempotency keys begin with")
    json.dump(uvloop.run(run(parser.parse_args())), sys.stdout)


if __name__ == "__main__":
    main()
