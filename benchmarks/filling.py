"""A ledger that is filled in a time of its own: as callers fill it, with every receipt, and with a clock that we set.

What is put in are the bodies of the HTTP contract; only HTTP itself is left out.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import count
from typing import Any, NamedTuple

from api.contract.operations import OPERATIONS, Defaults
from benchmarks.progress import Spoiled
from ledger.commit.submission import Outcome, Recorded, Submission
from ledger.service import Ledger
from ledger.store.records.codec import Metadata
from ledger.store.records.receipts import fingerprint

_ACTOR = "key:benchmark"
_DEFAULTS = Defaults()


class Wish(NamedTuple):
    """One command of a caller. Its key is its own (task, payment, transaction), or `key`."""

    operation: str
    account_id: str
    fields: Mapping[str, Any]
    key: str | None = None
    ids: Mapping[str, str] = {}


class SetClock:
    """Time as we set it; it goes on by a step with each decision."""

    def __init__(self, begins: datetime, step: timedelta) -> None:
        self.now = begins
        self.step = step

    def __call__(self) -> datetime:
        self.now += self.step
        return self.now


class Filler:
    """Puts commands into a running ledger, and counts the events that come of them."""

    def __init__(self, ledger: Ledger, clock: SetClock) -> None:
        self._ledger = ledger
        self._origin = secrets.token_hex(4)
        self._numbers = count(1)
        self.clock = clock
        self.events: Counter[str] = Counter()

    async def ask(self, wishes: Iterable[Wish]) -> list[Recorded]:
        """Carry out commands that arrive together. Raises Spoiled when one is refused."""
        outcomes = await asyncio.gather(*[self._ledger.execute(self._submission(wish)) for wish in wishes])
        return [self._recorded(outcome) for outcome in outcomes]

    def _submission(self, wish: Wish) -> Submission:
        operation = OPERATIONS[wish.operation]
        body = operation.body.model_validate(wish.fields)
        key = wish.key if operation.own_key is None else getattr(body, operation.own_key)
        command = operation.build(wish.account_id, wish.ids, body, _DEFAULTS)
        metadata = Metadata(_ACTOR, operation.name, key, f"{self._origin}-{next(self._numbers):x}")
        return Submission(command, metadata, fingerprint(operation.values(wish.ids, body)))

    def _recorded(self, outcome: Outcome) -> Recorded:
        if not isinstance(outcome, Recorded) or outcome.replayed:
            raise Spoiled(f"the log could not be filled: {outcome!r}")
        self.events.update(type(event).__name__ for event in outcome.events)
        return outcome


@asynccontextmanager
async def filling(conninfo: str, begins: datetime, step: timedelta) -> AsyncIterator[Filler]:
    """A ledger of our own on a database until the block ends."""
    clock = SetClock(begins, step)
    async with Ledger(conninfo, clock=clock).running() as ledger:
        yield Filler(ledger, clock)
