"""Payments by bank transfer: an operator says once that the money is here; all else follows from signed webhooks."""

import asyncio
import random
from pathlib import Path

import pytest

from billing.inbox.receiving import ProviderNotConfigured, Reception
from billing.manual.payloads import Event, sign
from billing.manual.payments import Payments
from billing.manual.telling import Telling
from ledger.domain.events import PaymentRecorded
from tests.billing.manual.till import BEGIN, LITE, PACK, PRO, Till, running_till
from tests.conftest import Clock
from tests.postgres import TestServer


async def test_money_for_a_package_is_credits(till: Till) -> None:
    await till.desk.open("ada")
    checkout = await till.buy("ada", "package", "pack", quantity=3)
    assert (checkout.amount_minor, checkout.state, checkout.provider) == (1_800, "open", "manual")
    assert await till.desk.available("ada") == 0
    assert await till.receive(checkout.checkout_id) == "paid"
    assert await till.desk.available("ada") == 3 * PACK
    found = await till.checkouts.find(checkout.checkout_id)
    assert (found.state, found.paid_by, found.paid_minor, found.paid_on) == ("paid", "operator", 1_800, BEGIN.date())
    assert await till.receive(checkout.checkout_id) == "already"
    assert await till.desk.available("ada") == 3 * PACK


async def test_operators_who_press_at_once_take_the_money_once(till: Till) -> None:
    await till.desk.open("ada")
    checkout = await till.buy("ada", "plan", "pro", "monthly")
    receipts = [till.receipt(checkout, by=f"operator-{number}") for number in range(8)]
    answers = await asyncio.gather(*(till.payments.receive(checkout.checkout_id, one) for one in receipts))
    assert sorted(answers) == [*["already"] * 7, "paid"]
    await till.desk.apply()
    assert await till.desk.available("ada") == PRO
    assert len([event for event in await till.desk.events("ada") if isinstance(event, PaymentRecorded)]) == 1
    winner = receipts[answers.index("paid")].paid_by
    assert (await till.checkouts.find(checkout.checkout_id)).paid_by == winner


async def test_nothing_is_paid_whose_webhook_is_not_in_the_inbox(till: Till) -> None:
    """The row and the delivery are one transaction, which a kill ends as this refusal of the delivery does."""
    await till.desk.open("ada")
    checkout = await till.buy("ada", "plan", "pro", "monthly")
    desk = till.desk
    deaf = Reception(desk.inbox, desk.spool, {}, desk.clock, desk.biller.arrived.set)
    cut_short = Payments(Telling(desk.ledger, desk.inbox, deaf, live=True))
    with pytest.raises(ProviderNotConfigured):
        await cut_short.receive(checkout.checkout_id, till.receipt(checkout))
    assert (await till.checkouts.find(checkout.checkout_id)).state == "open"
    assert await desk.webhooks() == []
    assert await till.receive(checkout.checkout_id) == "paid"
    assert await desk.available("ada") == PRO


async def test_a_plan_without_a_price_is_had_at_once(till: Till) -> None:
    await till.desk.open("ada")
    checkout = await till.buy("ada", "plan", "free")
    assert (checkout.amount_minor, checkout.reference, checkout.state) == (0, None, "paid")
    assert checkout.url == f"/ada/{checkout.checkout_id}"
    [one] = await till.now("ada")
    assert (one["plan"], one["status"], one["current_period_end"]) == ("free", "active", None)
    assert await till.desk.available("ada") == 10
    await till.desk.open("bob")
    assert (await till.buy("bob", "plan", "gift")).state == "paid"
    assert await till.desk.available("bob") == 20
    await till.wait(days=40)
    assert [(one["status"], one["plan"]) for one in await till.now("bob")] == [("active", "gift")]


async def test_a_payment_that_fails_can_be_paid(till: Till) -> None:
    await till.desk.open("ada")
    checkout = await till.buy("ada", "package", "pack")
    await till.payments.decline(checkout.checkout_id)
    await till.desk.apply()
    assert await till.desk.available("ada") == 0
    assert (await till.checkouts.find(checkout.checkout_id)).state == "open"
    assert await till.receive(checkout.checkout_id) == "paid"
    await till.payments.dispute(checkout.checkout_id)
    await till.desk.apply()
    assert await till.desk.available("ada") == 0
    assert {webhook.state for webhook in await till.desk.webhooks()} == {"applied"}


async def test_a_second_checkout_of_a_plan_is_withdrawn_when_the_first_is_paid(till: Till) -> None:
    """Two checkouts open at once would be two subscriptions."""
    await till.desk.open("ada")
    await till.desk.open("bob")
    first = await till.buy("ada", "plan", "pro", "monthly")
    others = [await till.buy("ada", "plan", "lite"), await till.buy("ada", "plan", "pro", "yearly")]
    kept = [await till.buy("ada", "package", "pack"), await till.buy("bob", "plan", "pro", "monthly")]
    assert await till.receive(first.checkout_id) == "paid"
    for checkout in others:
        assert (await till.checkouts.find(checkout.checkout_id)).state == "cancelled"
        assert await till.receive(checkout.checkout_id) == "cannot"
    for checkout in kept:
        assert await till.receive(checkout.checkout_id) == "paid"
    assert [one["plan"] for one in await till.now("ada")] == ["pro"]


async def test_of_two_plans_that_are_paid_at_once_the_first_one_counts(till: Till) -> None:
    """Whoever is second is told to send the money back, as they are when they come later."""
    await till.desk.open("ada")
    both = [await till.buy("ada", "plan", "pro", "monthly"), await till.buy("ada", "plan", "lite")]
    answers = await asyncio.gather(*(till.payments.receive(one.checkout_id, till.receipt(one)) for one in both))
    await till.desk.apply()
    assert sorted(answers) == ["cannot", "paid"]
    assert len(await till.now("ada")) == answers.count("paid")


async def test_an_old_request_keeps_its_terms(till: Till) -> None:
    """The product of a request names its version: a plan that was changed meanwhile gives what was offered."""
    await till.desk.open("ada")
    checkout = await till.buy("ada", "plan", "lite")
    async with till.desk.ledger.log.connection() as connection:
        await connection.execute(
            "INSERT INTO billing.catalog (kind, id, version, body, sha256, created_by)"
            " SELECT kind, id, 2, body || '{\"credits\": 7}', sha256, created_by FROM billing.catalog WHERE id = 'lite'"
        )
    assert await till.receive(checkout.checkout_id) == "paid"
    assert await till.desk.available("ada") == LITE
    [one] = await till.now("ada")
    assert (one["plan"], one["plan_version"]) == ("lite", 1)


async def test_deliveries_may_come_in_any_order(till: Till, server: TestServer, clock: Clock, tmp_path: Path) -> None:
    """What our own provider told of a year, shuffled and doubled, comes to the same in another ledger."""
    checkout = await till.subscribe("ada", "lite")
    for month in range(3):
        await till.wait(days=26)
        for request in await till.requested("ada"):
            await till.receive(request.checkout_id)
        await till.wait(days=5)
        if month == 1:
            name = f"sub_{checkout.checkout_id.removeprefix('chk_')}"
            changed = await till.calls.change(name, "plan:pro:1:monthly", 1, "now", "k")
            assert changed.page is not None
            await till.receive(changed.page.provider_id)
    told = [await till.desk.inbox.body(webhook.webhook_id) for webhook in await till.desk.webhooks()]
    events = [Event(f"d{number}", body) for number, body in enumerate(told) if body is not None]
    expected, end = await till.now("ada"), clock.now
    credits = await till.desk.available("ada")
    for seed in range(3):
        with server.database() as database:
            async with running_till(database, clock, tmp_path / str(seed)) as other:
                clock.now = end
                await other.desk.open("ada")
                shuffled = events * 2
                random.Random(seed).shuffle(shuffled)
                for event in shuffled:
                    signed = sign(event, other.desk.inbox.manual_key, clock.now)
                    await other.desk.reception.receive("manual", signed.headers, signed.body)
                    if random.Random(event.delivery_id).random() < 0.3:
                        await other.desk.apply()
                await other.desk.apply()
                assert await other.now("ada") == expected
                assert len({webhook.state for webhook in await other.desk.webhooks()}) == 1
    assert credits > 0
