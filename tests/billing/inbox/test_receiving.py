"""Deliveries are verified, put down once, and sealed; while the database is away they wait on the disk."""

import asyncio
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import orjson
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from billing.inbox.receiving import NotPutDown, ProviderNotConfigured, SignatureInvalid
from billing.simulation.signing import signed
from billing.simulation.steps import Customer, Event
from tests.billing.inbox.desk import CREDITS, KEEP, PROVIDER_NAMES, Desk, events_told, running_desk
from tests.billing.lives import NOW, SECRETS, life
from tests.conftest import Clock
from tests.postgres import owner

ADA = Customer("ada", 41)


def bought(provider: str, quantity: int = 1) -> list[Event]:
    """The events of one package that Ada buys."""
    one = life(provider)
    one.buy_package(quantity)
    return events_told(provider, ADA, one.steps)


async def columns(desk: Desk) -> list[tuple[bytes | None, bytes | None]]:
    async with desk.ledger.log.connection() as connection:
        cursor = await connection.execute("SELECT body, headers FROM billing.webhooks ORDER BY number")
        return [(row[0], row[1]) for row in await cursor.fetchall()]


@pytest.mark.parametrize("provider", PROVIDER_NAMES)
async def test_a_delivery_is_in_the_inbox_and_sealed(desk: Desk, provider: str) -> None:
    [event] = bought(provider)
    done = await desk.deliver(provider, event)
    assert (done.state, done.duplicate) == ("new", False)
    webhook = await desk.only()
    assert (webhook.webhook_id, webhook.provider, webhook.type) == (done.webhook_id, provider, event.type)
    [[body, headers]] = await columns(desk)
    assert body is not None
    assert headers is not None
    assert b"account_id" not in body + headers
    assert await desk.inbox.body(done.webhook_id) == orjson.dumps(event.payload)


async def test_the_same_delivery_is_one_webhook(desk: Desk) -> None:
    """A provider sends again what it has no answer for, years later too."""
    [event] = bought("stripe")
    first = await desk.deliver("stripe", event)
    await desk.wait(days=800)
    again = await desk.deliver("stripe", event)
    assert (again.webhook_id, again.duplicate, again.state) == (first.webhook_id, True, "waiting")
    assert len(await desk.webhooks()) == 1


async def test_twenty_equal_deliveries_at_once_give_one_grant(desk: Desk) -> None:
    """vm0-ai/vm0#10668, wasp-lang/open-saas#688, theopenco/llmgateway#1713: the check for a duplicate came before the
    transaction."""
    await desk.open("ada")
    [event] = bought("dodo", quantity=2)
    done = await asyncio.gather(*(desk.deliver("dodo", event) for _ in range(20)))
    assert sorted(one.duplicate for one in done) == [False] + 19 * [True]
    assert len({one.webhook_id for one in done}) == 1
    await desk.apply()
    assert await desk.available("ada") == 2 * CREDITS


async def test_two_bodies_under_one_delivery_id_are_two_webhooks_and_one_payment(desk: Desk) -> None:
    """Dodo sends the latest payload at the time of delivery."""
    await desk.open("ada")
    [event] = bought("dodo")
    later = replace(event, payload={**event.payload, "note": "as it is by now"})
    first, second = await desk.deliver("dodo", event), await desk.deliver("dodo", later)
    assert not second.duplicate
    assert first.webhook_id != second.webhook_id
    await desk.apply()
    assert [webhook.state for webhook in await desk.webhooks()] == ["applied", "applied"]
    assert await desk.available("ada") == CREDITS


async def test_what_is_not_genuine_is_refused_and_not_kept(desk: Desk) -> None:
    [event] = bought("stripe")
    told = signed("stripe", event, "whsec_of_somebody_else", desk.clock.now)
    with pytest.raises(SignatureInvalid):
        await desk.reception.receive("stripe", told.headers, told.body)
    with pytest.raises(ProviderNotConfigured):
        await desk.reception.receive("nobody", told.headers, told.body)
    assert await desk.webhooks() == []
    assert desk.spool.names() == []


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        (b"not JSON", "$"),
        (b"[]", "$"),
        (b"{}", "meta.event_name"),
        (b'{"meta": {"event_name": "order_created"}}', "data.id"),
    ],
)
async def test_what_cannot_be_read_is_parked_with_the_path_that_is_missing(
    desk: Desk, payload: bytes, path: str
) -> None:
    """dodopayments/dodo-adapters#128: a strict schema refused genuine webhooks with 400."""
    await desk.reception.receive("lemonsqueezy", _signed_by_hand(payload), payload)
    await desk.apply()
    webhook = await desk.only()
    assert (webhook.state, webhook.reason, webhook.detail) == ("waiting", "missing_path", path)
    assert webhook.sentence is not None
    assert path in webhook.sentence


def _signed_by_hand(body: bytes) -> dict[str, str]:
    return {"x-signature": hmac.new(SECRETS["lemonsqueezy"].encode(), body, sha256).hexdigest()}


@pytest.mark.parametrize("provider", ["lemonsqueezy", "stripe"])
async def test_what_comes_from_the_test_mode_is_ignored_also_when_it_is_tried_again(desk: Desk, provider: str) -> None:
    """opencollective-api#86: events of the test mode granted in production."""
    await desk.open("ada")
    one = life(provider)
    one.buy_package()
    [event] = events_told(provider, ADA, one.steps, live=False)
    done = await desk.deliver(provider, event)
    for _ in range(2):
        await desk.apply()
        webhook = await desk.only()
        assert (webhook.state, webhook.reason, webhook.next_try_at) == ("ignored", "test_mode", None)
        assert await desk.inbox.retry(done.webhook_id, "test", desk.clock.now)
    assert await desk.available("ada") == 0


async def test_bodies_are_dropped_and_what_came_of_them_stays(desk: Desk) -> None:
    await desk.open("ada")
    [paid] = bought("stripe")
    await desk.deliver_all("stripe", [paid])
    desk.clock.forward(days=KEEP.days - 1)
    await desk.biller._drop_bodies(desk.connection)
    assert (await desk.only()).has_body
    desk.clock.forward(days=2)
    await desk.biller._drop_bodies(desk.connection)
    webhook = await desk.only()
    assert (webhook.has_body, webhook.state, webhook.account_id) == (False, "applied", "ada")
    assert await columns(desk) == [(None, None)]
    assert await desk.inbox.body(webhook.webhook_id) is None


async def test_what_nobody_has_read_keeps_its_body(desk: Desk) -> None:
    """A spool may be drained long after its deliveries arrived."""
    await desk.open("ada")
    [paid] = bought("stripe")
    await desk.deliver("stripe", paid)
    desk.clock.forward(days=KEEP.days + 1)
    await desk.biller._drop_bodies(desk.connection)
    await desk.apply()
    assert await desk.available("ada") == CREDITS


async def test_what_waits_is_applied_after_its_body_was_dropped(desk: Desk) -> None:
    """The facts are known; the payload is not needed any more."""
    [paid] = bought("dodo")
    await desk.deliver_all("dodo", [paid])
    desk.clock.forward(days=KEEP.days + 1)
    await desk.biller._drop_bodies(desk.connection)
    await desk.open("ada")
    await desk.apply()
    assert (await desk.only()).state == "applied"
    assert await desk.available("ada") == CREDITS


# The database is away.


@contextmanager
def without_database(conninfo: str) -> Iterator[None]:
    """Nobody can connect to the database until the block ends."""
    name = conninfo_to_dict(conninfo)["dbname"]
    with psycopg.connect(make_conninfo(owner(conninfo), dbname="postgres"), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            yield
        finally:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())


async def test_a_webhook_outlives_three_minutes_without_a_database(database: str, clock: Clock, tmp_path: Path) -> None:
    """Lemon Squeezy tries four times within 155 seconds, and then never again."""
    [event] = bought("lemonsqueezy")
    async with running_desk(database, clock, tmp_path, patience=0.05) as desk:
        await desk.open("ada")
        with without_database(database):
            for pause in (0, 5, 25, 125):
                clock.forward(seconds=pause)
                with pytest.raises(NotPutDown) as away:
                    await desk.deliver("lemonsqueezy", event)
                assert away.value.spooled
            clock.forward(seconds=25)
            assert len(desk.spool.names()) == 1
    clock.now = NOW + timedelta(minutes=3)
    async with running_desk(database, clock, tmp_path, catalogue=False) as desk:
        assert await desk.reception.drain() == 1
        assert desk.spool.names() == []
        await desk.apply()
        assert [webhook.state for webhook in await desk.webhooks()] == ["applied"]
        assert await desk.available("ada") == CREDITS


async def test_what_was_spooled_and_is_sent_again_is_one_webhook(database: str, clock: Clock, tmp_path: Path) -> None:
    [event] = bought("stripe")
    async with running_desk(database, clock, tmp_path, patience=0.05) as desk:
        with without_database(database), pytest.raises(NotPutDown):
            await desk.deliver("stripe", event)
    async with running_desk(database, clock, tmp_path, catalogue=False) as desk:
        first = await desk.deliver("stripe", event)
        assert await desk.reception.drain() == 1
        assert (await desk.only()).webhook_id == first.webhook_id
