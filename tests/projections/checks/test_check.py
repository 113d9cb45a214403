"""The check says nothing of what is right, at any moment, and names whatever is wrong."""

import asyncio
import tracemalloc
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from unittest.mock import ANY

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.cli.progress import Lines
from ledger.commit.notifications import CommitListener
from ledger.commit.submission import Recorded
from ledger.domain.commands import CaptureHold, DeductCredits, GrantCredits, PlaceHold, ReverseDeduction, SendCredits
from ledger.moves import Moved, move
from ledger.service import Ledger
from ledger.store.feed import Feed
from ledger.store.records.codec import encode_snapshot
from projections.checks import refold
from projections.checks.check import Checked, check_accounts, check_totals
from projections.checks.refold import connect
from projections.checks.roster import how_many, next_accounts, sample
from projections.engine.builds import create, live, next_of
from projections.engine.rebuild import BlockedByReaders, rebuild, rebuilding
from projections.engine.runner import Runner
from projections.models.balances.projection import BALANCES
from projections.models.catalog import PROJECTIONS
from projections.models.payments.projection import PAYMENTS
from projections.models.rollups.projection import ROLLUPS
from tests.conftest import Clock
from tests.long_form import times
from tests.postgres import owner, tampering
from tests.projections.bench import Bench
from tests.projections.busy import DAY, Busy
from tests.projections.busy import USAGE as USED
from tests.projections.folding import Told, folded, number
from tests.projections.histories import logs
from tests.projections.moving import projected
from tests.projections.stored import number_of
from tests.store.asking import deduction, open_account, submission

NAMES = {projection.name for projection in PROJECTIONS}


async def checked(database: str, *accounts: str) -> Checked:
    """A check of some accounts, or of all of them with their sums."""
    async with await connect(database) as connection:
        if accounts:
            return await check_accounts(connection, accounts)
        found = await check_accounts(connection, await next_accounts(connection, "", 1_000))
        found.add(await check_totals(connection))
        return found


def run(database: str, *statements: str) -> None:
    with psycopg.connect(owner(database)) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def words(found: Checked) -> list[str]:
    return [difference.text for difference in found.differences]


# What is right -----------------------------------------------------------------------------------------------------


async def test_a_busy_history_is_clean(database: str, ledger: Ledger, clock: Clock) -> None:
    for account in ("ada", "bob"):
        await Busy(ledger, clock).live(account)
    await Busy(ledger, clock).end("bob")
    end = await projected(ledger, database)
    found = await checked(database)
    assert words(found) == []
    assert (found.accounts, found.events, found.unchecked) == (2, end, {})
    assert found.positions == dict.fromkeys(NAMES, end)


many = settings(
    deadline=None,
    max_examples=times(20, 60),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@many
@given(log=logs(), share=st.lists(st.booleans(), min_size=len(PROJECTIONS), max_size=len(PROJECTIONS)))
def test_random_histories_are_clean_wherever_each_projection_stands(
    bench: Bench, log: list[Told], share: list[bool]
) -> None:
    bench.empty()
    ahead = [projection for projection, is_ahead in zip(PROJECTIONS, share, strict=True) if is_ahead]
    bench.run(_projected_apart(bench, log, ahead))
    found = bench.run(checked(bench.conninfo))
    assert words(found) == []
    together = len({*found.positions.values()}) == 1
    assert found.positions["balances"] == (len(log) if BALANCES in ahead else middle_of(log))
    assert set(found.unchecked) == (set() if together and not found.unchecked else {"totals"})


def middle_of(log: list[Told]) -> int:
    """A position near the middle at which every move is whole. The ledger appends both halves of a move together; these
    logs mix the streams of accounts, and may have what one received before what the other sent."""
    return next(position for position in range(len(log) // 2, -1, -1) if _moves_are_whole(log[:position]))


def _moves_are_whole(log: list[Told]) -> bool:
    tables = folded(log)
    moved: defaultdict[object, int] = defaultdict(int)
    for row in tables["history.entries"].values():
        if row["type"] == "transfer":
            between = frozenset((row["account_id"], row["other_account_id"]))
            moved[between, row["transfer_id"]] += row["subscription"] + row["permanent"]
    grants = tables["balances.grants"]
    origins = [(row["from_account_id"], row["from_grant_id"]) for row in grants.values() if row["from_account_id"]]
    return not any(moved.values()) and all((name, number(grant_id)) in grants for name, grant_id in origins)


async def _projected_apart(bench: Bench, log: list[Told], ahead: Sequence[object]) -> None:
    half = middle_of(log)
    await bench.append(log[:half])
    await bench.project(100)
    await bench.append(log[half:])
    await bench.project(100, [projection for projection in PROJECTIONS if projection in ahead])


async def test_nothing_is_wrong_while_everything_moves(database: str, ledger: Ledger, clock: Clock) -> None:
    """A live runner, writers, and one check after the other: none of them may see what is only half there."""
    async with _everything_moving(database, ledger, clock) as moving, await connect(database) as connection:
        seen: set[int] = set()
        while len(seen) < times(20, 60):
            found = await check_accounts(connection, ["ada", "bob"])
            found.add(await check_totals(connection))
            assert words(found) == []
            seen.add(found.positions.get("history", 0))
            assert not any(task.done() for task in moving)


async def test_nothing_is_wrong_while_projections_are_rebuilt(database: str, ledger: Ledger, clock: Clock) -> None:
    async with _everything_moving(database, ledger, clock) as moving, await connect(database) as connection:
        rebuilding_all = asyncio.create_task(_rebuild_all(database, ledger))
        while not rebuilding_all.done():
            found = await check_accounts(connection, ["ada", "bob"])
            found.add(await check_totals(connection))
            assert words(found) == []
            assert not any(task.done() for task in moving)
        await rebuilding_all


async def _rebuild_all(database: str, ledger: Ledger) -> None:
    async with rebuilding(database) as connection:
        for projection in PROJECTIONS:
            while True:
                try:
                    await rebuild(connection, Feed(ledger.log), projection, Lines())
                except BlockedByReaders:
                    continue
                break


@asynccontextmanager
async def _everything_moving(database: str, ledger: Ledger, clock: Clock) -> AsyncIterator[list[asyncio.Task[None]]]:
    for account in ("ada", "bob"):
        await Busy(ledger, clock).live(account)
    listener = CommitListener(database)
    tasks = [asyncio.create_task(_write(Busy(ledger, clock), account)) for account in ("ada", "bob")]
    tasks.append(asyncio.create_task(Runner(database, Feed(ledger.log), listener, page=7).run()))
    try:
        async with listener.listening(), asyncio.timeout(240):
            yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _write(busy: Busy, account: str) -> None:
    """Without end, at the pace of a few hundred events a second: every event is folded again by every check."""
    while True:
        await busy.ask(GrantCredits(account, "subscription", 5, lifetime=DAY))
        hold = await busy.make(PlaceHold(account, 7, DAY))
        spent = await busy.make(DeductCredits(account, 2, usage=USED))
        await busy.ask(CaptureHold(account, hold, 3))
        await busy.ask(ReverseDeduction(account, spent, 1))
        await asyncio.sleep(0.02)


async def test_many_events_do_not_take_much_memory(
    database: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The peak of an account with many events is that of one with few: what is in memory at a time is a page.

    What else happens in the process meanwhile counts too, so the least of some peaks is what the account takes.
    """
    monkeypatch.setattr(refold, "PAGE", 100)
    few, many = 300, 3_000
    for account, count in (("few", few), ("many", many)):
        await open_account(ledger, account, permanent=count)
        for start in range(0, count, 1_000):
            some = [deduction(account, 1, f"{n}") for n in range(start, min(start + 1_000, count))]
            outcomes = await asyncio.gather(*[ledger.execute(one) for one in some])
            assert all(isinstance(outcome, Recorded) for outcome in outcomes)
    await projected(ledger, database)
    peaks = []
    async with await connect(database) as connection:
        for account, events in (("few", few + 2), ("many", many + 2)):
            found: list[int] = []
            for _ in range(3):
                tracemalloc.start()
                checked_now = await check_accounts(connection, [account])
                found.append(tracemalloc.get_traced_memory()[1])
                tracemalloc.stop()
                assert (checked_now.events, words(checked_now)) == (events, [])
            peaks.append(min(found))
    assert peaks[1] < 1.5 * peaks[0]


# What cannot be compared is said, and is no drift ------------------------------------------------------------------


async def test_what_is_missing_stopped_or_of_another_version_is_not_compared(
    database: str, ledger: Ledger, clock: Clock
) -> None:
    await Busy(ledger, clock).live("ada")
    await projected(ledger, database)
    run(
        database,
        "DROP SCHEMA projection_payments CASCADE",
        "UPDATE projection_usage.checkpoint SET version = 99",
        "UPDATE projection_history.checkpoint SET stopped_at = 7, problem = 'no reason'",
        "DELETE FROM projection_history.entry_rows",
        "DELETE FROM projection_usage.usage_rows",
    )
    found = await checked(database)
    assert words(found) == []
    assert set(found.positions) == {"balances", "rollups", "subscriptions", "uncollected"}
    assert "not built" in found.unchecked["payments"]
    assert "version 99" in found.unchecked["usage"]
    assert "stopped at position 7: no reason" in found.unchecked["history"]


async def test_a_lagging_projection_is_compared_where_it_stands(database: str, ledger: Ledger, clock: Clock) -> None:
    await Busy(ledger, clock).live("ada")
    end = await projected(ledger, database)
    await Busy(ledger, clock).live("bob")
    await projected(ledger, database, projections=[ROLLUPS])
    found = await checked(database, "ada", "bob")
    assert words(found) == []
    assert found.positions["rollups"] > found.positions["history"] == end
    run(database, "UPDATE projection_rollups.rollups SET granted = granted + 1 WHERE account_id = 'bob'")
    run(
        database,
        f"UPDATE projection_history.entry_rows SET balance = balance + 1 WHERE account = {number_of('ada', 'history')}",
    )
    found = await checked(database, "ada", "bob")
    assert {(one.account_id, one.projection) for one in found.differences} == {("ada", "history"), ("bob", "rollups")}


async def test_a_projection_that_is_replaced_meanwhile_is_looked_at_again(
    database: str, ledger: Ledger, clock: Clock
) -> None:
    """In the middle of a check another build takes the place of one: in the check's moment its tables are empty."""
    await Busy(ledger, clock).live("ada")
    end = await projected(ledger, database)
    async with await connect(database) as connection, await psycopg.AsyncConnection.connect(database) as barrier:
        await create_filled(database)
        await barrier.execute("LOCK TABLE projection_balances.accounts IN ACCESS EXCLUSIVE MODE")
        checking = asyncio.create_task(check_accounts(connection, ["ada"]))
        await until_it_waits(database)
        run(
            database,
            "INSERT INTO projection_rollups_next.rollups TABLE projection_rollups.rollups",
            f"UPDATE projection_rollups_next.checkpoint SET position = {end}",
            "ALTER SCHEMA projection_rollups RENAME TO projection_rollups_old",
            "ALTER SCHEMA projection_rollups_next RENAME TO projection_rollups",
        )
        await barrier.rollback()
        found = await checking
    assert (words(found), found.unchecked) == ([], {})
    assert "rollups" in found.positions


async def create_filled(database: str) -> None:
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        await create(connection, next_of(ROLLUPS))


async def until_it_waits(database: str) -> None:
    """Until some connection waits for a lock."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection, asyncio.timeout(240):
        while True:
            waiting = await connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if await waiting.fetchone() != (0,):
                return
            await asyncio.sleep(0.01)


# What is wrong -----------------------------------------------------------------------------------------------------


async def test_an_account_that_one_side_alone_knows(database: str, ledger: Ledger, clock: Clock) -> None:
    await Busy(ledger, clock).live("ada")
    await Busy(ledger, clock).live("bob")
    await projected(ledger, database)
    named = (BALANCES, ROLLUPS, PAYMENTS)
    tables = [f"{live(p).schema}.{table.name}" for p in named for table in p.tables if table.of_accounts]
    run(database, *(f"DELETE FROM {table} WHERE account_id = 'ada'" for table in tables))
    for name, rows in (("history", "entry_rows"), ("usage", "usage_rows"), ("usage", "measured_rows")):
        run(database, f"DELETE FROM projection_{name}.{rows} WHERE account = {number_of('ada', name)}")
        tables.append(f"projection_{name}.{name}_accounts")
    run(database, *(f"UPDATE {table} SET account_id = 'ghost' WHERE account_id = 'bob'" for table in tables))
    found = await checked(database)
    expected = {"balances", "history", "rollups", "usage", "payments"}
    for account in ("ada", "bob"):
        missing = {one.projection for one in found.differences if one.account_id == account and one.found is None}
        assert missing == expected
    extra = {one.projection for one in found.differences if one.account_id == "ghost" and one.expected is None}
    assert extra == expected


async def test_events_that_were_changed_are_named(database: str, ledger: Ledger, clock: Clock) -> None:
    """The log itself: what does not fold is drift of its account alone, what cannot be read is not compared."""
    for account in ("ada", "bob", "eve"):
        await Busy(ledger, clock).live(account)
    await projected(ledger, database)
    with tampering(database) as connection:
        connection.execute("DELETE FROM ledger.events WHERE originator_id = 'ada' AND topic = 'CreditsGranted'")
        unheard = "UPDATE ledger.events SET topic = 'Unheard' WHERE originator_id = 'bob' AND originator_version = 9"
        connection.execute(unheard)
    found = await checked(database, "ada", "bob", "eve")
    assert {(one.account_id, one.table) for one in found.differences} == {("ada", "events")}
    assert "Unheard" in found.unchecked["account bob"]
    assert found.accounts == 3


async def test_a_snapshot_that_differs_from_the_events_is_named(database: str, ledger: Ledger, clock: Clock) -> None:
    for account in ("ada", "bob"):
        await Busy(ledger, clock).live(account)
    await projected(ledger, database)
    async with ledger.log.reader() as reader:
        ada = await reader.load_at("ada", 9)
    assert ada is not None
    state = encode_snapshot(ada)
    keep = """
    INSERT INTO ledger.snapshots (originator_id, originator_version, topic, state, hash)
    SELECT originator_id, 9, 'Account/3', %s, hash FROM ledger.events WHERE originator_version = 9
    """
    with tampering(database) as connection:
        connection.execute(keep, [state])
    [found] = (await checked(database, "ada", "bob")).differences
    assert found.text.startswith("account bob: ledger.snapshots (version 9) digest is ")


MISTAKES = [
    ("balances", "accounts", "NEW.subscription_expire_at := NEW.subscription_expire_at + interval '1 second'"),
    ("balances", "grants", "NEW.kind := 'other'"),
    ("balances", "grants", "IF NEW.coming > 0 THEN NEW.coming := 999; NEW.amount := 999; END IF"),
    ("balances", "holds", "NEW.expires_at := NEW.expires_at + interval '1 second'"),
    ("history", "entries", "NEW.subscription := NEW.subscription + 1; NEW.permanent := NEW.permanent - 1"),
    ("history", "entries", "NEW.balance := NEW.balance + 1"),
    ("rollups", "rollups", "NEW.granted := NEW.granted + 1"),
    ("rollups", "rollups", "NEW.closing_permanent := NEW.closing_permanent + 1"),
]


@pytest.mark.parametrize(("projection", "table", "mistake"), MISTAKES)
async def test_a_mistake_of_the_projection_itself_is_found_by_the_domain(
    database: str, ledger: Ledger, clock: Clock, projection: str, table: str, mistake: str
) -> None:
    """A mistake that is made with the stored rows and the refolded ones alike: these agree, and are both wrong."""
    trigger = "CREATE TRIGGER mistake BEFORE INSERT OR UPDATE ON {} FOR EACH ROW EXECUTE FUNCTION public.mistake()"
    body = f"BEGIN {mistake}; RETURN NEW; END"
    stored = {"entries": "entry_rows"}.get(table, table)
    run(
        owner(database),
        f"CREATE FUNCTION public.mistake() RETURNS trigger LANGUAGE plpgsql AS $${body}$$",
        trigger.format(f"projection_{projection}.{stored}"),
    )
    busy = Busy(ledger, clock)
    await busy.live("ada")
    await busy.ask(GrantCredits("ada", "permanent", 5, effective_at=clock.now + DAY))
    await projected(ledger, database)
    async with await connect(database) as connection:
        await connection.execute(trigger.format(f"pg_temp.{stored}").encode())
        found = await check_accounts(connection, ["ada"])
    assert {(one.account_id, one.projection, one.table) for one in found.differences} == {("ada", projection, table)}


async def test_a_group_is_wrong_for_the_accounts_that_use_it(database: str, ledger: Ledger, clock: Clock) -> None:
    for account in ("ada", "bob"):
        await Busy(ledger, clock).live(account)
    await open_account(ledger, "eve", permanent=5)
    await projected(ledger, database)
    run(database, "UPDATE projection_usage.groups SET model = 'x' WHERE model = 'other'")
    found = await checked(database, "ada", "bob", "eve")
    assert [(one.account_id, one.table) for one in found.differences] == [("ada", "groups"), ("bob", "groups")]
    assert [(one.expected, one.found) for one in found.differences] == [({"model": "other"}, {"model": "x"})] * 2


async def test_credits_of_no_group_are_missing_from_every_grouping(database: str, ledger: Ledger, clock: Clock) -> None:
    await Busy(ledger, clock).live("ada")
    await projected(ledger, database)
    run(database, "DELETE FROM projection_usage.groups WHERE model = 'other'")
    async with await connect(database) as connection:
        found = (await check_totals(connection)).differences
    assert {one.account_id for one in found} == {""}
    sums = [one for one in found if one.table == "usage"]
    assert [(one.expected, one.found) for one in sums] == [
        ({"deducted": 36, "deductions": 3}, {"deducted": 31, "deductions": 2})
    ] * 2
    assert [one.key["width"] for one in sums] == [15, 60]
    assert [one.found for one in found if one.table == "groups"] == [None]


async def test_rows_of_no_account_are_found_among_all(database: str, ledger: Ledger, clock: Clock) -> None:
    await Busy(ledger, clock).live("ada")
    await projected(ledger, database)
    run(
        database,
        f"INSERT INTO projection_history.entry_rows {_ENTRY}",
        "INSERT INTO projection_usage.usage_rows SELECT 77, bucket, count, width, group_id, 0, 0, 0, 0, 0"
        " FROM projection_usage.usage_rows LIMIT 1",
    )
    async with await connect(database) as connection:
        found = (await check_totals(connection)).differences
    strays = [(one.projection, one.key, one.expected, one.found) for one in found if "account" in one.key]
    assert strays == [
        ("history", {"account": 0}, None, {"rows": 1}),
        ("usage", {"account": 77}, None, {"rows": 1}),
    ]


async def test_what_one_account_sent_must_have_been_received(database: str, ledger: Ledger, clock: Clock) -> None:
    """Each stream may be sound by itself; of two accounts, what left one reached the other."""
    for account, credits in (("ada", 100), ("bob", 0)):
        await open_account(ledger, account, permanent=credits)
    asked = submission(SendCredits("ada", "bob", 30), "transfer", "t", ("bob", 30))
    assert isinstance(await move(ledger, asked), Moved)
    await projected(ledger, database)
    async with await connect(database) as connection:
        assert not (await check_totals(connection)).differences
    run(database, "UPDATE projection_history.entry_rows SET permanent = 20 WHERE type = 't' AND permanent > 0")
    async with await connect(database) as connection:
        found = [one for one in (await check_totals(connection)).differences if "accounts" in one.key]
    assert [(one.key["accounts"], one.expected, one.found) for one in found] == [
        (["ada", "bob"], {"permanent": 0}, {"permanent": -10})
    ]


@pytest.mark.parametrize(
    ("damage", "table", "expected", "found"),
    [
        (
            "UPDATE projection_history.entry_rows SET subscription = permanent, permanent = 0"
            " WHERE type = 't' AND permanent > 0",
            "entries",
            {"subscription": 0, "permanent": 0},
            {"subscription": 30, "permanent": -30},
        ),
        (
            "UPDATE projection_balances.grants SET kind = 'subscription', source = 'topup'"
            " WHERE from_account_id IS NOT NULL",
            "grants",
            {"kind": "permanent", "source": "signup"},
            {"kind": "subscription", "source": "topup"},
        ),
        (
            "UPDATE projection_balances.grants SET from_grant_id = 'grt_9' WHERE from_account_id IS NOT NULL",
            "grants",
            None,
            ANY,
        ),
    ],
)
async def test_what_was_received_is_what_was_sent(
    database: str, ledger: Ledger, damage: str, table: str, expected: object, found: object
) -> None:
    """Its kind, source and date, which no reader of the receiver's stream alone can know to be wrong."""
    for account, credits in (("ada", 100), ("bob", 0)):
        await open_account(ledger, account, permanent=credits)
    assert isinstance(
        await move(ledger, submission(SendCredits("ada", "bob", 30), "transfer", "t", ("bob", 30))), Moved
    )
    await projected(ledger, database)
    run(database, damage)
    async with await connect(database) as connection:
        wrong = [one for one in (await check_totals(connection)).differences if one.table == table]
    assert [(one.expected, one.found) for one in wrong] == [(expected, found)]


_ENTRY = (
    "(account, recorded_at, sequence, subscription, permanent, balance, type, about_kind)"
    " VALUES (0, now(), 1, 0, 0, 0, 'g', 'g')"
)


# Which accounts there are ------------------------------------------------------------------------------------------


async def test_the_roster_walks_through_all_accounts_once_and_samples_some(database: str, ledger: Ledger) -> None:
    names = sorted([*(f"a{number}" for number in range(30)), "Zoë", "zoë", "-", "\N{SNOWMAN}", "\N{GRINNING FACE}"])
    for name in names:
        await open_account(ledger, name)
    await projected(ledger, database)
    run(
        database,
        "INSERT INTO projection_history.history_accounts VALUES (0, 'ghost')",
        f"INSERT INTO projection_history.entry_rows {_ENTRY}",
    )
    everyone = sorted([*names, "ghost"])
    async with await connect(database) as connection:
        walked: list[str] = []
        while piece := await next_accounts(connection, walked[-1] if walked else "", 4):
            walked += piece
        assert walked == everyone
        assert await how_many(connection) == len(names)
        for size in (1, 7, 35, 36, 100):
            some = await sample(connection, size)
            assert len(some) == len(set(some)) == min(size, len(everyone))
            assert set(some) <= set(everyone)
        drawn = {name for _ in range(40) for name in await sample(connection, 5)}
        assert len(drawn) > 30


async def test_an_empty_ledger_has_nothing_to_compare(database: str) -> None:
    async with await connect(database) as connection:
        assert await next_accounts(connection, "", 5) == await sample(connection, 5) == []
        found = await check_totals(connection)
    assert (words(found), found.unchecked) == ([], {})
