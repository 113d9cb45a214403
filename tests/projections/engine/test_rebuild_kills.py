"""A rebuild that ends between any two statements: what served goes on serving, and the next rebuild does it all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection

from ledger.service import Ledger
from ledger.store.feed import Feed
from projections.engine.builds import SQL
from projections.engine.rebuild import rebuild
from projections.models.catalog import BY_NAME
from tests.projections.engine.rebuilt import LIVE, Watching, live_a_life, rebuild_all, schemas
from tests.projections.moving import projected
from tests.projections.stored import assert_projected, rows_as_stored

BALANCES = BY_NAME["balances"]
PAGE = 9


# psycopg's cursor in the server cannot be closed on a connection that is lost.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Mortal(AsyncConnection[Any]):
    """A connection that breaks when something is about to be sent for the n-th time, be it a BEGIN or a COMMIT."""

    left = 1_000_000

    async def wait(self, *args: Any, **kwargs: Any) -> Any:
        if self.left == 0:
            self.pgconn.finish()
            raise psycopg.OperationalError("the test has cut the connection")
        self.left -= 1
        return await super().wait(*args, **kwargs)


@asynccontextmanager
async def mortal(conninfo: str, life: int) -> AsyncIterator[Mortal]:
    """A connection that leads the rebuild. Whoever did so before is dead, which the server may not know yet."""
    connection = await Mortal.connect(conninfo, autocommit=True)
    async with asyncio.timeout(240):
        while not await _leads(connection):
            pass
    connection.left = life
    try:
        yield connection
    finally:
        connection.left = 1_000_000
        await connection.close()


async def _leads(connection: AsyncConnection[Any]) -> bool:
    row = await (await connection.execute(SQL["lead_rebuild"])).fetchone()
    return bool(row and row[0])


async def test_cut_between_any_two_statements(ledger: Ledger, database: str) -> None:
    """A row of the old build is wrong: so one sees which one serves."""
    await live_a_life(ledger, "ada")
    await projected(ledger, database)
    right = rows(database)
    wrong = damaged(database)
    survived = lives = 0
    served_new = 0
    while not survived:
        async with mortal(database, lives) as connection:
            try:
                await rebuild(connection, Feed(ledger.log), BALANCES, Watching(), page=PAGE)
            except psycopg.OperationalError:
                pass
            else:
                survived = 1
        serving = rows(database)
        assert serving in (right, wrong), f"after {lives} exchanges"
        if serving == right:
            served_new += 1
            assert damaged(database) == wrong
        lives += 1
    assert lives > 60, "there are more statements than that"
    assert 1 < served_new < 30, "the switch is near the end"
    await rebuild_all(ledger, database, [BALANCES])
    assert schemas(database) == LIVE
    await assert_projected(ledger, database)


def rows(database: str) -> Any:
    with psycopg.connect(database) as connection:
        return rows_as_stored(connection, [BALANCES])


def damaged(database: str) -> Any:
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE projection_balances.grants SET description = 'damaged' WHERE number = 3")
    return rows(database)


@pytest.mark.parametrize("life", [5, 40, 65])
async def test_started_again_it_does_it_all(ledger: Ledger, database: str, life: int) -> None:
    await live_a_life(ledger, "ada")
    await projected(ledger, database)
    damaged(database)
    async with mortal(database, life) as connection:
        with pytest.raises(psycopg.OperationalError):
            await rebuild(connection, Feed(ledger.log), BALANCES, Watching(), page=PAGE)
    async with mortal(database, 1_000_000) as connection:
        rebuilt = await rebuild(connection, Feed(ledger.log), BALANCES, Watching(), page=PAGE)
    assert rebuilt.comparison is not None
    assert rebuilt.comparison.counts == {"missing": 0, "extra": 0, "different": 1}
    assert schemas(database) == LIVE
    await assert_projected(ledger, database)
