"""A payment for an account that does not exist: it waits, or it opens the account, as the operator wishes."""

from dataclasses import replace
from typing import Any

import pytest

from billing.simulation.steps import Event
from ledger.domain.events import AccountOpened
from tests.billing.inbox.desk import CREDITS, Desk, events_told
from tests.billing.lives import ADA, SIMULATED, life

ACCOUNT = ADA.account_id
SIGNUP = 100


def bought(name: str) -> list[Event]:
    """A subscription and two packages."""
    one = life(name)
    one.subscribe()
    one.buy_package(2)
    return events_told(name, ADA, one.steps)


async def test_it_waits_for_the_account_unless_told_otherwise(desk: Desk) -> None:
    desk.clock.forward(minutes=5)
    await desk.deliver_all("stripe", bought("stripe"))
    assert await desk.ledger.account_at(ACCOUNT) is None
    assert {one.reason for one in await desk.webhooks("waiting")} == {"unknown_account"}
    await desk.open(ACCOUNT, SIGNUP)
    await desk.wait(minutes=10)
    assert await desk.available(ACCOUNT) == SIGNUP + 1_000 + 2 * CREDITS


@pytest.mark.parametrize("name", SIMULATED)
async def test_it_opens_the_account_once_with_the_credits_of_a_new_one(desk: Desk, name: str) -> None:
    desk.biller._opens_with = SIGNUP
    desk.clock.forward(minutes=5)
    events = bought(name)
    for event in [*events, *reversed(events)]:
        await desk.deliver(name, event)
    await desk.apply()
    await desk.wait(seconds=2)
    assert await desk.webhooks("waiting") == [], "words about the subscription, too, which opens nothing by itself"
    opened, *others = await desk.events(ACCOUNT)
    assert isinstance(opened, AccountOpened)
    assert not [event for event in others if isinstance(event, AccountOpened)]
    assert await desk.available(ACCOUNT) == SIGNUP + 1_000 + 2 * CREDITS
    [row, *_] = await desk.ledger.stream(ACCOUNT, 0, 1)
    assert b"provider:" + name.encode() in bytes(row.state), "who opened it"


async def test_nothing_but_money_that_was_paid_opens_an_account(desk: Desk) -> None:
    """Whoever can begin a trial, or let a payment fail, must not get credits for it."""
    desk.biller._opens_with = SIGNUP
    desk.clock.forward(days=40)
    one = life("stripe")
    one.subscribe()
    one.fail_to_renew()
    events = events_told("stripe", ADA, one.steps)
    unpaid = [event for event in events if event.type in ("customer.subscription.created", "invoice.payment_failed")]
    one = life("stripe")
    one.buy_package()
    [session] = events_told("stripe", ADA, one.steps)
    free: dict[str, Any] = {
        **session.payload["data"]["object"],
        "amount_total": 0,
        "payment_status": "no_payment_required",
    }
    gift = replace(session, payload={**session.payload, "data": {"object": free}})
    await desk.deliver_all("stripe", [*unpaid, gift])
    assert await desk.ledger.account_at(ACCOUNT) is None
    assert [one.state for one in await desk.webhooks()] == ["waiting"] * 3


async def test_an_account_that_cannot_be_is_not_opened(desk: Desk) -> None:
    desk.biller._opens_with = SIGNUP
    one = life("stripe")
    one.buy_package()
    nobody = replace(ADA, account_id="n" * 255)
    await desk.deliver_all("stripe", events_told("stripe", nobody, one.steps))
    assert [one.state for one in await desk.webhooks()] == ["waiting"]
