"""Whatever is done to a row of any projection, the check finds it, and names its table, its account and the column."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import psycopg
import pytest

from ledger.domain.events import CreditsDeducted
from ledger.service import Ledger
from ledger.store.feed import Feed
from projections.checks.check import Difference, check_accounts, check_totals
from projections.checks.refold import Connection, connect
from projections.checks.roster import next_accounts
from projections.engine.builds import Batch, apply, live
from projections.engine.runner import connect as connect_to_move
from projections.engine.runner import gather, prepare
from projections.models.catalog import BY_NAME, PROJECTIONS
from projections.models.projection import Projection, Table
from tests.postgres import TestServers, owner
from tests.projections.moving import projected

ANOTHER = {
    "bigint": "coalesce({0}, 0) + 1000",
    "smallint": "{0} + 1000",
    "numeric": "{0} + 1",
    "text": "coalesce({0}, '') || 'x'",
    "timestamp with time zone": "coalesce({0}, '2026-01-01Z') - interval '3 hours'",
    "boolean": "NOT {0}",
    "jsonb": """'["another"]'""",
    "uuid": "gen_random_uuid()",
    '"char"': 'chr(ascii({0}::text) + 1)::"char"',
}
"""Another value of each type."""

BEHIND = {
    "history.entries": "entry_rows",
    "usage.usage": "usage_rows",
    "usage.usage_measured": "measured_rows",
}
"""The tables that have the rows of a view. They name accounts by numbers."""
SHOWN_AS = {
    "account": "account_id",
    "hold": "hold_id",
    "transfer": "transfer_id",
    "about_kind": "about",
    **dict.fromkeys(("group_id", "input_tokens", "output_tokens", "cached_tokens", "quantity", "duration_ms"), "usage"),
}
"""The columns of entries that have other names in their view."""

SHAPE = """
SELECT column_name, data_type FROM information_schema.columns
WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position
"""
CONSTRAINTS = """
SELECT conrelid::regclass::text, conname FROM pg_constraint
WHERE contype = 'c' AND conrelid::regclass::text LIKE 'projection%'
"""
TABLES = [(projection, table) for projection in PROJECTIONS for table in projection.tables]
NAMES = [f"{projection.name}.{table.name}" for projection, table in TABLES]


async def differences(database: str) -> list[Difference]:
    """What a check of everything finds."""
    async with await connect(database) as connection:
        return await differences_on(connection)


async def differences_on(connection: Connection) -> list[Difference]:
    """The same on a connection that checks again and again."""
    found = await check_accounts(connection, await next_accounts(connection, "", 1_000))
    found.add(await check_totals(connection))
    assert not found.unchecked
    return found.differences


class Damaged(NamedTuple):
    """A database to do damage in, and a check of it."""

    connection: psycopg.Connection[Any]
    differences: Callable[[], list[Difference]]


class Victim:
    """One table of a busy ledger's projections, in a database without anything that refuses nonsense."""

    def __init__(self, damaged: Damaged, place: tuple[Projection, Table]) -> None:
        self._connection, self._differences = damaged
        self.projection, self.table = place
        name = f"{self.projection.name}.{self.table.name}"
        self.stored = BEHIND.get(name, self.table.name)
        self.shown_as = SHOWN_AS if name == "history.entries" else {"account": "account_id"}
        self.key = [*self.table.key]
        if name in BEHIND:
            self.key[0] = "account"
        self.name = f"{self.projection.schema}.{self.stored}"
        shape = self._connection.execute(SHAPE, [self.projection.schema, self.stored])
        self.columns = dict(shape.fetchall())

    def _run(self, statement: str) -> psycopg.Cursor[Any]:
        return self._connection.execute(statement.encode())

    def suffer(self, damage: str) -> list[Difference]:
        """Do something to the first row ({row} is its address), look what a check finds of it, and undo it.

        What is said is of this table alone. Where the row's account is not its whole key, it is also of that account.
        """
        found = self._run(f"SELECT ctid, t.* FROM {self.name} AS t ORDER BY {', '.join(self.key)} LIMIT 1").fetchone()
        assert found is not None
        assert self._run(damage.format(table=self.name, row=f"'{found[0]}'")).rowcount == 1
        said = self._differences()
        self._run(f"DELETE FROM {self.name}")
        self._run(f"INSERT INTO {self.name} TABLE kept.{self.stored}")
        own = [one for one in said if (one.projection, one.table) == (self.projection.name, self.table.name)]
        if not self.table.key[1:]:
            return own
        return [one for one in own if one.account_id in {"", self._account(found[1])}]

    def _account(self, named: Any) -> str:
        """The id of an account, which a row names by it or by a number."""
        if not isinstance(named, int):
            return str(named)
        names = f"{self.projection.schema}.{self.projection.name}_accounts"
        row = self._run(f"SELECT account_id FROM {names} WHERE number = {named}").fetchone()
        assert row is not None
        return str(row[0])


@pytest.fixture(scope="module")
def victims(servers: TestServers, lived: str) -> Iterator[Damaged]:
    server = servers.get("embedded")
    assert server is not None
    with server.database(lived) as database, psycopg.connect(owner(database), autocommit=True) as connection:
        asyncio.run(_projected(database))
        for table, name in connection.execute(CONSTRAINTS).fetchall():
            connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}".encode())
        connection.execute("ALTER TABLE projection_balances.accounts ALTER COLUMN total DROP EXPRESSION")
        connection.execute("DROP INDEX projection_payments.payments_in_order")
        connection.execute("DROP INDEX projection_uncollected.uncollected_in_order")
        connection.execute("CREATE SCHEMA kept")
        for projection, table in TABLES:
            stored = BEHIND.get(f"{projection.name}.{table.name}", table.name)
            copy = f"CREATE TABLE kept.{stored} AS TABLE {projection.schema}.{stored}"
            connection.execute(copy.encode())
        with asyncio.Runner() as loop:
            checking = loop.run(connect(database))
            damaged = Damaged(connection, lambda: loop.run(differences_on(checking)))
            assert damaged.differences() == []
            yield damaged
            assert damaged.differences() == []
            loop.run(checking.close())


async def _projected(database: str) -> None:
    async with Ledger(database).running() as ledger:
        await projected(ledger, database)


@pytest.fixture(params=TABLES, ids=NAMES)
def victim(request: pytest.FixtureRequest, victims: Damaged) -> Victim:
    return Victim(victims, request.param)


def test_a_row_that_is_gone(victim: Victim) -> None:
    found = victim.suffer("DELETE FROM {table} WHERE ctid = {row}")
    assert any(one.expected is not None and one.found is None for one in found), found


def test_a_row_too_many(victim: Victim) -> None:
    """A copy of a row under another key."""
    last = victim.key[-1]
    values = {name: ANOTHER[kind].format(name) if name == last else name for name, kind in victim.columns.items()}
    copy = f"SELECT {', '.join(values.values())} FROM {{table}} WHERE ctid = {{row}}"
    found = victim.suffer(f"INSERT INTO {{table}} ({', '.join(values)}) {copy}")
    assert any(one.expected is None and one.found is not None for one in found), found


def test_another_value_in_any_column(victim: Victim) -> None:
    missed = []
    for column, kind in victim.columns.items():
        value = ANOTHER[kind].format(column)
        found = victim.suffer(f"UPDATE {{table}} SET {column} = {value} WHERE ctid = {{row}}")
        shown = victim.shown_as.get(column, column)
        named = [one for one in found if one.expected is not None and shown in {**one.expected, **one.key}]
        if not (found if column in victim.key else named):
            missed.append((column, [one.text for one in found]))
    assert not missed


@pytest.mark.parametrize(
    ("damage", "account"),
    [
        ("UPDATE projection_history.history_groups SET names = 'x' || names", "ada"),
        ("DELETE FROM projection_history.history_groups", "ada"),
        ("DELETE FROM projection_history.history_accounts", "ada"),
        ("DELETE FROM projection_usage.usage_accounts", "ada"),
    ],
)
def test_what_rows_have_in_common(victims: Damaged, damage: str, account: str) -> None:
    [table] = [word for word in damage.split() if word.startswith("projection_")]
    victims.connection.execute(f"CREATE TABLE kept.common AS TABLE {table}".encode())
    victims.connection.execute(damage.encode())
    found = victims.differences()
    victims.connection.execute(f"DELETE FROM {table}".encode())
    victims.connection.execute(f"INSERT INTO {table} TABLE kept.common; DROP TABLE kept.common".encode())
    assert account in {one.account_id for one in found if one.projection in table}


# Events that were not applied once ---------------------------------------------------------------------------------


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.name)
async def test_an_event_that_was_skipped(unprojected: str, projection: Projection) -> None:
    """Everything of one event is missing in one projection, which then went on as if nothing were."""
    await _with_one_event_applied(unprojected, projection, times=0)
    found = await differences(unprojected)
    assert {one.projection for one in found} >= {projection.name}
    assert {one.account_id for one in found} <= {"ada", ""}


@pytest.mark.parametrize("name", ["balances", "rollups", "usage", "statistics"])
async def test_an_event_that_was_applied_twice(unprojected: str, name: str) -> None:
    """Where keys do not refuse it: sums that have one event too many."""
    await _with_one_event_applied(unprojected, BY_NAME[name], times=2)
    found = await differences(unprojected)
    assert {one.projection for one in found} >= {name}
    assert {one.account_id for one in found} <= {"ada", ""}


async def _with_one_event_applied(database: str, projection: Projection, *, times: int) -> None:
    """A busy history in which one projection got one event, a deduction if it looks at these, that many times."""
    async with Ledger(database).running() as ledger:
        await _applied(ledger, database, projection, times)


async def _applied(ledger: Ledger, database: str, projection: Projection, times: int) -> None:
    feed, build = Feed(ledger.log), live(projection)
    end = await feed.last_position()
    facts = (await prepare(feed, [], 0, end, 10_000))[0].facts
    looked_at = [fact for fact in facts if projection.gather([fact])]
    last = max(looked_at, key=lambda fact: (isinstance(fact.event, CreditsDeducted), fact.position)).position
    async with await connect_to_move(database) as connection:
        for after, upto, repeated in ((0, last - 1, 1), (last - 1, last, times), (last, end, 1)):
            some = [fact for fact in facts if after < fact.position <= upto for _ in range(repeated)]
            await apply(connection, Batch(after, upto, some), await gather([build], some))
    await projected(ledger, database)
