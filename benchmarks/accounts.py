"""Accounts of ours to measure on, made through /v1/batch as a caller would make them."""

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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
    """All commands, in batches over a few lines; the next batch is made while others are answered."""
    with ThreadPoolExecutor(_LINES) as pool:
        waiting = [pool.submit(_post_all, stand, service, turns) for turns in [_Turns(commands)] * _LINES]
        for each in waiting:
            each.result()


class _Turns:
    """Batches of commands, handed to whichever line asks next."""

    def __init__(self, commands: Iterator[Command]) -> None:
        self._batches = itertools.batched(commands, _BATCH)
