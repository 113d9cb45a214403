"""The append function appends a batch as a whole where nothing stands in its way; else it excludes accounts.

Both ways are tried on the same log, each in a transaction that is rolled back, and must not differ in anything.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.postgres.named_sql import queries
from ledger.store.batch import Row, chained, check, parameters
from ledger.store.records.chain import GENESIS
from tests.postgres import owner

APPEND = queries("ledger.store")["append"].replace(", pg_backend_pid() AS pid", "")
EXCLUDING = APPEND.replace("ledger.append(", "ledger.append_excluding(")
ROWS = "SELECT e::text FROM ledger.events AS e ORDER BY notification_id"
KEYS = "SELECT k::text FROM ledger.text_keys AS k ORDER BY account_id"
ERASED = b'{"data":{"balance":{}},"metadata":{},"recorded_at":"2026-01-01T00:00:00Z","schema":1}'
KEY = bytes(32)


def event(account: str, version: int, receipt: str | None = None, topic: str = "CreditsDeducted") -> Row:
    """A row with an event, not chained yet."""
    signature = (None, None, None) if receipt is None else (receipt, b"print", 1)
    return Row(account, version, topic, ERASED if topic == "TextsErased" else b"{}", None, *signature)


BEFORE = [
    *(event(account, version, f"op:{account}{version}") for account in "abc" for version in (1, 2)),
    event("l", 0),
]
"""What the log has: three accounts, and a stream of the event library, which begins at version 0."""
HEADS = {"a": 2, "b": 2, "c": 2, "l": 0, "new": 0, "other": 0}


@pytest.fixture
def connection(each_database: str) -> Iterator[psycopg.Connection]:
    """The owner's connection to a database that has BEFORE."""
    with psycopg.connect(owner(each_database)) as made:
        for row in BEFORE[:-1]:
            made.execute(
                APPEND.encode(), parameters(chained([row], ends(made)), {"a": KEY} if row == BEFORE[0] else {})
            )
        made.execute(APPEND.encode(), parameters(chained(BEFORE[-1:], {}), {}))
        made.commit()
        yield made


def ends(connection: psycopg.Connection) -> dict[str, bytes]:
    """The hash of the last event of each account."""
    found = connection.execute("SELECT originator_id, hash FROM ledger.events ORDER BY originator_version").fetchall()
    return {account: bytes(hash_) for account, hash_ in found}


def outcome(connection: psycopg.Connection, statement: str, given: Mapping[str, Any]) -> tuple[Any, ...]:
    """What the statement answers, or how it fails, and what the tables have after it."""
    with connection.transaction(force_rollback=True):
        try:
            with connection.transaction():
                answer: Any = connection.execute(statement.encode(), given).fetchone()
        except psycopg.Error as error:
            answer = type(error)
        return answer, connection.execute(ROWS).fetchall(), connection.execute(KEYS).fetchall()


def both(connection: psycopg.Connection, rows: Sequence[Row], keys: Mapping[str, bytes] | None = None) -> Any:
    """The outcome of the append function, which is that of the excluding way too."""
    given = parameters(rows, keys or {})
    found = outcome(connection, APPEND, given)
    assert found == outcome(connection, EXCLUDING, given)
    return found[0]


def plain(connection: psycopg.Connection) -> list[Row]:
    """A batch that fits: an account with one row, one with two that have another between them, and a new one."""
    rows = [event("a", 3, "op:x"), event("b", 3), event("new", 1, "op:x"), event("a", 4, "op:y")]
    return chained(rows, ends(connection))


def with_checks(connection: psycopg.Connection) -> list[Row]:
    """The same with refusals: before an event of their account, between two and after them, and of another account."""
    a, b, new, second = plain(connection)
    other = check("c", 3, "op:c9", ends(connection)["c"])
    before = check("a", 3, None, a.previous)
    return [before, a._replace(previous=None), other, b, new, check("a", 4, "op:z"), second, check("a", 5, "op:y")]


def without_excluding(connection: psycopg.Connection) -> None:
    """From now on, in this transaction, a batch that does not fit fails."""
    connection.execute("ALTER FUNCTION ledger.append_excluding RENAME TO gone")


FITTING: dict[str, Callable[[psycopg.Connection], tuple[list[Row], dict[str, bytes]]]] = {
    "one row for each account": lambda c: (plain(c)[:3], {}),
    "several rows of an account": lambda c: (plain(c), {}),
    "a new account with a key of texts": lambda c: (plain(c), {"new": KEY}),
    "nothing": lambda _: ([], {}),
    "a refusal between the others": lambda c: (with_checks(c), {}),
    "a refusal of a new account": lambda c: ([*plain(c), check("other", 1, "op:x", GENESIS)], {}),
}


@pytest.mark.parametrize("what", FITTING)
def test_a_batch_that_fits_is_appended_as_a_whole(connection: psycopg.Connection, what: str) -> None:
    rows, keys = FITTING[what](connection)
    assert both(connection, rows, keys) == (8, [], [])
    without_excluding(connection)
    assert outcome(connection, APPEND, parameters(rows, keys))[0] == (8, [], [])


OTHERS: dict[str, Callable[[list[Row]], list[Row]]] = {
    "a used key": lambda rows: [rows[0]._replace(receipt="op:a1"), *rows[1:]],
    "two used keys": lambda rows: [rows[0]._replace(receipt="op:a1"), *rows[1:3], rows[3]._replace(receipt="op:a2")],
    "a key twice": lambda rows: [*rows[:3], rows[3]._replace(receipt="op:x")],
    "a used key twice": lambda rows: [rows[0]._replace(receipt="op:a1"), *rows[1:3], rows[3]._replace(receipt="op:a1")],
    "a used key and a stale account": lambda rows: [
        rows[0]._replace(receipt="op:a1"),
        rows[1]._replace(previous=bytes(range(32))),
        *rows[2:],
    ],
    "a version that the account has": lambda rows: [rows[0], rows[1]._replace(version=2), *rows[2:]],
    "a version too far": lambda rows: [rows[0], rows[1]._replace(version=4), *rows[2:]],
    "an account that exists as a new one": lambda rows: [*rows, *chained([event("c", 1)], {})],
    "a stream of the library as a new one": lambda rows: [*rows, *chained([event("l", 1)], {})],
    "a new stream of the library": lambda rows: [*rows, *chained([event("m", 0), event("m", 1)], {})],
    "a refusal whose key is used": lambda rows: [rows[0], check("b", 3, "op:b1", rows[1].previous), *rows[2:]],
    "a refusal on an old version": lambda rows: [rows[0], check("b", 2, None, rows[1].previous), *rows[2:]],
    "a refusal of an account that goes on": lambda rows: [rows[0], check("b", 1, None, GENESIS), *rows[2:]],
    "a refusal with a state": lambda rows: [rows[0], rows[1]._replace(topic=None, hash=None), *rows[2:]],
    "an event after a refusal, a version too far": lambda rows: [*rows, check("a", 5, None), event("a", 6)],
    "the same first row twice": lambda rows: [*rows, rows[1]],
    "a second first row": lambda rows: [*rows[:3], rows[3]._replace(previous=rows[0].hash)],
    "rows of an account in the other order": lambda rows: [rows[3], *rows[1:3], rows[0]],
    "a gap": lambda rows: [*rows[:3], rows[3]._replace(version=5)],
    "no previous hash": lambda rows: [rows[0]._replace(previous=None), *rows[1:]],
    "a used key in a row without a hash": lambda rows: [rows[0]._replace(receipt="op:a1", hash=None), *rows[1:]],
    "no hash": lambda rows: [rows[0]._replace(hash=None), *rows[1:]],
    "half of a receipt": lambda rows: [rows[0]._replace(fingerprint=None), *rows[1:]],
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_stands_in_the_way_is_answered_as_before(connection: psycopg.Connection, what: str) -> None:
    rows = OTHERS[what](plain(connection))
    both(connection, rows)
    with connection.transaction(force_rollback=True):
        without_excluding(connection)
        assert outcome(connection, APPEND, parameters(rows, {}))[0] is psycopg.errors.UndefinedFunction


@pytest.mark.parametrize("column", list(parameters([], {})))
@pytest.mark.parametrize("shorter", [True, False])
def test_columns_of_different_lengths(connection: psycopg.Connection, column: str, *, shorter: bool) -> None:
    """Whoever may only call the function could send them: a short column must not take a check away."""
    rows = plain(connection)[:3]
    given = parameters(rows, {"new": KEY})
    others = parameters(rows[:2], {}) if shorter else parameters([*rows, rows[1]], {"new": KEY, "a": KEY})
    ragged = {**given, column: others[column]}
    assert outcome(connection, APPEND, ragged) == outcome(connection, EXCLUDING, ragged)


@st.composite
def batches(draw: st.DrawFn) -> Callable[[dict[str, bytes]], list[Row]]:
    """Rows of random accounts, given where these end; in every second batch some rows are changed, before their hashes
    are made or after it."""
    names = draw(st.lists(st.sampled_from([*HEADS]), max_size=6))
    versions = dict(HEADS)
    rows = []
    for number, name in enumerate(names):
        receipt = draw(st.sampled_from([None, f"op:n{number}"]))
        if draw(st.sampled_from([True, True, False])):
            versions[name] += 1
            rows.append(event(name, versions[name], receipt))
        else:
            rows.append(check(name, versions[name] + 1, receipt))
    places = draw(st.lists(st.integers(0, 5), max_size=2))
    late = draw(st.booleans())

    def made(found: dict[str, bytes]) -> list[Row]:
        result = chained(rows, dict(found)) if late else rows
        for place, row in changes:
            result = [*result[:place], row(result[place]), *result[place + 1 :]]
        return result if late else chained(result, dict(found))

    changes = [(place, changing(draw)) for place in places if place < len(rows)]
    return made


def changing(draw: st.DrawFn) -> Callable[[Row], Row]:
    """A change, chosen now, of a row that comes later."""
    number = draw(st.integers(0, 9))
    fields: list[Callable[[Row], dict[str, Any]]] = [
        lambda row: {"version": row.version + 1},
        lambda row: {"version": row.version - 1},
        lambda _: {"previous": None},
        lambda _: {"previous": GENESIS},
        lambda _: {"receipt": "op:a1", "fingerprint": b"print", "command_events": 1},
        lambda _: {"receipt": "op:again", "fingerprint": b"print", "command_events": 1},
        lambda _: {"topic": None, "state": None, "hash": None},
        lambda _: {"topic": "Unheard"},
        lambda _: {"topic": "TextsErased", "state": ERASED},
        lambda _: {"state": b"[]"},
    ]
    return lambda row: row._replace(**fields[number](row))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=batches(), keys=st.sets(st.sampled_from(["a", "new", "nobody"]), max_size=1))
def test_random_batches_both_ways(
    connection: psycopg.Connection, made: Callable[[dict[str, bytes]], list[Row]], keys: set[str]
) -> None:
    both(connection, made(ends(connection)), dict.fromkeys(keys, KEY))
