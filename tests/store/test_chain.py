"""The hash chain: the same rule in Python and in SQL, unbroken whatever is asked, and what it is good for."""

import asyncio
from hashlib import sha256
from importlib.resources import files

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.components import COMPONENTS
from ledger.commit.submission import Recorded
from ledger.domain.commands import DeductCredits, GrantCredits
from ledger.postgres.migrations import migrate
from ledger.service import Ledger
from ledger.store.batch import Row, chained
from ledger.store.records.chain import GENESIS, Record, link
from tests.conftest import Clock
from tests.postgres import TestServer, owner, tampering
from tests.store.asking import balance, deduct, deduction, open_account, submission
from tests.store.chaining import append

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
LINKS = st.tuples(
    st.binary(min_size=32, max_size=32),
    TEXTS,
    st.integers(0, 2**63 - 1),
    TEXTS,
    st.binary(max_size=5_000),
    st.none() | TEXTS,
    st.none() | TEXTS,
    st.none() | st.binary(max_size=50),
    st.none() | st.integers(0, 2**31 - 1),
)
IN_SQL = (
    "SELECT ledger.link(%b, %t::text, %b::bigint, %t::text, %b, %t::text, %t::text, %b::bytea, %b::integer)"  # as bound
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(fields=LINKS)
def test_python_and_sql_say_the_same(each_database: str, fields: tuple[object, ...]) -> None:
    with psycopg.connect(each_database) as connection:
        row = connection.execute(IN_SQL, fields).fetchone()
    assert row is not None
    assert bytes(row[0]) == link(*fields) == in_words(*fields)  # type: ignore[arg-type]


def in_words(*fields: object) -> bytes:
    """The rule as docs/proof.md says it, for somebody who has never seen our code."""
    told = b""
    for place, field in enumerate(fields):
        if field is None:
            told += (-1).to_bytes(4, "big", signed=True)
            continue
        if isinstance(field, int):
            field = field.to_bytes(8 if place == 2 else 4, "big", signed=True)  # noqa: PLW2901
        elif isinstance(field, str):
            field = field.encode()  # noqa: PLW2901
        assert isinstance(field, bytes)
        told += len(field).to_bytes(4, "big") + field
    return sha256(told).digest()


@given(one=LINKS, other=LINKS)
def test_no_two_events_look_alike(one: tuple[object, ...], other: tuple[object, ...]) -> None:
    """Lengths keep fields apart: what moves from one field into the next changes the hash."""
    assert (link(*one) == link(*other)) == (one == other)  # type: ignore[arg-type]
    account, topic = "ab", "c"
    rest = (b"{}", None, None, None, None)
    assert link(GENESIS, account, 1, topic, *rest) != link(GENESIS, "a", 1, "bc", *rest)
    begin = (GENESIS, "a", 1, "T", b"")
    assert link(*begin, "", None, None, None) != link(*begin, None, "", None, None)


def broken(records: list[Record]) -> list[Record]:
    """The records whose hash does not follow from the one before them in their account."""
    ends: dict[str, bytes] = {}
    found = []
    for record in records:
        if record.hash != record.link(ends.get(record.account_id, GENESIS)):
            found.append(record)
        ends[record.account_id] = record.hash
    return found


async def records(ledger: Ledger) -> list[Record]:
    """The whole log."""
    async with ledger.log.reader() as reader:
        return await reader.records(0, 2**62, 100_000)


async def test_both_lanes_chain(each_ledger: Ledger) -> None:
    """One hot account and many others, alone and in atomic batches, with refusals and replays between them."""
    await open_account(each_ledger, "hot", permanent=100)
    for turn in range(5):
        await open_account(each_ledger, f"cold-{turn}", subscription=50)
        asked = [deduct(each_ledger, "hot", 7, f"{turn}-{n}") for n in range(5)]
        asked += [deduct(each_ledger, f"cold-{turn}", 20, f"{turn}-{n}") for n in range(4)]
        asked += [deduct(each_ledger, "hot", 7, f"{turn}-0")]
        await asyncio.gather(*asked)
        await each_ledger.execute_together([deduction("hot", 1, f"t{turn}"), deduction(f"cold-{turn}", 1, f"t{turn}")])
    found = await records(each_ledger)
    assert len(found) >= 40
    assert broken(found) == []
    # A test that cannot fail is none.
    found[20] = found[20]._replace(state=found[20].state + b" ")
    assert broken(found)[0] == found[20]


async def test_two_processes_make_one_chain(each_database: str) -> None:
    async with Ledger(each_database).running() as one, Ledger(each_database).running() as two:
        await open_account(one, "a", permanent=400)
        for turn in range(20):
            await asyncio.gather(*(deduct(ledger, "a", 1, f"{turn}-{n}") for n in range(5) for ledger in (one, two)))
        assert broken(await records(one)) == []
        assert await balance(one, "a") == 300


async def test_another_history_of_the_same_length_is_noticed(each_database: str, clock: Clock) -> None:
    """The database was put back to an earlier state and written on; a process still remembers what it was before."""
    async with Ledger(each_database, clock=clock).running() as one, Ledger(each_database, clock=clock).running() as two:
        await open_account(one, "a", permanent=100)
        await deduct(one, "a", 10, "forgotten")
        with tampering(each_database) as connection:
            connection.execute("DELETE FROM ledger.events WHERE originator_version = 3")
        await deduct(two, "a", 50, "instead")
        done = await deduct(one, "a", 1, "next")
        assert isinstance(done, Recorded)
        assert done.events[0].balance.total == 49
        assert broken(await records(one)) == []


async def test_a_snapshot_of_another_history_is_not_believed(each_database: str) -> None:
    async with Ledger(each_database).running() as ledger:
        await open_account(ledger, "a", permanent=10_000)
        for n in range(120):
            await deduct(ledger, "a", 1, f"{n}")
    with tampering(each_database) as connection:
        row = connection.execute("SELECT originator_version FROM ledger.snapshots").fetchone()
        assert row is not None, "there is a snapshot"
        (version,), kept = row, row[0] // 2
        connection.execute("DELETE FROM ledger.events WHERE originator_version > %s", [kept])
    async with Ledger(each_database).running() as ledger:
        for n in range(version - kept):
            assert isinstance(await deduct(ledger, "a", 2, f"other-{n}"), Recorded)
    async with Ledger(each_database).running() as ledger:
        assert await balance(ledger, "a") == 10_000 - (kept - 2) - 2 * (version - kept)


async def test_a_made_up_end_is_stale(each_database: str) -> None:
    async with Ledger(each_database).running() as ledger:
        await open_account(ledger, "a", permanent=5)
        writer, _ = await ledger.log.connect_writer(None)
        row = Row("a", 3, "CreditsDeducted", b"{}", None, None, None, None)
        assert (await writer.append(chained([row], {"a": b"?" * 32}), {})).stale == {"a"}
        assert (await append(writer, [row])).stale == frozenset()
        await writer.close()


def test_a_log_from_before_is_chained_as_it_is_found(each_server: TestServer) -> None:
    """Only the first migration has been here, and events of two accounts and a receipt came through its function."""
    with each_server.database("template0") as empty:
        conninfo = owner(empty)
        first = files("ledger.store").joinpath("sql", "0001_events.sql").read_text()
        with psycopg.connect(conninfo) as connection:
            connection.execute(migrations_with(first))
            connection.execute(
                "SELECT ledger.append(ARRAY['a','b','a'], ARRAY[1,1,2]::bigint[], ARRAY['T','T','U'],"
                " ARRAY['{}','[]','{1}']::bytea[], ARRAY[NULL,'grt_1',NULL], ARRAY[NULL,NULL,'deduct:k'],"
                " ARRAY[NULL,NULL,'print']::bytea[], ARRAY[NULL,NULL,2])"
            )
        assert "ledger/0002_chain.sql" in migrate(conninfo, COMPONENTS)
        with psycopg.connect(conninfo) as connection:
            rows = connection.execute(
                "SELECT notification_id, originator_id, originator_version, topic, state,"
                " subject, receipt, fingerprint, command_events, hash FROM ledger.events ORDER BY notification_id"
            ).fetchall()
        assert len(rows) == 3
        assert broken([Record(*row) for row in rows]) == []


def migrations_with(sql: str) -> bytes:
    """The first migration as it was applied, and remembered."""
    remembered = (
        "CREATE SCHEMA ledger; CREATE TABLE ledger.migrations (component text NOT NULL, name text NOT NULL,"
        " checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (component, name));"
        f" INSERT INTO ledger.migrations VALUES ('ledger', '0001_events.sql', '{sha256(sql.encode()).hexdigest()}');"
    )
    return (remembered + sql).encode()


@pytest.mark.parametrize("command", [DeductCredits("new", 1), GrantCredits("new", "permanent", 1)])
async def test_a_refusal_on_an_account_that_is_not_there_is_checked_too(ledger: Ledger, command: DeductCredits) -> None:
    refused = await ledger.execute(submission(command, "deduct", "k"))
    assert not isinstance(refused, Recorded)
