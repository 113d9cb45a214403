"""The versions of the price book: appended, never changed, in force one after the other; and the books in memory."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import orjson
import psycopg
import pytest
import pytest_asyncio

from billing.errors import CatalogFull, EffectiveInThePast
from billing.prices import table
from billing.prices.current import CurrentPrices
from billing.prices.document import BookDocument
from billing.prices.parsed_books import ParsedBooks
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
    places = {one.version: before and before.version for one in found for before in [table.replaced(found, one)]}
    assert places == {1: None, 3: 1, 2: 3, 4: 2, 5: 4}, "by the time at which they take effect"
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


async def test_versions_in_memory_share_the_rates_in_which_they_do_not_differ(
    database: str, there: table.Connection
) -> None:
    log = EventLog(database, readers=1)
    await log.open()
    for number in (1, 2, 3):
        same = [{"model": "m", "charges": [{"charge": "flat", "credits": 7}]}, book(number).as_json()["rates"][0]]
        await table.publish(there, BookDocument.model_validate({"rates": same}), None, "operator:test")
    prices = CurrentPrices(log, lambda: datetime.now(UTC), HOUR)
    await prices.refresh()
    moments = [one.effective_at for one in await table.timeline(there)]
    books = [prices.book_at(at) for at in moments]
    assert [one.version for one in books if one] == [1, 2, 3]
    assert len({id(one.named["m"]) for one in books if one}) == 1
    assert [credits(prices, at) for at in moments] == [1, 2, 3]
    await log.close()


async def test_who_has_published_prices_by_it_from_then_on(database: str, there: table.Connection) -> None:
    """Also while others look for new versions: none puts back what it read before the publication."""
    log = EventLog(database, readers=4)
    await log.open()
    prices = CurrentPrices(log, lambda: datetime.now(UTC), HOUR)
    done = False

    async def look() -> None:
        while not done:
            await prices.refresh()
            assert not published or credits(prices, None) >= published[-1]

    published: list[int] = []
    looking = [asyncio.create_task(look()) for _ in range(3)]
    for number in range(1, 31):
        await table.publish(there, book(number), None, "operator:test")
        await prices.refresh()
        published.append(number)
        assert credits(prices, None) == number
    done = True
    await asyncio.gather(*looking)
    await log.close()


async def test_a_published_book_is_parsed_once(there: table.Connection) -> None:
    """Whoever reads a version gets the same immutable book; another version with the same content too."""
    await table.publish(there, book(7), None, "operator:test")
    found = (await table.find(there, 1)).document
    assert (await table.find(there, 1)).document is found
    await table.publish(there, book(8), None, "operator:test")
    await table.publish(there, book(7), None, "operator:test")
    assert (await table.find(there, 3)).document is found
    assert found.as_json() == book(7).as_json()
    assert (await table.find(there, 2)).document.as_json() == book(8).as_json()


def test_parsed_books_are_bounded() -> None:
    texts = {one.digest: orjson.dumps(one.as_json()).decode() for one in map(book, range(1, 10))}
    size = max(map(len, texts.values()))
    parsed = ParsedBooks(3 * size)
    first, *_, last = texts
    for digest, text in texts.items():
        parsed.parse(digest, text)
        assert parsed.get(first) is not None, "what is asked for stays"
    assert parsed.size <= 3 * size
    assert [place for place, one in enumerate(texts) if parsed.get(one)] == [0, 7, 8]
    alone = ParsedBooks(1)
    assert alone.parse(last, texts[last]) is alone.get(last), "a book that is larger than all room is kept alone"
    alone.parse(first, texts[first])
    assert alone.get(last) is None


async def test_many_readers_parse_a_book_once() -> None:
    one, parsed = book(3), ParsedBooks()
    text = orjson.dumps(one.as_json()).decode()
    found = await asyncio.gather(*(asyncio.to_thread(parsed.parse, one.digest, text) for _ in range(20)))
    assert len(set(map(id, found))) == 1


def credits(prices: CurrentPrices, at: datetime | None) -> int:
    found = prices.price(USAGE, at)
    assert isinstance(found, Price)
    return found.credits
