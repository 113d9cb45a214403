"""The table of checkouts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import class_row

from billing.calls.calls import HostedPage
from billing.checkouts.checkout import MANUAL, Bought, Checkout, Purpose, new_checkout_id, new_reference
from billing.checkouts.offers import Had
from billing.facts import account_thing, checkout_thing
from ledger.postgres.named_sql import queries

Connection = AsyncConnection[Any]
_SQL = queries("billing", "sql/checkouts.sql")


class Payable(NamedTuple):
    """What is to be paid: the amount for all of a quantity, how long it can be paid, and the days of a trial."""

    bought: Bought
    amount_minor: int
    currency: str | None
    expires_at: datetime | None = None
    trial_days: int | None = None


class Origin(NamedTuple):
    """Whose checkout it is, who asked for it when, and the key and the digest by which the same one is known."""

    account_id: str
    key: str
    wish: bytes
    created_by: str
    created_at: datetime


class About(NamedTuple):
    """The subscription that a payment renews or changes, and the period that it pays for. `live`: its price counts real
    money alone, and nothing that was played in the test mode of our own provider."""

    purpose: Purpose = "purchase"
    subscription_id: str | None = None
    period_start: datetime | None = None
    period_end: datetime | None = None
    live: bool = True


class Ways(NamedTuple):
    """Who is paid, and where the buyer goes afterwards."""

    provider: str
    return_url: str | None = None
    cancel_url: str | None = None


PURCHASE = About()


async def lock_account(connection: Connection, account_id: str) -> None:
    """Let nobody else sell to an account, or take its money, until the transaction ends. It comes before all other
    locks, so that no two wait for each other."""
    await connection.execute(_SQL["lock_account"], {"account_id": account_id})


async def add(
    connection: Connection, origin: Origin, payable: Payable, ways: Ways, about: About = PURCHASE
) -> str | None:
    """Add a checkout, and whose payments are that name it, at once or not at all. Returns its id; None when there is
    one with its key."""
    checkout_id = new_checkout_id()
    row = {
        "checkout_id": checkout_id,
        "reference": new_reference() if ways.provider == MANUAL and payable.amount_minor else None,
        **payable.bought._asdict(),
        **payable._asdict(),
        **origin._asdict(),
        **ways._asdict(),
        **about._asdict(),
    }
    async with connection.transaction():
        added = (await connection.execute(_SQL["add"], _columns(row))).rowcount
        if not added:
            return None
        owner = {"thing": checkout_thing(checkout_id), "belongs_to": account_thing(origin.account_id)}
        await connection.execute(_SQL["link"], owner)
    return checkout_id


def _columns(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "bought"}


async def of_key(connection: Connection, account_id: str, key: str, now: datetime) -> Checkout | None:
    """The checkout of an account with a key."""
    return await _one(connection, None, account_id, key, now)


async def find(connection: Connection, checkout_id: str, now: datetime) -> Checkout | None:
    """A checkout."""
    return await _one(connection, checkout_id, None, None, now)


async def open_like(connection: Connection, account_id: str, bought: Bought, now: datetime) -> Checkout | None:
    """The checkout of an account in which the same can be paid, if there is one."""
    wanted = {"account_id": account_id, "now": now, **bought._asdict()}
    row = await (await connection.execute(_SQL["open_like"], wanted)).fetchone()
    found = await find(connection, row[0], now) if row is not None else None
    return found if found is not None and found.state == "open" else None


async def requested(connection: Connection, subscription_id: str) -> str | None:
    """The checkout in which the next period of a subscription is to be paid, if it is asked for."""
    row = await (await connection.execute(_SQL["requested"], {"subscription_id": subscription_id})).fetchone()
    return row[0] if row is not None else None


async def own_subscriptions(connection: Connection, account_id: str) -> list[Had]:
    """The subscriptions of an account at our own provider, of which the ledger may not have heard yet."""
    return await _all_had(connection, "own_subscriptions", {"account_id": account_id})


async def open_trials(connection: Connection, account_id: str, provider: str, now: datetime) -> list[Had]:
    """The trials that other checkouts of an account can still begin, for one that is made at a provider."""
    return await _all_had(connection, "open_trials", {"account_id": account_id, "provider": provider, "now": now})


async def _all_had(connection: Connection, statement: str, wanted: Mapping[str, Any]) -> list[Had]:
    async with connection.cursor(row_factory=class_row(Had)) as cursor:
        await cursor.execute(_SQL[statement], wanted)
        return await cursor.fetchall()


async def opened(connection: Connection, checkout_id: str, page: HostedPage) -> None:
    """Keep the page on which a checkout is paid, unless one is known."""
    made = {"provider_id": page.provider_id, "url": page.url, "expires_at": page.expires_at}
    await connection.execute(_SQL["open"], {"checkout_id": checkout_id, **made})


async def _one(
    connection: Connection, checkout_id: str | None, account_id: str | None, key: str | None, now: datetime
) -> Checkout | None:
    wanted = {"checkout_id": checkout_id, "account_id": account_id, "key": key, "now": now}
    async with connection.cursor(row_factory=class_row(Checkout)) as cursor:
        await cursor.execute(_SQL["find"], wanted)
        return await cursor.fetchone()
