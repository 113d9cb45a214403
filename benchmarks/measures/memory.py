"""`memory`: what an account in the cache costs, made as the service makes it: from stored bytes."""

import gc
import tracemalloc
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from secrets import token_bytes

from benchmarks.bench import Bench
from benchmarks.progress import say
from benchmarks.report import Row, at_most
from ledger.commit.state_cache import StateCache
from ledger.domain.account import Account, evolve
from ledger.domain.commands import Command, DeductCredits, GrantCredits, OpenAccount
from ledger.domain.decisions.decider import decide
from ledger.store.records.codec import SNAPSHOT_TOPIC, Metadata, decode_event, decode_snapshot, encode, encode_snapshot
from ledger.store.stream_heads import StreamHead

BYTES = 2_048
ACCOUNTS = 20_000
OPEN_LOTS = 3

Stored = tuple[str, bytes]
"""A topic and a state, as the log and the snapshots hold them."""

_NOW = datetime.now(UTC)
_METADATA = Metadata("key:benchmark", "deduct", "a key", "a request")


def memory(bench: Bench) -> None:
    """Read from events and read from snapshots; the larger one counts."""
    say(f"memory: {ACCOUNTS:,} accounts, from events and from snapshots")
    from_events, from_snapshots = _bytes_each(_histories()), _bytes_each(_snapshots())
    worse = max(from_events, from_snapshots)
    bench.report.add(
        Row(
            f"memory per cached account with {OPEN_LOTS} open lots",
            f"{from_events:,.0f} bytes read from events, {from_snapshots:,.0f} from a snapshot",
            must_reach=f"{BYTES:,} bytes",
            reached=at_most(worse, BYTES),
        )
    )


def _bytes_each(rows: Sequence[Sequence[Stored]]) -> float:
    """Bytes that the cache with all accounts takes, for each; the stored bytes themselves are not among them."""
    cache = StateCache(ACCOUNTS)
    gc.collect()
    tracemalloc.start()
    for stored in rows:
        cache.put(StreamHead(_read(stored), token_bytes(32), token_bytes(32)))
    gc.collect()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(cache) == ACCOUNTS
    return taken / ACCOUNTS


def _read(stored: Sequence[Stored]) -> Account:
    account: Account | None = None
    for topic, state in stored:
        account = decode_snapshot(state) if topic == SNAPSHOT_TOPIC else evolve(account, decode_event(topic, state))
    assert account is not None
    assert len(account.lots) == OPEN_LOTS
    return account


def _histories() -> list[list[Stored]]:
    """Accounts as events: ids as long as most callers' are, and a deduction behind them."""
    return [_history(str(uuid.uuid4()))[0] for _ in range(ACCOUNTS)]


def _snapshots() -> list[list[Stored]]:
    """Accounts as snapshots."""
    return [[(SNAPSHOT_TOPIC, encode_snapshot(_history(str(uuid.uuid4()))[1]))] for _ in range(ACCOUNTS)]


def _history(account_id: str) -> tuple[list[Stored], Account]:
    account: Account | None = None
    stored = []
    for command in _commands(account_id):
        for event in decide(command, account, _NOW):
            account = evolve(account, event)
            stored.append(encode(event, _METADATA))
    assert account is not None
    return stored, account


def _commands(account_id: str) -> list[Command]:
    return [
        OpenAccount(account_id, signup_credits=100),
        GrantCredits(account_id, "subscription", 1_000, lifetime=timedelta(days=30)),
        GrantCredits(account_id, "permanent", 10_000, source="topup"),
        DeductCredits(account_id, 200, task_id="task-1"),
    ]
