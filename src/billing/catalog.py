"""The catalogue: all versions of plans and packages, and what each product of a provider means.

Nothing in it is ever changed: an entry that shall be different gets one more version, and a product stays bound to the
version with which it came. So whoever bought an old price keeps its terms, and a payment means the same for ever. See
docs/adr/0075-an-append-only-catalog.md.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from billing.catalog_changes import Change, Entry, SoldAs, Wanted, check_products
from billing.errors import CatalogFull, Kind, not_found
from billing.plans import READERS, as_json, digest, products_of
from ledger.domain.errors import shown
from ledger.postgres.named_sql import queries

MAX_ENTRIES = 1_000
"""Entries of one kind: all of them are one answer, and one page."""
MAX_VERSIONS = 1_000
"""Versions of one entry."""

_SQL = queries("billing", "sql/catalog.sql")
Connection = AsyncConnection[Any]
Paid = tuple[str, str, datetime | None]
"""A product of a provider, and the time at which it was paid for (None: now)."""


async def newest(connection: Connection, kind: Kind | None = None) -> list[Entry]:
    """The newest version of each entry, of one kind or of both, sorted by id."""
    return [_entry(row) for row in await _rows(connection, "newest", {"kind": kind})]


async def find(connection: Connection, kind: Kind, entry_id: str, version: int | None = None) -> Entry:
    """One version of an entry; without a number, the newest. Raises PlanNotFound and PackageNotFound."""
    rows = await _rows(connection, "find", {"kind": kind, "id": entry_id, "version": version})
    if not rows:
        raise not_found(kind, entry_id, version)
    return _entry(rows[0])


async def versions(connection: Connection, kind: Kind, entry_id: str) -> list[Entry]:
    """All versions of an entry, the newest first; none if there is no such entry."""
    return [_entry(row) for row in await _rows(connection, "versions", {"kind": kind, "id": entry_id})]


class Offers(NamedTuple):
    """Whether any plan, and any package, is shown to people and has a price."""

    plans: bool
    packages: bool


async def offers(connection: Connection) -> Offers:
    """What people are offered."""
    [row] = await _rows(connection, "offers", {})
    return Offers(row["plans"], row["packages"])


async def sells(connection: Connection) -> bool:
    """Whether the catalogue has any entry."""
    [row] = await _rows(connection, "sells", {})
    return bool(row["sells"])


async def sold_as(connection: Connection, provider: str, product_id: str, at: datetime | None = None) -> SoldAs | None:
    """What a product of a provider means to whoever pays for it at a time (None: now); None if no entry has it."""
    [found] = await sold_as_each(connection, [(provider, product_id, at)])
    return found


async def sold_as_each(connection: Connection, wanted: Sequence[Paid]) -> list[SoldAs | None]:
    """What some products mean, each at its time, in their order; None for one that no entry has."""
    if not wanted:
        return []
    providers, products, ats = zip(*wanted, strict=True)
    parameters = {"providers": list(providers), "products": list(products), "ats": list(ats)}
    rows = await _rows(connection, "sold_as", parameters)
    found = {row["number"]: SoldAs(_entry(row), row["price"]) for row in rows}
    return [found.get(number) for number in range(1, len(wanted) + 1)]


async def changes(connection: Connection, wanted: Sequence[Wanted]) -> list[Change]:
    """What becomes of some entries if they shall be like this. It writes nothing.

    Raises ProductBelongsToAnother and CatalogFull.
    """
    there = {(entry.kind, entry.id): entry for entry in await newest(connection)}
    products = [product for one in wanted for product in products_of(one.body)]
    meant = await sold_as_each(connection, [(*product, None) for product in products])
    sold = {product: found for product, found in zip(products, meant, strict=True) if found is not None}
    found = [Change(one.id, one.body, there.get((one.body.KIND, one.id))) for one in wanted]
    for one, change in zip(wanted, found, strict=True):
        if not change.is_same:
            check_products(one, sold)
    _check_room(there, found)
    return found


async def put(connection: Connection, wanted: Sequence[Wanted], by: str) -> list[Change]:
    """Make entries like this: all of them, or none. An entry that is like this already gets no version.

    `by` is who wants it. Raises ProductBelongsToAnother and CatalogFull.
    """
    async with connection.transaction():
        await connection.execute(_SQL["lock"])
        found = await changes(connection, wanted)
        for change in found:
            if not change.is_same:
                await _add(connection, change, by)
    return found


async def _add(connection: Connection, change: Change, by: str) -> None:
    key = {"kind": change.kind, "id": change.id, "version": change.version}
    row = {**key, "body": Jsonb(as_json(change.body)), "sha256": digest(change.body), "created_by": by}
    await connection.execute(_SQL["add"], row)
    products = products_of(change.body)
    bound = {
        "providers": [provider for provider, _ in products],
        "products": [product_id for _, product_id in products],
        "prices": [price.price for price in products.values()],
    }
    await connection.execute(_SQL["bind"], {**key, **bound})


def _check_room(there: Mapping[tuple[Kind, str], Entry], found: Sequence[Change]) -> None:
    for kind in READERS:
        ids = {entry_id for its_kind, entry_id in there if its_kind == kind}
        if len(ids | {change.id for change in found if change.kind == kind}) > MAX_ENTRIES:
            raise CatalogFull(f"{kind}s", MAX_ENTRIES)
    for change in found:
        if change.version > MAX_VERSIONS:
            raise CatalogFull(f"versions of the {change.kind} {shown(change.id)!r}", MAX_VERSIONS)


async def _rows(connection: Connection, name: str, parameters: Mapping[str, Any]) -> list[DictRow]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_SQL[name], parameters)
        return await cursor.fetchall()


def _entry(row: DictRow) -> Entry:
    body = READERS[row["kind"]].model_validate(row["body"])
    return Entry(
        row["kind"], row["id"], row["version"], body, bytes(row["sha256"]), row["created_by"], row["created_at"]
    )
