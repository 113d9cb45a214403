"""`chain`: what hashes cost the append function: as it is, against itself as it was before there was a chain."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from itertools import count
from statistics import median
from time import perf_counter
from timeit import timeit

import psycopg

from benchmarks.bench import Bench
from benchmarks.progress import say
from benchmarks.report import Row as Line
from benchmarks.report import at_most
from ledger.postgres.named_sql import queries
from ledger.store.batch import Row, chained, parameters
from ledger.store.records.chain import GENESIS, link

LIMIT = 1.10
SIZES = (1, 100, 500)
"""Rows in a batch, each of an account of its own: what one request brings, and what a loaded service brings."""
EVENTS = 60_000
"""For each size and function, so that indexes have grown to several levels."""
HASHES = 20_000
_STATE = b'{"data":"' + b"x" * 418 + b'"}'
_NEW = queries("ledger.store")["append"]
_OLD = """
SELECT first_position, stale, used FROM bare.append(
    %(accounts)b, %(versions)b, %(topics)b, %(states)b, %(subjects)b, %(receipts)b, %(fingerprints)b, %(counts)b
)
"""


def chain(bench: Bench) -> None:
    """Batches in turns to either function, each in a transaction; the statement alone is timed.

    The log is one of its own: its states are no events that a service could read.
    """
    conninfo = bench.stand.apart("chain").ours.conninfo
    with psycopg.connect(conninfo, autocommit=True) as connection, _bare(connection):
        for size in SIZES:
            say(f"chain: batches of {size}")
            old, new = _times(connection, size, max(bench.pace.rounds, 1) * EVENTS // 3 // size)
            bench.report.add(
                Line(
                    f"append function with the chain, batches of {size}",
                    f"{new / size * 1e6:.1f} µs an event",
                    f"{old / size * 1e6:.1f} µs without",
                    f"{new / old:.3f}",
                    f"at most {LIMIT}",
                    at_most(new / old, LIMIT),
                )
            )
        bench.report.add(
            Line("one hash", f"{_hash_in_python():.1f} µs in the process", f"{_hash_in_sql(connection):.1f} µs in SQL")
        )


def _hash_in_python() -> float:
    """Microseconds of one hash, where it is made."""
    row = _row("chain-hash")
    return timeit(lambda: link(GENESIS, *row[:8]), number=HASHES) / HASHES * 1e6  # type: ignore[arg-type]


def _hash_in_sql(connection: psycopg.Connection) -> float:
    """Microseconds of one hash, had the append function to make it."""
    began = perf_counter()
    connection.execute(
        "SELECT count(ledger.link(ledger.genesis(), 'account', n, 'CreditsDeducted', %s, NULL, 'deduct:task', %s, 1))"
        " FROM generate_series(1, %s) AS n",
        [_STATE, b"f" * 36, HASHES],
    )
    return (perf_counter() - began) / HASHES * 1e6


@contextmanager
def _bare(connection: psycopg.Connection) -> Iterator[None]:
    """The log and its function as they were first migrated, beside the ledger."""
    first = files("ledger.store").joinpath("sql", "0001_events.sql").read_text()
    connection.execute("DROP SCHEMA IF EXISTS bare CASCADE; CREATE SCHEMA bare")
    connection.execute(first.replace("ledger.", "bare.").encode())
    try:
        yield
    finally:
        connection.execute("DROP SCHEMA bare CASCADE")


def _times(connection: psycopg.Connection, size: int, turns: int) -> tuple[float, float]:
    """Seconds that a batch takes, old and new, by the median."""
    cursor = connection.cursor(binary=True)
    taken: dict[str, list[float]] = {_OLD: [], _NEW: []}
    for turn in range(turns):
        rows = parameters(chained([_row(f"chain-{size}-{turn}-{n}") for n in range(size)], {}), {})
        for statement in (_OLD, _NEW) if turn % 2 else (_NEW, _OLD):
            with connection.transaction():
                began = perf_counter()
                cursor.execute(statement.encode(), rows, prepare=True)
                taken[statement].append(perf_counter() - began)
    return median(taken[_OLD]), median(taken[_NEW])


_keys = count()


def _row(account_id: str) -> Row:
    return Row(account_id, 1, "CreditsDeducted", _STATE, None, f"deduct:task-{next(_keys)}", b"f" * 36, 1)
