"""What a run is like: how large everything is, and how much of it there is."""

import math
import random
from typing import Any

from ledger import slices
from ledger.commit import (
    account_loader,
    admission,
    batch,
    committer,
    locked_lane,
    notifications,
    receipt_lookup,
    snapshot_writer,
    writer_connection,
)
from ledger.forwarding import frames, group_member
from ledger.store import reader, stream_heads


class Plan:
    """How large everything is in a run. Limits that a service meets in a year are met here within a second."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        kind = rng.random()
        self.brittle = kind < 0.2
        """Whether credits are soon over and commits often cut: what comes late would be wrong by then."""
        self.calm = kind > 0.85
        """Whether nothing goes wrong, so that there is no excuse for anything."""
        self.accounts = [f"a{n}" for n in range(rng.choice([1, 1, 2, 2, 3, 5]))]
        self.processes = 1 if self.brittle or self.calm else rng.choice([1, 1, 1, 2, 2, 3])
        self.clients = rng.choice([3, 6, 10, 16])
        self.asks = rng.randint(1, 4)
        self.opens_first = rng.random() < 0.8
        self.pace = rng.choice([0.001, 0.02, 0.3])
        self.cached_accounts = rng.choice([1, 2, 100])
        self.queue_limit = rng.choice([5, 12, 100, 100, 100])
        self.events = 0 if self.calm else rng.choice([0, 0, 1, 2, 5])
        self.repeats = rng.choice([0.0, 0.2, 0.2])
        self.atomic = rng.choice([0.0, 0.1, 0.3, 0.6])
        self.twins = rng.choice([0.0, 0.1, 0.3])
        self.impatience = rng.choice([0.0, 0.1])
        self.constants: list[tuple[Any, str, Any]] = [
            (stream_heads, "PROVEN_EVERY", rng.choice([2, 5, 100])),
            (notifications, "PAUSE", rng.choice([0.02, 0.5])),
            (snapshot_writer, "_PAUSE", rng.choice([0.1, 1.0])),
            (batch, "MAX_ROWS", rng.choice([1, 3, 500])),
            (locked_lane, "MAX_UNITS", rng.choice([1, 3, 500])),
            (reader, "PAGE", rng.choice([1, 3, 1_000])),
            (writer_connection, "GRACE", rng.choice([0.1, 1.0, 5.0])),
            (admission, "PATIENCE", rng.choice([0.5, 10.0])),
            (account_loader, "AT_ONCE", rng.choice([1, 2, 16])),
        ]
        self.grouped = False
        """Whether the processes are workers of one service, as `form_group` decides."""
        self.scarce = self.brittle
        """Whether credits are soon over."""
        self.patience = rng.choice([0.01, 0.1, math.inf]) if self.cached_accounts == 100 else math.inf
        """Seconds that a command waits for its account. What is loaded must be remembered, or nobody ever gets in."""
        self.constants.append((account_loader, "_CHECK_EVERY", self.patience))

    def form_group(self, rng: random.Random) -> None:
        """Decide whether several processes are the workers of one service: one of them owns the log."""
        self.grouped = self.processes > 1 and rng.random() < 0.7
        if self.grouped:
            self.scarce = rng.random() < 0.7
            self.events = rng.choice([self.events, 3, 6])
            self.constants += [
                (group_member, "TICK", rng.choice([0.003, 0.02, 0.1])),
                (frames, "LARGEST", rng.choice([1, 300, 65_536])),
            ]

    def cut_into_slices(self, rng: random.Random) -> None:
        """Decide where work that takes long gives way, and how much is done at once."""
        now = 0.0

        def clock() -> float:
            nonlocal now
            now += often and rng.choice([0.0, 0.0, 0.0, 0.01])
            return now

        often = rng.choice([False, True, True])
        self.constants += [
            (slices, "perf_counter", clock),
            (committer, "SEVERAL", rng.choice([1, 3])),
            (committer, "_AT_ONCE", rng.choice([0, 2, 100])),
            (receipt_lookup, "_ROUNDS", rng.choice([1, 20])),
            (stream_heads, "FEW_RUNS", rng.choice([0, 2, 2])),
            (reader, "_KEYS", rng.choice([1, 500])),
        ]

    def drift(self) -> float:
        """Seconds that a clock is ahead of the others, or behind."""
        return self._rng.choice([0.0, 0.0, 0.0, 1.5, -1.5, 60.0])
