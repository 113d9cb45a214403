"""Accounts of ours to measure on, made through /v1/batch as a caller would make them."""

import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count, islice
from queue import SimpleQueue
from typing import Any

from benchmarks.line import Line
from benchmarks.progress import Spoiled, say
from benchmarks.services import Running
from benchmarks.stand import Stand

AMPLE = 10**12
"""Credits of each lot, as in the yardstick: no load can use them up."""

FIRST_EVENTS = 3
"""Of an account that open_accounts() has made: opened, a permanent lot, a subscription lot."""

_BATCH = 2_000
_LINES = 2
_TRIES = 20
_TELL_EVERY = 50
"""Batches between two words about a long filling."""

Command = dict[str, Any]


def name(number: int) -> str:
    """An account of the load scripts."""
    return f"account-{number:05d}"


def open_accounts(stand: Stand, service: Running, accounts: Iterable[str]) -> None:
    """Open accounts with one subscription and one permanent lot."""
    _post(stand, service, (command for account in accounts for command in _opening(account)))


def _opening(account: str) -> tuple[Command, Command]:
    return (
        {"op": "open", "account_id": account, "signup_credits": AMPLE},
        {"op": "grant", "account_id": account, "kind": "subscription", "amount": AMPLE, "transaction_id": "first"},
    )


def limit_accounts(stand: Stand, service: Running, accounts: Iterable[str]) -> None:
    """Set three limits on accounts: of each member by month and by day, and of all of them by month."""
    berlin = {"zone": "Europe/Berlin"}
    wanted = [
        {"limit_id": "member-month", "amount": AMPLE, "each": ["member"], "period": {"every": "month", **berlin}},
        {"limit_id": "member-day", "amount": AMPLE, "each": ["member"], "period": {"every": "day", **berlin}},
        {"limit_id": "team-month", "amount": AMPLE, "period": {"every": "month", **berlin}},
    ]
    commands = (
        {"op": "limits", "account_id": account, "idempotency_key": "limits", "source": "plan", "limits": wanted}
        for account in accounts
    )
    _post(stand, service, commands)


def use_members(stand: Stand, service: Running, accounts: Iterable[str], members: int) -> None:
    """Deduct once for each member of each account, so that all counters of their limits are open."""
    prefix = stand.fresh_prefix()
    deductions = (
        {
            "op": "deduct",
            "account_id": account,
            "amount": 1,
            "idempotency_key": f"{prefix}{member:09d}",
            "usage": {"member": f"member-{member:05d}"},
        }
        for account in accounts
        for member in range(members)
    )
    _post(stand, service, deductions)


def age(stand: Stand, service: Running, accounts: Sequence[str], events: int) -> None:
    """Deduct from new accounts until each has so many events."""
    prefix = stand.fresh_prefix()
    deductions = (
        {"op": "deduct", "account_id": account, "amount": 1, "idempotency_key": f"{prefix}{number:09d}"}
        for account in accounts
        for number in range(events - FIRST_EVENTS)
    )
    _post(stand, service, deductions)
    with Line(service.port, stand.api_key) as line:
        for account in accounts:
            version = line.get_json(f"/v1/accounts/{account}/balance")["version"]
            if version != events:
                raise Spoiled(f"{account} was to have {events} events and has {version}")


def _post(stand: Stand, service: Running, commands: Iterator[Command]) -> None:
    """All commands in batches over a few lines: the next batch is made while others are answered."""
    with ExitStack() as stack:
        lines: SimpleQueue[Line] = SimpleQueue()
        for _ in range(_LINES):
            lines.put(stack.enter_context(Line(service.port, stand.api_key)))
        pool = stack.enter_context(ThreadPoolExecutor(_LINES))
        sent: deque[Future[None]] = deque()
        for number in count(1):
            batch = list(islice(commands, _BATCH))
            if not batch:
                break
            sent.append(pool.submit(_post_batch, lines, batch))
            if len(sent) > _LINES:
                sent.popleft().result()
            if number % _TELL_EVERY == 0:
                say(f"  filled with {number * _BATCH:,} commands")
        for each in sent:
            each.result()


def _post_batch(lines: SimpleQueue[Line], batch: Sequence[Command]) -> None:
    """Send a batch again until all of it is carried out: a busy machine may refuse a part as overloaded."""
    line = lines.get()
    body = json.dumps({"commands": batch}, separators=(",", ":"))
    try:
        answer = line.post("/v1/batch", body)
        for _ in range(_TRIES):
            if b'"status":503' not in answer.body:
                break
            answer = line.post("/v1/batch", body)
    finally:  # whoever waits for the line meets the same failure, and does not wait for ever
        lines.put(line)
    if answer.status != 200 or answer.body.count(b'"status":201') + answer.body.count(b'"status":200') != len(batch):
        raise Spoiled(f"accounts could not be filled: {answer.status} {answer.body[:500]!r}")
