"""What decisions are made from is proven: a snapshot that its event does not prove is never believed."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import psycopg
import pytest

from ledger.commit.submission import Recorded
from ledger.domain.errors import InsufficientCredits
from ledger.service import Ledger
from ledger.store import stream_heads
from ledger.store.batch import Row
from ledger.store.records.chain import UnreadableEvent
from ledger.store.records.codec import SNAPSHOT_TOPIC, decode_event
from ledger.store.snapshots import Snapshot, digest_in, state_digest
from tests.postgres import tampering
from tests.store.asking import balance, deduct, open_account

EVERY = 5
DEDUCTIONS = 13
"""Each of one credit, from 1,000. With the opening and the signup grant, the versions 5, 10 and 15 are proven."""
STORED = "SELECT originator_version, state, hash FROM ledger.snapshots WHERE originator_id = 'a' ORDER BY 1"


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_heads, "PROVEN_EVERY", EVERY)


@pytest.fixture
async def lived(database: str) -> str:
    """A database with two accounts, each with snapshots of the versions that are proven."""
    async with Ledger(database).running() as ledger:
        for account in "ab":
            await open_account(ledger, account, permanent=1_000)
            for n in range(DEDUCTIONS):
                await deduct(ledger, account, 1, f"{n}")
                await ledger._snapshots.write_due()
    return database


def rich(state: bytes) -> bytes:
    """A state with nine million credits more, which adds up."""
    forged = orjson.loads(state)
    forged["balance"]["permanent_credits"] += 9_000_000
    forged["lots"][0]["remaining"] += 9_000_000
    return orjson.dumps(forged, option=orjson.OPT_SORT_KEYS)


def of_b(state: bytes) -> bytes:
    return state.replace(b'"account_id":"a"', b'"account_id":"b"')


FORGERIES: dict[str, Callable[[bytes], bytes]] = {
    "more credits": rich,
    "another account": of_b,
    "another version": lambda state: state.replace(b'"version":15', b'"version":14'),
    "no state": lambda _: b"{}",
    "no JSON": lambda _: b"\xff",
}


async def test_every_few_events_one_proves_a_snapshot(lived: str) -> None:
    with psycopg.connect(lived) as connection:
        kept = connection.execute(STORED).fetchall()
        rows = connection.execute("SELECT originator_version, state FROM ledger.events WHERE originator_id = 'a'")
        events: dict[int, bytes] = dict(rows.fetchall())
    assert [version for version, _, _ in kept] == [5, 10, 15]
    digests = {version: digest for version, state in events.items() if (digest := digest_in(state))}
    assert digests == {version: state_digest(state) for version, state, _ in kept}
    assert decode_event("CreditsDeducted", events[15]).balance.total == 1_000 - DEDUCTIONS


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_forged_snapshot_is_not_believed(lived: str, forgery: str, caplog: pytest.LogCaptureFixture) -> None:
    with tampering(lived) as connection:
        [(version, state, _)] = connection.execute(STORED).fetchall()[-1:]
        made = FORGERIES[forgery](bytes(state))
        connection.execute("UPDATE ledger.snapshots SET state = %s WHERE originator_version = %s", [made, version])
    await all_is_as_it_was(lived)
    assert any("the snapshot of account a at version 15 is not believed" in text for text in caplog.messages)


async def test_nor_is_one_whose_event_has_no_digest(lived: str, caplog: pytest.LogCaptureFixture) -> None:
    insert = """
        INSERT INTO ledger.snapshots (originator_id, originator_version, topic, state, hash)
        SELECT originator_id, 14, %s, %s, hash FROM ledger.events WHERE originator_id = 'a' AND originator_version = 14
    """
    with tampering(lived) as connection:
        [(_, state, _)] = connection.execute(STORED).fetchall()[-1:]
        connection.execute("DELETE FROM ledger.snapshots WHERE originator_version = 15")
        made = rich(bytes(state).replace(b'"version":15', b'"version":14'))
        connection.execute(insert, [SNAPSHOT_TOPIC, made])
    await all_is_as_it_was(lived)
    assert any("its event has no digest of a state" in text for text in caplog.messages)


async def test_an_event_that_was_changed_to_prove_one_does_not_chain(lived: str) -> None:
    """Its account is read no further, and everybody else goes on."""
    with tampering(lived) as connection:
        [(_, state, _)] = connection.execute(STORED).fetchall()[-1:]
        digest = state_digest(rich(bytes(state)))
        connection.execute(
            "UPDATE ledger.snapshots SET state = %s WHERE originator_id = 'a' AND originator_version = 15",
            [rich(bytes(state))],
        )
        connection.execute(
            "UPDATE ledger.events SET state = convert_to(replace(convert_from(state, 'UTF8'), %s, %s), 'UTF8')"
            " WHERE originator_id = 'a' AND originator_version = 15",
            [state_digest(bytes(state)), digest],
        )
    async with Ledger(lived).running() as ledger:
        outcomes = await asyncio.gather(
            deduct(ledger, "a", 1, "x"), deduct(ledger, "b", 1, "x"), return_exceptions=True
        )
        assert isinstance(outcomes[0], UnreadableEvent)
        assert isinstance(outcomes[1], Recorded)
        with pytest.raises(UnreadableEvent, match="of account a cannot be read: NotChained"):
            await ledger.account_at("a")
        assert await balance(ledger, "b") == 1_000 - DEDUCTIONS - 1


async def all_is_as_it_was(database: str) -> None:
    async with Ledger(database).running() as ledger:
        assert await balance(ledger, "a") == await balance(ledger, "b") == 1_000 - DEDUCTIONS
        assert isinstance(await deduct(ledger, "a", 1_001, "too much"), InsufficientCredits)
        assert isinstance(await deduct(ledger, "a", 1, "one more"), Recorded)
        assert await balance(ledger, "a") == 1_000 - DEDUCTIONS - 1


# The role of the service --------------------------------------------------------------------------------------------


async def test_the_service_writes_only_what_its_events_prove(lived: str) -> None:
    def rows() -> list[Any]:
        with psycopg.connect(lived) as connection:
            return connection.execute(STORED).fetchall()

    before = rows()
    version, state, hash_ = before[-1]
    async with Ledger(lived).running() as ledger:
        for made in rich(state), b"", b"{}":
            await ledger.log.save_snapshots([Snapshot("a", version, made, hash_)])
        await ledger.log.save_snapshots(
            [Snapshot("a", version - 1, state, hash_), Snapshot("z", version, state, hash_)]
        )
    assert rows() == before
    for statement in (
        "UPDATE ledger.snapshots SET state = ''",
        "INSERT INTO ledger.snapshots SELECT * FROM ledger.snapshots",
    ):
        with psycopg.connect(lived) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())


async def test_a_false_snapshot_is_replaced_by_a_proven_one(lived: str) -> None:
    with tampering(lived) as connection:
        before = connection.execute(STORED).fetchall()
        connection.execute("UPDATE ledger.snapshots SET state = ''")
    async with Ledger(lived).running() as ledger:
        await ledger.committer.load(["a"])
    with psycopg.connect(lived) as connection:
        assert connection.execute(STORED).fetchall()[-1] == before[-1]


async def test_a_row_that_does_not_chain_is_not_decided_upon(lived: str) -> None:
    """The append function does not compute hashes: whoever decides does."""
    async with Ledger(lived).running() as ledger, Ledger(lived).running() as other:
        await deduct(ledger, "a", 1, "in memory")
        writer, _ = await other.log.connect_writer(None)
        end = (await writer.ends(["a"]))["a"]
        state = b'{"data":{},"metadata":{},"recorded_at":"2026-01-01T00:00:00Z","schema":1}'
        row = Row("a", end.version + 1, "CreditsDeducted", state, None, None, None, None, end.hash, bytes(32))
        assert not (await writer.append([row], {})).stale
        await writer.close()
        both = await asyncio.gather(deduct(ledger, "a", 1, "y"), deduct(ledger, "b", 1, "y"), return_exceptions=True)
        assert isinstance(both[0], UnreadableEvent)
        assert isinstance(both[1], Recorded)
