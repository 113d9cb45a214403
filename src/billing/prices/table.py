"""The versions of the price book. A version never changes, and takes effect at a moment that was not past.

Of the versions that have taken effect, the one that did so last is in force; of two at the same moment, the higher one.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from billing.errors import CatalogFull, EffectiveInThePast, PriceBookNotFound
from billing.prices.document import BookDocument
from billing.prices.parsed_books import PARSED_BOOKS
from ledger.postgres.named_sql import queries

MAX_VERSIONS = 1_000
_SQL = queries("billing", "sql/prices.sql")
Connection = AsyncConnection[Any]


class BookVersion(NamedTuple):
    """What a version is, without its rates."""

    version: int
    effective_at: datetime
    sha256: bytes
    created_by: str
    created_at: datetime
    rates: int
    """How many it has."""


class Published(NamedTuple):
    """A version and its rates. `is_new`: it was made just now."""

    version: BookVersion
    document: BookDocument
    is_new: bool = False


class Effective(NamedTuple):
    """From when on a version is in force."""

    effective_at: datetime
    version: int


async def timeline(connection: Connection) -> list[Effective]:
    """When each version takes effect, in that order. It reads no rates, as processes ask every second."""
    return sorted([Effective(**row) for row in await _rows(connection, "timeline", {})])


async def versions(connection: Connection) -> list[BookVersion]:
    """All versions, the newest first."""
    return [BookVersion(**row) for row in await _rows(connection, "versions", {})]


async def find(connection: Connection, version: int) -> Published:
    """One version. Raises PriceBookNotFound."""
    found = await _version(connection, version)
    document = PARSED_BOOKS.get(found.sha256)
    if document is None:
        [row] = await _rows(connection, "body", {"version": version})
        document = await asyncio.to_thread(PARSED_BOOKS.parse, found.sha256, row["body"])
    return Published(found, document)


async def publish(connection: Connection, document: BookDocument, effective_at: datetime | None, by: str) -> Published:
    """Add a version that takes effect at a moment (None: now). The book in force, published anew, adds nothing.

    Raises EffectiveInThePast and CatalogFull.
    """
    async with connection.transaction():
        await connection.execute(_SQL["lock_prices"])
        [now] = await _rows(connection, "now", {})
        found = await versions(connection)
        current, digest = in_force(found, now["now"]), document.digest
        if effective_at is None and current is not None and current.sha256 == digest:
            return Published(current, document)
        if effective_at is not None and effective_at < now["now"]:
            raise EffectiveInThePast(effective_at, now["now"])
        if len(found) >= MAX_VERSIONS:
            raise CatalogFull("versions of the price book", MAX_VERSIONS)
        row = {
            "version": len(found) + 1,
            "effective_at": effective_at or now["now"],
            "body": Jsonb(document.as_json()),
            "sha256": digest,
            "created_by": by,
        }
        await connection.execute(_SQL["publish"], row)
        return Published(await _version(connection, len(found) + 1), document, is_new=True)


def in_force(found: list[BookVersion], at: datetime) -> BookVersion | None:
    """The version that is in force at a moment; None: none is yet."""
    effective = [one for one in found if one.effective_at <= at]
    return max(effective, key=lambda one: (one.effective_at, one.version), default=None)


def replaced(found: list[BookVersion], by: BookVersion) -> BookVersion | None:
    """The version whose place another one takes, by the times at which they take effect. None: it is the first."""
    earlier = [one for one in found if (one.effective_at, one.version) < (by.effective_at, by.version)]
    return max(earlier, key=lambda one: (one.effective_at, one.version), default=None)


async def _version(connection: Connection, version: int) -> BookVersion:
    rows = await _rows(connection, "version", {"version": version})
    if not rows:
        raise PriceBookNotFound(version)
    return BookVersion(**rows[0])


async def _rows(connection: Connection, name: str, parameters: Mapping[str, Any]) -> list[DictRow]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL[name], parameters)
        return await cursor.fetchall()
