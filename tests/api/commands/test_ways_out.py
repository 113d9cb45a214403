"""A refusal for want of credits names the pages on which the holder of the account finds a way out."""

from collections.abc import AsyncIterator

import pytest_asyncio

from api.http.commands.ways_out import WaysOut
from billing import catalog
from billing.plans import Sold
from ledger.domain.errors import AccountNotFound, InsufficientCredits, Refusal
from ledger.postgres.connecting import connect_async
from ledger.store import EventLog
from tests.billing.catalogs import package, plan, wanted

SHORT = InsufficientCredits(11, 10)
PLANS = "/dashboard/accounts/a%2Fb/plans"
PRICE = {"price": "once", "amount_minor": 500, "currency": "EUR"}


@pytest_asyncio.fixture
async def log(database: str) -> AsyncIterator[EventLog]:
    """The log of an empty ledger, with an empty catalogue."""
    log = EventLog(database, readers=1)
    await log.open()
    yield log
    await log.close()


async def ways(log: EventLog, refusal: Refusal = SHORT, public: str | None = None, own: str | None = None) -> list[str]:
    found = await WaysOut(log, public, own).of(refusal, "a/b", "/credits")
    return [f"{one['way']} {one['url']}" for one in found]


async def sell(database: str, **bodies: Sold) -> None:
    async with await connect_async(database) as connection:
        await catalog.put(connection, wanted(**bodies), "operator:test")


async def test_a_way_is_told_when_the_catalogue_offers_something_there(database: str, log: EventLog) -> None:
    assert await ways(log) == []
    monthly = {**PRICE, "price": "monthly", "interval": {"months": 1}}
    await sell(database, free=plan(), hidden=plan(prices=[monthly], listed=False), later=package())
    assert await ways(log) == []
    await sell(database, pro=plan(prices=[monthly]))
    assert await ways(log) == [f"upgrade /credits{PLANS}"]
    await sell(database, small=package(prices=[PRICE]))
    both = [f"upgrade /credits{PLANS}", f"top_up /credits{PLANS}#packages"]
    assert await ways(log) == both
    assert await ways(log, public="https://credits.example") == [
        one.replace("/credits", "https://credits.example") for one in both
    ]
    own = "https://shop.example/plans"
    assert await ways(log, public="https://credits.example", own=own) == [f"upgrade {own}", f"top_up {own}"]
    assert await ways(log, AccountNotFound("a/b")) == []
    await sell(database, pro=plan(prices=[monthly], listed=False))
    assert await ways(log) == [both[1]]


async def test_what_is_offered_is_read_once_and_a_lost_database_tells_no_way(database: str, log: EventLog) -> None:
    found = WaysOut(log, None, None)
    assert await found.of(SHORT, "a", "") == []
    await sell(database, small=package(prices=[PRICE]))
    assert await found.of(SHORT, "a", "") == [], "it is remembered"
    closed = EventLog(database, readers=1)
    assert await WaysOut(closed, None, None).of(SHORT, "a", "") == []
