"""The append function on each server: what it takes, what it leaves out, and that neighbours do not suffer."""

from collections.abc import AsyncIterator, Callable

import psycopg
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.store.batch import Appended, Row, chained, check
from ledger.store.log import EventLog, Writer
from ledger.store.records.chain import GENESIS
from ledger.store.records.codec import TOPICS
from tests.store.chaining import append


@pytest_asyncio.fixture
async def writer(each_database: str) -> AsyncIterator[Writer]:
    made, _ = await EventLog(each_database).connect_writer(None)
    yield made
    await made.close()


def event(account: str, version: int, receipt: str | None) -> Row:
    """A row with an event."""
    signature = (None, None, None) if receipt is None else (receipt, b"print", 1)
    return Row(account, version, "CreditsDeducted", b"{}", None, *signature)


def batch(*rows: tuple[str, int, str | None], events: bool = True) -> list[Row]:
    """Rows of (account, version, receipt), each one event, or each one check."""
    return [event(*row) if events else check(*row) for row in rows]


def appended(first: int, stale: set[str], used: set[int]) -> Appended:
    """An answer of the append function."""
    return Appended(first, frozenset(stale), frozenset(used))


async def versions(writer: Writer) -> dict[str, int]:
    """The newest version of each account; positions must be whole."""
    rows = await writer.log(0, 10_000, None)
    assert [row.position for row in rows] == list(range(1, len(rows) + 1))
    return {row.account_id: row.version for row in rows}


async def test_positions_are_handed_out_in_order(writer: Writer) -> None:
    assert (await append(writer, batch(("a", 1, None), ("b", 1, None), ("a", 2, None)))).first_position == 1
    assert (await append(writer, batch(("c", 1, None)))).first_position == 4
    assert await versions(writer) == {"a": 2, "b": 1, "c": 1}


async def test_a_stale_account_does_not_fail_its_neighbours(writer: Writer) -> None:
    await append(writer, batch(("a", 1, None), ("b", 1, None)))
    done = await append(writer, batch(("a", 1, None), ("b", 2, None), ("a", 2, None), ("c", 1, None)))
    assert done == appended(3, {"a"}, set())
    assert await versions(writer) == {"a": 1, "b": 2, "c": 1}


@pytest.mark.parametrize("version", [1, 3, 7])
async def test_every_version_but_the_next_is_stale(writer: Writer, version: int) -> None:
    await append(writer, batch(("a", 1, None)))
    assert (await append(writer, batch(("a", version, None)))).stale == {"a"}
    assert (await append(writer, batch(("new", version + 1, None)))).stale == {"new"}


async def test_a_used_key_leaves_its_account_out_and_nobody_else(writer: Writer) -> None:
    await append(writer, batch(("a", 1, "deduct:k"), ("b", 1, None)))
    done = await append(writer, batch(("a", 2, "deduct:k"), ("b", 2, "deduct:k"), ("a", 3, "deduct:new")))
    assert done == appended(3, set(), {0})
    assert await versions(writer) == {"a": 1, "b": 2}


async def test_checks_append_nothing_and_are_checked(writer: Writer) -> None:
    await append(writer, batch(("a", 1, "deduct:k")))
    done = await append(writer, batch(("a", 2, "deduct:new"), ("nobody", 1, "deduct:k"), events=False))
    assert done == appended(2, set(), set())
    assert await append(writer, batch(("a", 2, "deduct:k"), events=False)) == appended(2, set(), {0})
    assert await append(writer, batch(("a", 1, "deduct:new"), events=False)) == appended(2, {"a"}, set())
    assert await versions(writer) == {"a": 1}


def erasure(
    state: bytes = b'{"data":{"balance":{}},"metadata":{},"recorded_at":"2026-01-01T00:00:00Z","schema":1}',
) -> Row:
    """A second event of account a that erases its texts."""
    return Row("a", 2, "TextsErased", state, None, None, None, None)


MALFORMED: dict[str, Callable[[list[Row]], list[Row]]] = {
    "the first row has no previous hash": lambda rows: [rows[0]._replace(previous=None), *rows[1:]],
    "a later row has a previous hash": lambda rows: [rows[0], rows[1]._replace(previous=GENESIS)],
    "the versions are not consecutive": lambda rows: [rows[0], rows[1]._replace(version=9)],
    "an event of an unknown type": lambda rows: [rows[0], rows[1]._replace(topic="Unheard")],
    "its state is no JSON object": lambda rows: [rows[0], rows[1]._replace(state=b"[]")],
    "invalid input syntax for type json": lambda rows: [rows[0], rows[1]._replace(state=b"{")],
    "an erasure is not one": lambda rows: [rows[0], rows[1]._replace(topic="TextsErased")],
}


@pytest.mark.parametrize("problem", MALFORMED)
async def test_a_malformed_batch_is_refused_as_a_whole(writer: Writer, problem: str) -> None:
    """The program sends none; whoever may only call the function could."""
    with pytest.raises(psycopg.Error, match=problem):
        await writer.append(MALFORMED[problem](chained(batch(("a", 1, None), ("a", 2, None)), {})), {})
    assert await writer.last_position() == 0


async def test_a_text_key_goes_only_with_an_erasure(writer: Writer) -> None:
    """An event that only has the name of one, or that does not chain, destroys nothing."""
    await append(writer, batch(("a", 1, None)), {"a": bytes(32)})
    [good] = chained([erasure()], {"a": (await writer.ends(["a"]))["a"].hash})
    for wrong in erasure(b"{}"), good._replace(hash=bytes(32)), good._replace(version=1, previous=GENESIS):
        row = wrong if wrong.hash else chained([wrong], {"a": good.previous or b""})[0]
        with pytest.raises(psycopg.errors.CheckViolation, match="an erasure is not one"):
            await writer.append([row], {})
        assert await writer.text_keys(["a"])
    await writer.append([good], {})
    assert not await writer.text_keys(["a"])


async def test_an_erasure_behind_a_refused_command_of_its_account(writer: Writer) -> None:
    await append(writer, batch(("a", 1, None)), {"a": bytes(32)})
    end = (await writer.ends(["a"]))["a"].hash
    [good] = chained([erasure()], {"a": end})
    await writer.append([check("a", 2, None, end), good._replace(previous=None)], {})
    assert not await writer.text_keys(["a"])


async def test_a_key_of_no_account_is_refused(writer: Writer) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="the key of an account that does not exist"):
        await append(writer, batch(("a", 1, None)), {"b": bytes(32)})


async def test_the_database_knows_the_types_of_events(each_database: str) -> None:
    async with await psycopg.AsyncConnection.connect(each_database) as connection:
        rows = await (await connection.execute("SELECT topic FROM ledger.topics")).fetchall()
    assert {topic for (topic,) in rows} == TOPICS.keys()


async def test_an_empty_batch(writer: Writer) -> None:
    assert await append(writer, []) == appended(1, set(), set())


async def test_fencing_ends_the_server_process_of_a_lost_connection(each_database: str) -> None:
    log = EventLog(each_database)
    lost, process = await log.connect_writer(None)
    lost_connection = lost._connection
    fresh, _ = await log.connect_writer(process)
    with pytest.raises(Exception, match=r"terminat|closed"):
        await lost.last_position()
    assert lost_connection.closed
    assert await fresh.last_position() == 0
    await fresh.close()


rows = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["k1", "k2", "k3", None]), st.booleans()), max_size=8)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
async def test_random_batches_against_a_model(writer: Writer, data: st.DataObject) -> None:
    """Heads and keys in a dict say what a batch of random rows, some of them stale, must lead to."""
    heads = dict.fromkeys("abc", 0)
    keys: set[tuple[str, str]] = set()
    stored = await writer.log(0, 100_000, None)
    position = len(stored)
    scope = f"{position}-"
    for asked in data.draw(st.lists(st.tuples(rows, st.sets(st.sampled_from("abc"), max_size=1)), max_size=4)):
        made: list[Row] = []
        chosen, expected = asked
        next_version = {name: heads[name] + 1 + (name in expected) for name in heads}
        rows_made: list[tuple[str, str | None, bool]] = []
        for name, key, is_event in chosen:
            receipt = f"op:{key}" if key else None
            if receipt and any(receipt == r and name == n for n, r, _ in rows_made):
                receipt = None
            if is_event:
                made.append(event(scope + name, next_version[name], receipt))
                next_version[name] += 1
            else:
                made.append(check(scope + name, next_version[name], receipt))
            rows_made.append((name, receipt, is_event))
        done = await append(writer, made)
        present = {name for name, _, _ in rows_made}
        stale = {name for name in present if name in expected}
        used = {n for n, (name, r, _) in enumerate(rows_made) if r and (name, r) in keys}
        excluded = stale | {rows_made[n][0] for n in used if rows_made[n][2]}
        assert done == appended(position + 1, {scope + name for name in stale}, used)
        for name, receipt, is_event in rows_made:
            if is_event and name not in excluded:
                heads[name] += 1
                position += 1
                if receipt:
                    keys.add((name, receipt))
    assert await writer.last_position() == position
