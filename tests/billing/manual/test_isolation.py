"""What fails in one place keeps nobody else from theirs: steps of renewals, and transfers of one account at once."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest

from billing.inbox.biller import Biller, Connection
from billing.manual.renewals import AGAIN, Renewals
from tests.billing.manual.test_changes import name_of
from tests.billing.manual.till import Till, page_of

END = datetime(2027, 2, 28, 12, tzinfo=UTC)
ASKED = END - timedelta(days=7)


async def _spoil(till: Till, name: str, version: int) -> None:
    """Give a subscription a version of its plan: one that there is not cannot be renewed."""
    async with till.desk.ledger.log.connection() as connection:
        await connection.execute(
            "UPDATE billing.manual_subscriptions SET version = %s WHERE subscription_id = %s", [version, name]
        )


async def test_a_step_that_fails_is_told_and_done_later_and_the_others_now(
    till: Till, caplog: pytest.LogCaptureFixture
) -> None:
    spoiled = name_of(await till.subscribe("ada"))
    await till.subscribe("bob")
    await _spoil(till, spoiled, 7)
    with caplog.at_level(logging.ERROR, "credit_ledger.renewals"):
        await till.wait_until(ASKED)
    assert [len(await till.requested(account)) for account in ("ada", "bob")] == [0, 1]
    [said] = caplog.records
    assert spoiled in said.getMessage()
    assert "ada" in said.getMessage()
    assert said.exc_info is not None
    await till.wait_until(ASKED + AGAIN - timedelta(seconds=1))
    assert len(caplog.records) == 1
    await _spoil(till, spoiled, 1)
    await till.wait_until(ASKED + AGAIN)
    assert len(await till.requested("ada")) == 1


async def test_a_duty_that_fails_keeps_no_webhook_from_being_applied(
    till: Till, caplog: pytest.LogCaptureFixture
) -> None:
    """The biller itself runs, with a duty that raises in each turn."""
    failed = asyncio.Event()

    async def fails(_: Connection, __: datetime) -> None:
        failed.set()
        raise RuntimeError("a duty failed")

    biller: Biller = till.desk.biller
    biller.duties = [fails, Renewals(till.payments, page_of).turn]
    await till.desk.open("ada")
    checkout = await till.buy("ada", "plan", "pro", "monthly")
    running = asyncio.create_task(biller.run())
    try:
        async with asyncio.timeout(20):
            await failed.wait()
            await till.payments.receive(checkout.checkout_id, till.receipt(checkout))
            till.desk.clock.now = ASKED
            while not await till.requested("ada"):  # noqa: ASYNC110  # the database has no event
                await asyncio.sleep(0.02)
        assert not running.done()
    finally:
        running.cancel()
    assert "a duty failed" in caplog.text


async def test_a_request_that_is_closed_is_asked_for_again_once(till: Till) -> None:
    """Whatever closed it: without a new word the request of the old one was found again, and nobody was asked."""
    name = name_of(await till.subscribe("ada"))
    await till.wait_until(ASKED)
    [first] = await till.requested("ada")
    async with till.desk.ledger.log.connection() as connection:
        await connection.execute(
            "UPDATE billing.checkouts SET state = 'cancelled' WHERE checkout_id = %s", [first.checkout_id]
        )
        await connection.execute(
            "UPDATE billing.manual_subscriptions SET step_at = %s WHERE subscription_id = %s", [ASKED, name]
        )
    await till.turn()
    [second] = await till.requested("ada")
    assert second.checkout_id != first.checkout_id
    asked = len(await till.awaited())
    for _ in range(3):
        await till.turn()
    assert len(await till.awaited()) == asked
    assert await till.receive(second.checkout_id) == "paid"


async def test_nothing_but_a_new_word_closes_a_request(till: Till) -> None:
    """A purchase of the same group that is paid withdraws purchases alone; a request stays open until it is over."""
    await till.desk.open("ada")
    first, second = [await till.buy("ada", "plan", "pro", "monthly"), await till.buy("ada", "plan", "lite")]
    await till.receive(first.checkout_id)
    await till.wait_until(ASKED)
    async with till.desk.ledger.log.connection() as connection:
        await connection.execute(
            "UPDATE billing.checkouts SET state = 'open' WHERE checkout_id = %s", [second.checkout_id]
        )
    assert await till.receive(second.checkout_id) == "paid"
    [request] = [one for one in await till.requested("ada") if one.entry_id == "pro"]
    await till.wait_until(END)
    assert (await till.checkouts.find(request.checkout_id)).state == "open"


async def test_a_past_due_subscription_that_is_reactivated_has_a_request_at_once(till: Till) -> None:
    name = name_of(await till.subscribe("ada"))
    await till.wait_until(END + timedelta(hours=1))
    await till.calls.change(name, "plan:lite:1:monthly", 1, "period_end", "k")
    await till.turn()
    assert [one["status"] for one in await till.now("ada")] == ["past_due"]
    await till.calls.resume(name, "k")
    await till.turn()
    [request] = await till.requested("ada")
    assert (request.entry_id, request.amount_minor, request.state) == ("pro", 3_000, "open")
    assert await till.receive(request.checkout_id) == "paid"
    assert [one["status"] for one in await till.now("ada")] == ["active"]


async def test_twenty_transfers_of_one_account_at_once_are_all_answered(till: Till) -> None:
    """Plans of one group and packages, while time asks for a renewal: nobody waits for one who waits."""
    await till.desk.open("ada")
    name = name_of(await till.buy("ada", "plan", "tried"))
    plans = [await till.buy("ada", "plan", *one) for one in (("pro", "monthly"), ("pro", "yearly"), ("lite", None)) * 5]
    packs = [await till.buy("ada", "package", "pack") for _ in range(5)]
    till.desk.clock.forward(days=3)
    turned = [
        till.calls.change(name, "plan:tried:1:monthly", 1 + number, "period_end", f"k{number}") for number in range(5)
    ]
    paying = [till.payments.receive(one.checkout_id, till.receipt(one)) for one in [*plans, *packs]]
    received, _, _ = await asyncio.gather(
        asyncio.gather(*paying),
        asyncio.gather(*turned),
        till.renewals.turn(till.desk.connection, till.desk.clock.now),
    )
    await till.desk.apply()
    assert sorted(received[:15]) == [*["cannot"] * 14, "paid"]
    assert received[15:] == ["paid"] * 5
    assert sorted(one["plan"] or "" for one in await till.now("ada")) in (["lite", "tried"], ["pro", "tried"])
