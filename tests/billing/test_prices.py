"""The versions of the price book: appended, never changed, in force one after the other; and the books in memory."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
import pytest_asyncio

from billing.errors import CatalogFull, EffectiveInThePast
from billing.prices import table
from billing.prices.current import CurrentPrices
from billing.prices.document import BookDocument
from billing.prices.table import BookVersion
from ledger.domain.pricing.price import NoPrice, Price
from ledger.postgres.connecting import connect_async
from ledger.store import EventLog
from tests.postgres import owner

USAGE = {"metric": "image"}
HOUR = timedelta(hours=1)


def book(credits: int) -> BookDocument:
    rate = {"metric": "image", "charges": [{"charge": "flat", "credits": credits}]}
    return BookDocument.model_validate({"rates": [rate]})


@pytest_asyncio.fixture
async def there(database: str) -> AsyncIterator[table.Connection]:
    async with await connect_async(database) as connection:
        yield connection


async def test_a_version_is_never_changed_not_even_by_the_owner(database: str, there: table.Connection) -> None:
    await table.publish(there, book(1), None, "operator:test")
    async with await connect_async(owner(database)) as connection:
        for statement in ("UPDATE billing.price_books SET version = 2", "DELETE FROM billing.price_books"):
            with pytest.raises(psycopg.Error, match=r"never changed|append-only|refuse"):
                await connection.execute(statement)
            await connection.rollback()
        with pytest.raises(psycopg.Error):
            await connection.execute("TRUNCATE billing.price_books")
    assert len(await table.versions(there)) == 1


async def test_the_version_in_force_is_the_last_that_took_effect(
    there: table.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    await table.publish(there, book(1), None, "operator:test")
    await table.publish(there, book(2), now + 2 * HOUR, "operator:test")
    await table.publish(there, book(3), now + HOUR, "operator:test")
    await table.publish(there, book(4), now + 3 * HOUR, "operator:test")
    await table.publish(there, book(5), now + 3 * HOUR, "operator:test")
    found = await table.versions(there)
    hours = [in_force(found, now + number * HOUR + HOUR / 2) for number in range(-1, 4)]
    assert hours == [None, 1, 3, 2, 5]
    same = await table.publish(there, book(1), None, "operator:test")
    assert (same.version.version, same.is_new) == (1, False)
    again = await table.publish(there, book(3), None, "operator:test")
    assert (again.version.version, again.is_new) == (6, True)
    with pytest.raises(EffectiveInThePast):
        await table.publish(there, book(9), now - timedelta(microseconds=1), "operator:test")
    monkeypatch.setattr(table, "MAX_VERSIONS", 6)
    with pytest.raises(CatalogFull, match="at most 6 versions of the price book"):
        await table.publish(there, book(9), None, "operator:test")


def in_force(found: list[BookVersion], at: datetime) -> int | None:
    version = table.in_force(found, at)
    return None if version is None else version.version


async def test_a_process_prices_by_the_book_of_the_moment(database: str, there: table.Connection) -> None:
    """Without asking the database: it learns of versions when it looks, and knows when each takes effect."""
    log = EventLog(database, readers=1)
    await log.open()
    now = [datetime.now(UTC)]
    prices = CurrentPrices(log, lambda: now[0], 2 * HOUR)
    await prices.refresh()
    assert prices.price(USAGE) == NoPrice("no_book")
    await table.publish(there, book(1), None, "operator:test")
    await table.publish(there, book(2), datetime.now(UTC) + HOUR, "operator:test")
    assert prices.price(USAGE) == NoPrice("no_book"), "it has not looked"
    await prices.refresh()
    now[0] = datetime.now(UTC)
    assert [credits(prices, now[0] + number * HOUR) for number in (0, 0.9, 1.1, 5)] == [1, 1, 2, 2]
    kept = prices.book_at()
    await prices.refresh()
    assert prices.book_at() is kept, "a version that is known is not read again"
    now[0] += 10 * HOUR
    await prices.refresh()
    assert credits(prices, None) == 2
    assert prices.price(USAGE, now[0] - 9.5 * HOUR) == NoPrice("no_book"), "no usage may be recorded so late"
    await log.close()


def credits(prices: CurrentPrices, at: datetime | None) -> int:
    found = prices.price(USAGE, at)
    assert isinstance(found, Price)
    return found.credits
