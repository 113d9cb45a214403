"""The known facts in the database: each is joined with what is reported later. No fact has a name of a person.

Only the biller writes them, over its one connection (biller.py).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, LiteralString, NamedTuple

import orjson
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from pydantic import TypeAdapter

from billing.catalog import sold_as_each
from billing.catalog_changes import SoldAs
from billing.facts import (
    DisputeSeen,
    Fact,
    InvoiceSeen,
    Link,
    PaymentSeen,
    ProductSeen,
    RefundSeen,
    SubscriptionSeen,
    checkout_thing,
)
from billing.known import (
    Key,
    Known,
    OwnerLink,
    Product,
    SoldProduct,
    account_in,
    key_of,
    kind_of,
    news,
    products_in,
    subjects_of,
)
from ledger.postgres.named_sql import queries

Connection = AsyncConnection[Any]
_SQL = queries("billing", "sql/facts.sql")
_KINDS = (PaymentSeen, ProductSeen, RefundSeen, DisputeSeen, InvoiceSeen, SubscriptionSeen)
_READERS: dict[str, TypeAdapter[Any]] = {kind.__name__: TypeAdapter(kind) for kind in _KINDS}
_SEPARATOR = "\n"
"""No id has it: providers' files read printable texts alone."""


class Names(NamedTuple):
    """All names of some payments and subscriptions, and for each the names that it belongs to."""

    all: frozenset[str]
    belongs_to: Mapping[str, Sequence[str]]


async def note(connection: Connection, facts: Iterable[Fact]) -> frozenset[str]:
    """Join some facts with what is known. Returns the names of which more is known now."""
    facts = list(dict.fromkeys(facts))
    links = [fact for fact in facts if isinstance(fact, Link)]
    told = await _new_links(connection, links) if links else frozenset()
    more = list(news(await known_of(connection, facts), facts))
    if more:
        await connection.execute(_SQL["put"], _columns(more))
    return told.union(*(names_in(fact) for fact in more))


async def known_of(connection: Connection, facts: Iterable[Fact]) -> dict[Key, Fact]:
    """The joined facts about the same things as some facts, links left out."""
    keys = list({key_of(fact): None for fact in facts if not isinstance(fact, Link)})
    if not keys:
        return {}
    wanted = {"kinds": [kind for kind, _ in keys], "things": [thing for _, thing in keys]}
    return {key_of(fact): fact for fact in map(fact_in, await rows(connection, _SQL["known"], wanted))}


async def names_of(connection: Connection, names: Collection[str]) -> Names:
    """All names of the payments that go by some names."""
    found: dict[str, list[str]] = {}
    for row in await rows(connection, _SQL["same"], {"names": sorted(names)}):
        others = found.setdefault(row["name"], [])
        others += [row["belongs_to"]] if row["belongs_to"] is not None else []
    return Names(frozenset(found), found)


async def known_about(connection: Connection, names: Names) -> Known:
    """All that is known about some payments and subscriptions, with what was paid for."""
    facts = [fact_in(row) for row in await rows(connection, _SQL["about"], {"names": sorted(names.all)})]
    mentioned = names.all.union(*(names_in(fact) for fact in facts))
    owners: dict[str, list[OwnerLink]] = {}
    of_subscriptions = set()
    for row in await rows(connection, _SQL["owners"], {"names": sorted(mentioned)}):
        account = account_in(row["belongs_to"])
        if row["kind"] == "subscription":
            of_subscriptions.add(row["thing"])
        elif account is not None:
            owners.setdefault(row["thing"], []).append(OwnerLink(account, row["decided"]))
    sold = await _sold(connection, list(products_in(facts)))
    return Known(facts, names.belongs_to, owners, of_subscriptions, sold)


def names_in(fact: Fact) -> frozenset[str]:
    """All names in a fact by which others that are about the same are found."""
    match fact:
        case Link():
            return frozenset({fact.thing, fact.belongs_to})
        case PaymentSeen() | SubscriptionSeen():
            subscription, checkout = fact.subscription_id, fact.checkout and checkout_thing(fact.checkout)
            more = (name for name in (subscription, checkout, fact.customer) if name)
            return frozenset(subjects_of(fact)).union(more)
        case DisputeSeen():
            return frozenset({fact.dispute_id, fact.payment_id})
        case _:
            return frozenset(subjects_of(fact))


async def _new_links(connection: Connection, links: Sequence[Link]) -> frozenset[str]:
    columns = {
        "things": [link.thing for link in links],
        "belongs_to": [link.belongs_to for link in links],
        "kinds": [kind_of(link) for link in links],
    }
    new = await rows(connection, _SQL["link"], columns)
    return frozenset(name for row in new for name in (row["thing"], row["belongs_to"]))


async def _sold(connection: Connection, products: Sequence[Product]) -> dict[Product, SoldProduct]:
    """What some products mean, each at its time; those that no entry of the catalogue has are left out."""
    named = [(*name.partition(":")[::2], at) for name, at in products]
    found = await sold_as_each(connection, named)
    return {product: _product(one) for product, one in zip(products, found, strict=True) if one is not None}


def _product(found: SoldAs) -> SoldProduct:
    return SoldProduct(found.entry.kind, found.entry.id, found.entry.version, found.price, found.entry.body)


def _columns(facts: Sequence[Fact]) -> dict[str, list[str]]:
    return {
        "kinds": [key_of(fact)[0] for fact in facts],
        "things": [key_of(fact)[1] for fact in facts],
        "about": [_SEPARATOR.join(subjects_of(fact)) for fact in facts],
        "facts": [orjson.dumps(fact).decode() for fact in facts],
    }


def fact_in(row: Mapping[str, Any]) -> Fact:
    """The fact of a row with its `kind` and `fact`."""
    fact: Fact = _READERS[row["kind"]].validate_python(row["fact"])
    return fact


async def rows(connection: Connection, statement: LiteralString, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a statement. Raises psycopg.Error."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement, parameters)
        return await cursor.fetchall()
