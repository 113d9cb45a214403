"""The prices of a process: the books that are or will be in force, in memory, so that pricing asks no database.

Equal rates of two versions are in memory once, so that many versions of a large book take little more than one.

A command is priced when it arrives, and its event keeps the price. So a process that learns of a new version a moment
later than another prices a moment longer by the old one, and says so in the event.
"""

import asyncio
import logging
from bisect import bisect_right
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import psycopg

from billing.prices.document import BookDocument
from billing.prices.table import Effective, find, timeline
from ledger.domain.pricing.book import PriceBook
from ledger.domain.pricing.price import Priced
from ledger.domain.pricing.rating import price
from ledger.domain.usage import Usage
from ledger.store import EventLog

REFRESH = 1.0
"""Seconds between two looks for new versions."""
_log = logging.getLogger("credit_ledger.prices")


class CurrentPrices:
    """Knows which version is in force at any moment from `reach` ago on, and prices usage by it."""

    def __init__(self, log: EventLog, clock: Callable[[], datetime], reach: timedelta) -> None:
        self._log = log
        self._clock = clock
        self._reach = reach
        self._moments: list[datetime] = []
        """When versions take effect, in order."""
        self._numbers: list[int] = []
        """Their versions."""
        self._books: dict[int, PriceBook] = {}
        self._refreshing = asyncio.Lock()

    def price(self, usage: Usage, at: datetime | None = None) -> Priced:
        """What usage costs that occurred at a moment; None: now. A pure look: nothing is read."""
        return price(self.book_at(at), usage)

    def book_at(self, at: datetime | None = None) -> PriceBook | None:
        """The book in force at a moment; None: there was none yet, or the moment is further back than `reach`."""
        place = bisect_right(self._moments, at or self._clock())
        return self._books.get(self._numbers[place - 1]) if place else None

    async def refresh(self) -> None:
        """Read the versions that are new. One after the other, so that none puts back what an earlier look found."""
        async with self._refreshing, self._log.connection() as connection:
            found = await timeline(connection)
            wanted = _in_reach(found, self._clock() - self._reach)
            books = {one: self._books[one] for one in wanted if one in self._books}
            for number in sorted(wanted - books.keys()):
                document = (await find(connection, number)).document
                books[number] = await asyncio.to_thread(_book, document, number, books)
        self._moments, self._numbers, self._books = [one.effective_at for one in found], _numbers(found), books

    async def keep_fresh(self) -> None:
        """Refresh until cancelled."""
        while True:
            await asyncio.sleep(REFRESH)
            try:
                await self.refresh()
            except psycopg.Error as error:
                _log.warning("the price book could not be read: %s", error)


def _book(document: BookDocument, number: int, books: Mapping[int, PriceBook]) -> PriceBook:
    """A version, which shares its rates with the last one before it."""
    made, before = document.book(number), max((one for one in books if one < number), default=None)
    return made if before is None else made.sharing(books[before])


def _numbers(found: list[Effective]) -> list[int]:
    return [one.version for one in found]


def _in_reach(found: list[Effective], since: datetime) -> set[int]:
    """The versions that are in force at a moment or later."""
    first = max(bisect_right([one.effective_at for one in found], since) - 1, 0)
    return set(_numbers(found[first:]))
