"""Rebuilding on a real PostgreSQL: the same rows again, and every row that was not what it should be, by name."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from ledger.commit.submission import Recorded
from ledger.domain.changes import Fact
from ledger.domain.commands import CaptureHold
from ledger.service import Ledger
from ledger.store.feed import Feed
from projections.engine.builds import next_of, old_of
from projections.engine.compare import LISTED, Difference
from projections.engine.rebuild import BlockedByReaders, CannotBuild, RebuildRunning, Rebuilt, rebuild, rebuilding
from projections.models.catalog import BY_NAME, PROJECTIONS
from projections.models.projection import Projection, Write
from tests.postgres import owner, tampering
from tests.projections.engine.rebuilt import LIVE, Watching, live_a_life, rebuild_all, schemas
from tests.projections.moving import projected
from tests.projections.stored import assert_projected, assert_same, positions, problems, rows_as_stored
from tests.store.asking import submission

BALANCES, HISTORY, USAGE = BY_NAME["balances"], BY_NAME["history"], BY_NAME["usage"]


def executed(database: str, *statements: str) -> None:
    with psycopg.connect(owner(database)) as connection:
        for statement in statements:
            assert connection.execute(statement.encode()).rowcount != 0, statement


def found(rebuilt: Rebuilt) -> Sequence[Difference]:
    assert rebuilt.comparison is not None
    return rebuilt.comparison.first


async def test_the_same_rows_again(ledger: Ledger, database: str) -> None:
    for account in "ada", "zoë":
        await live_a_life(ledger, account)
    end = await projected(ledger, database)
    with psycopg.connect(database) as connection:
        before = rows_as_stored(connection)
    rebuilt = await rebuild_all(ledger, database)
    assert [one.projection for one in rebuilt] == list(PROJECTIONS)
    for one in rebuilt:
        assert one.comparison is not None
        assert one.comparison.differences == 0
        assert one.comparison.left_out == []
        assert (one.position, one.events, one.comparison.position) == (end, end, end)
    rows = {one.projection.name: one.comparison.rows for one in rebuilt if one.comparison}
    assert rows == {
        name: sum(len(table) for key, table in before.items() if key.startswith(f"{name}.")) for name in BY_NAME
    }
    assert all(rows.values())
    with psycopg.connect(database) as connection:
        assert_same(rows_as_stored(connection), before)
    assert schemas(database) == LIVE
    await assert_projected(ledger, database)


async def test_an_empty_log(ledger: Ledger, database: str) -> None:
    rebuilt = await rebuild_all(ledger, database)
    assert {(one.position, one.events) for one in rebuilt} == {(0, 0)}
    assert schemas(database) == LIVE


async def test_a_missing_an_extra_and_a_changed_row_are_found_and_mended(ledger: Ledger, database: str) -> None:
    await live_a_life(ledger, "ada")
    await projected(ledger, database)
    executed(
        database,
        "DELETE FROM projection_balances.holds WHERE number = 20",
        "UPDATE projection_balances.grants SET remaining = remaining + 1, spent = spent - 1 WHERE number = 3",
        "INSERT INTO projection_balances.accounts"
        " SELECT 'bob', version, standing, opened_at, last_activity_at, 1, 2, 0 FROM projection_balances.accounts",
    )
    (rebuilt,) = await rebuild_all(ledger, database, [BALANCES])
    assert rebuilt.comparison is not None
    assert rebuilt.comparison.counts == {"missing": 1, "extra": 1, "different": 1}
    extra, changed, missing = found(rebuilt)
    assert (extra.table, extra.kind, extra.key) == ("accounts", "extra", {"account_id": "bob"})
    assert (extra.live["permanent"], extra.rebuilt) == ("2", {})
    assert (changed.table, changed.kind, changed.key) == ("grants", "different", {"account_id": "ada", "number": "3"})
    assert set(changed.live) == set(changed.rebuilt) == {"remaining", "spent"}
    assert int(changed.live["remaining"] or 0) == int(changed.rebuilt["remaining"] or 0) + 1
    assert (missing.table, missing.kind, missing.key) == ("holds", "missing", {"account_id": "ada", "number": "20"})
    assert (missing.live, missing.rebuilt["held"]) == ({}, "7")
    assert str(changed) == (
        f"grants (account_id ada, number 3): remaining {changed.live['remaining']}, spent {changed.live['spent']}"
        f" should be remaining {changed.rebuilt['remaining']}, spent {changed.rebuilt['spent']}"
    )
    await assert_projected(ledger, database)


async def test_a_null_is_a_value(ledger: Ledger, database: str) -> None:
    await live_a_life(ledger, "ada")
    await projected(ledger, database)
    executed(database, "UPDATE projection_history.entry_rows SET task_id = NULL WHERE task_id = 'task-3'")
    (rebuilt,) = await rebuild_all(ledger, database, [HISTORY])
    (one,) = found(rebuilt)
    assert (one.kind, one.live, one.rebuilt) == ("different", {"task_id": None}, {"task_id": "task-3"})
    assert "task_id null should be task_id task-3" in str(one)


async def test_the_first_differences_are_told_and_all_are_counted(ledger: Ledger, database: str) -> None:
    for account in "ada", "bob":
        await live_a_life(ledger, account)
    await projected(ledger, database)
    executed(database, "UPDATE projection_history.entry_rows SET balance = balance + 1")
    (rebuilt,) = await rebuild_all(ledger, database, [HISTORY])
    assert rebuilt.comparison is not None
    assert len(rebuilt.comparison.first) == LISTED
    assert rebuilt.comparison.differences == rebuilt.comparison.rows > LISTED
    await assert_projected(ledger, database)


async def test_more_rows_than_a_step(ledger: Ledger, database: str) -> None:
    """Rows are counted and differences found beyond the first sign of life, and at the end."""
    await live_a_life(ledger, "ada")
    await projected(ledger, database)
    executed(
        database,
        "INSERT INTO projection_usage.groups SELECT gen_random_uuid(), 'x' || n FROM generate_series(1, 2500) AS n",
    )
    watching = Watching()
    async with rebuilding(database) as connection:
        rebuilt = await rebuild(connection, Feed(ledger.log), USAGE, watching)
    assert rebuilt.comparison is not None
    assert rebuilt.comparison.counts == {"missing": 0, "extra": 2_500, "different": 0}
    assert rebuilt.comparison.rows > 2_500
    assert watching.reached[-1] == rebuilt.comparison.rows
    assert [step.split(" (")[0] for step in watching.steps] == ["usage: building", "usage: comparing"]


async def test_only_what_both_have_is_compared(ledger: Ledger, database: str) -> None:
    """As between two versions: columns that came, went or changed their type, a table that is new, one that is old."""
    await live_a_life(ledger, "ada")
    await projected(ledger, database)
    executed(
        database,
        "ALTER TABLE projection_balances.grants DROP COLUMN source, ADD COLUMN mood text DEFAULT 'good'",
        "ALTER TABLE projection_balances.grants ALTER COLUMN amount TYPE numeric",
        "UPDATE projection_balances.grants SET voided = voided + 1, amount = amount + 1 WHERE number = 2",
        "ALTER TABLE projection_balances.holds RENAME TO reservations",
        "ALTER TABLE projection_balances.accounts RENAME COLUMN account_id TO account",
    )
    (rebuilt,) = await rebuild_all(ledger, database, [BALANCES])
    assert rebuilt.comparison is not None
    assert [(one.table, set(one.live)) for one in found(rebuilt)] == [("grants", {"voided"})]
    assert sorted(rebuilt.comparison.left_out) == [
        "column grants.amount, which differs between the builds",
        "column grants.mood, which differs between the builds",
        "column grants.source, which differs between the builds",
        "table accounts, whose key has changed",
        "table holds, which is new",
        "table reservations, which no longer exists",
    ]
    await assert_projected(ledger, database)


async def test_a_projection_that_is_not_there_is_made(ledger: Ledger, database: str) -> None:
    await live_a_life(ledger, "ada")
    await projected(ledger, database)
    executed(database, "DROP SCHEMA projection_history CASCADE")
    (rebuilt,) = await rebuild_all(ledger, database, [HISTORY])
    assert (rebuilt.before, rebuilt.comparison) == (None, None)
    await assert_projected(ledger, database)


async def test_a_live_build_that_lags_is_overtaken(ledger: Ledger, database: str) -> None:
    """It is compared where it is, and the new one goes on to the end of the log."""
    await live_a_life(ledger, "ada")
    at = await projected(ledger, database)
    await live_a_life(ledger, "bob")
    (rebuilt,) = await rebuild_all(ledger, database, [HISTORY])
    assert rebuilt.comparison is not None
    assert (rebuilt.comparison.position, rebuilt.comparison.differences) == (at, 0)
    assert rebuilt.position == 2 * at
    await projected(ledger, database)
    await assert_projected(ledger, database)


async def test_a_stopped_projection_is_mended(ledger: Ledger, database: str) -> None:
    """A row is lost; the next event about it stops the projection; a rebuild gets it going, to the very end."""
    await live_a_life(ledger, "ada")
    await projected(ledger, database)
    executed(database, "DELETE FROM projection_balances.holds", "DELETE FROM projection_balances.grants")
    await live_a_life(ledger, "bob")
    await capture(ledger, "ada", "hld_20")
    end = await projected(ledger, database)
    with psycopg.connect(database) as connection:
        assert problems(connection).keys() == {"balances"}
        assert positions(connection)["balances"] == end - 1
    (rebuilt,) = await rebuild_all(ledger, database, [BALANCES])
    assert rebuilt.before is not None
    assert rebuilt.before.stopped_at == end
    assert rebuilt.position == end
    assert rebuilt.comparison is not None
    assert rebuilt.comparison.counts["missing"] == 6
    await assert_projected(ledger, database)


async def capture(ledger: Ledger, account: str, hold: str) -> None:
    done = await ledger.execute(submission(CaptureHold(account, hold), "capture", "last"))
    assert isinstance(done, Recorded)


def failing(gather_fails_at: int | None = None, apply_fails_at: int | None = None) -> Projection:
    """A history that cannot bear one event: it has no rows for it, or rows that the table does not take."""

    def gather(facts: Sequence[Fact]) -> list[Write]:
        positions = [fact.position for fact in facts]
        if gather_fails_at in positions:
            raise LookupError("nothing comes to mind")
        writes: list[Write] = HISTORY.gather(facts)
        if apply_fails_at in positions:
            return [write._replace(rows=write.rows + 1) for write in writes]
        return writes

    return replace(HISTORY, gather=gather)


@pytest.mark.parametrize(
    ("projection", "reason"),
    [
        (failing(gather_fails_at=13), "LookupError: nothing comes to mind"),
        (failing(apply_fails_at=13), "CannotApply: "),
    ],
    ids=["gather", "apply"],
)
async def test_an_event_that_cannot_be_applied_changes_nothing(
    ledger: Ledger, database: str, projection: Projection, reason: str
) -> None:
    await live_a_life(ledger, "ada")
    await projected(ledger, database)
    with pytest.raises(CannotBuild, match=rf"beyond position 13: account ada: {reason}") as raised:
        await rebuild_all(ledger, database, [projection])
    assert raised.value.position == 13
    assert schemas(database) == LIVE
    await assert_projected(ledger, database)


async def test_an_event_that_cannot_be_read_changes_nothing(ledger: Ledger, database: str) -> None:
    await live_a_life(ledger, "ada")
    await projected(ledger, database)
    with tampering(database) as connection:
        connection.execute("UPDATE ledger.events SET state = '{' WHERE notification_id = 9")
    with pytest.raises(
        CannotBuild, match="beyond position 9: the event at position 9 of account ada cannot be read"
    ) as raised:
        await rebuild_all(ledger, database, [HISTORY])
    assert raised.value.position == 9
    assert schemas(database) == LIVE


async def test_one_at_a_time(ledger: Ledger, database: str) -> None:
    async with rebuilding(database):
        with pytest.raises(RebuildRunning, match="another process"):
            await rebuild_all(ledger, database)
    async with asyncio.timeout(60), await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        while await (await connection.execute(_REBUILD_LOCKS)).fetchone():  # noqa: ASYNC110  # a state of the database
            await asyncio.sleep(0.01)
    await rebuild_all(ledger, database)


_REBUILD_LOCKS = """
SELECT FROM pg_locks JOIN pg_database AS d ON d.oid = database AND d.datname = current_database()
WHERE locktype = 'advisory' AND (classid::bigint << 32 | objid::bigint) = hashtextextended('projections.rebuild', 0)
"""
"""The lock of a rebuild, which a server process holds until it ends, a moment after its client."""


async def test_what_an_earlier_rebuild_left_is_dropped(ledger: Ledger, database: str) -> None:
    await live_a_life(ledger, "ada")
    await projected(ledger, database)
    for schema in next_of(HISTORY).schema, old_of(HISTORY).schema:
        executed(database, f"CREATE SCHEMA {schema}", f"CREATE TABLE {schema}.entries (nonsense text)")
    await rebuild_all(ledger, database, [HISTORY])
    assert schemas(database) == LIVE
    await assert_projected(ledger, database)


async def test_what_is_still_read_is_not_dropped(
    ledger: Ledger, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A download reads the old rows to their end; until then the next rebuild says why it does not begin."""
    monkeypatch.setattr("projections.engine.rebuild._SHORT_PATIENCE", 0.2)
    await live_a_life(ledger, "ada")
    await projected(ledger, database)
    async with await psycopg.AsyncConnection.connect(database) as reader, reader.cursor(name="download") as cursor:
        await cursor.execute("SELECT * FROM projection_history.entries")
        await rebuild_all(ledger, database, [HISTORY])
        assert old_of(HISTORY).schema in schemas(database)
        with pytest.raises(BlockedByReaders, match=f"{old_of(HISTORY).schema}, which an earlier rebuild left behind"):
            await rebuild_all(ledger, database, [HISTORY])
        assert len(await cursor.fetchall()) == len(await entries(database))
    await rebuild_all(ledger, database, [HISTORY])
    assert schemas(database) == LIVE


async def entries(database: str) -> list[Any]:
    async with await psycopg.AsyncConnection.connect(database) as connection:
        return await (await connection.execute("SELECT * FROM projection_history.entries")).fetchall()
