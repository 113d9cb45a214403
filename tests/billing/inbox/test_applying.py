"""What becomes of webhooks: payments grant, refunds and disputes take back, and what lacks something waits for it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from billing import catalog
from billing.catalog_changes import Wanted
from billing.inbox.webhook import LONGEST_PAUSE, pause_after
from billing.plans import Package
from billing.simulation.steps import Customer, Event
from ledger.domain.commands import CloseAccount, RecordPayment, ReopenAccount
from ledger.domain.events import CreditsGranted, DisputeRecorded, PaymentRecorded, PaymentRefunded
from ledger.postgres.connecting import connect_async
from tests.billing.inbox.desk import CREDITS, PROVIDER_NAMES, Desk, events_told
from tests.billing.lives import NOW, life
from tests.conftest import Clock

ADA = Customer("ada", 41)
DISPUTING = [name for name in PROVIDER_NAMES if name != "lemonsqueezy"]
"""Lemon Squeezy is the merchant of record: a dispute shows as a refund."""


def story(provider: str, *happened: Any, customer: Customer = ADA) -> list[Event]:
    """The events of a life: each thing that happened is the name of a step, or its name and its arguments."""
    one = life(provider)
    for step in happened:
        name, *arguments = (step,) if isinstance(step, str) else step
        getattr(one, name)(*arguments)
    return events_told(provider, customer, one.steps)


async def reasons(desk: Desk) -> list[tuple[str, str | None]]:
    return [(webhook.state, webhook.reason) for webhook in await desk.webhooks()]


@pytest.mark.parametrize("provider", PROVIDER_NAMES)
async def test_a_package_grants_permanent_credits_by_its_quantity(desk: Desk, provider: str) -> None:
    await desk.open("ada")
    await desk.deliver_all(provider, story(provider, ("buy_package", 3)))
    webhook = await desk.only()
    assert (webhook.state, webhook.reason, webhook.account_id) == ("applied", None, "ada")
    _, payment, granted = await desk.events("ada")
    assert isinstance(payment, PaymentRecorded)
    assert isinstance(granted, CreditsGranted)
    assert (payment.provider, payment.status, payment.amount_minor, payment.plan) == (
        provider,
        "paid",
        3_000,
        "credits",
    )
    assert payment.payment_id.startswith(f"{provider}:")
    assert (granted.kind, granted.amount, granted.source) == ("permanent", 3 * CREDITS, "topup")
    [stored] = await desk.ledger.events(0, 100, ["PaymentRecorded"])
    assert [stored.position + 1] == webhook.applied_positions


async def test_an_event_says_which_delivery_it_came_from(desk: Desk) -> None:
    await desk.open("ada")
    await desk.deliver_all("stripe", story("stripe", "buy_package"))
    webhook = await desk.only()
    executed = await desk.ledger.executed("ada", "payment", f"payment:{webhook.about[0]}:paid")
    assert executed is not None
    assert (executed.metadata.actor, executed.metadata.request_id) == ("provider:stripe", webhook.webhook_id)


@pytest.mark.parametrize("provider", PROVIDER_NAMES)
async def test_refunds_are_totals(desk: Desk, provider: str) -> None:
    """elizaOS/eliza#31449: what was given back was counted in another unit than what was taken."""
    await desk.open("ada")
    await desk.deliver_all(provider, story(provider, "buy_package", ("refund", 400)))
    assert await desk.available("ada") == CREDITS - 200
    await desk.deliver_all(provider, story(provider, "buy_package", ("refund", 400), ("refund", 300)))
    assert await desk.available("ada") == CREDITS - 350
    refunds = [event for event in await desk.events("ada") if isinstance(event, PaymentRefunded)]
    assert [refund.amount_minor for refund in refunds] == [400, 300]
    assert {webhook.state for webhook in await desk.webhooks()} == {"applied"}


@pytest.mark.parametrize("provider", PROVIDER_NAMES)
async def test_a_refund_may_come_before_its_payment(desk: Desk, provider: str) -> None:
    """singhharsh1708/scrollcraft#263: the refund left no trace, and the order then granted."""
    await desk.open("ada")
    paid, refunded = story(provider, "buy_package", "refund")
    await desk.deliver_all(provider, [refunded])
    if provider != "lemonsqueezy":  # whose refund says all that the order says
        assert await reasons(desk) == [("waiting", "waiting_for_payment")]
    await desk.deliver_all(provider, [paid])
    assert await reasons(desk) == 2 * [("applied", None)]
    assert await desk.available("ada") == 0
    kinds = [type(event) for event in await desk.events("ada")]
    assert kinds.count(PaymentRecorded) == kinds.count(PaymentRefunded) == 1


@pytest.mark.parametrize("provider", DISPUTING)
@pytest.mark.parametrize(("outcome", "left"), [("open", 0), ("won", CREDITS), ("lost", 0)])
async def test_a_dispute_holds_what_the_payment_bought(desk: Desk, provider: str, outcome: str, left: int) -> None:
    """elizaOS/eliza#10997: clawed back when it was opened, and not given back when it was won."""
    await desk.open("ada")
    ended = [("dispute", outcome)] if outcome != "open" else []
    events = story(provider, "buy_package", ("dispute", "open"), *ended)
    for told in (events, events[::-1]):
        await desk.deliver_all(provider, told)
        assert await desk.available("ada") == left
    states = [event.state for event in await desk.events("ada") if isinstance(event, DisputeRecorded)]
    assert states == ["open"] + [outcome] * len(ended)
    assert {webhook.state for webhook in await desk.webhooks()} == {"applied"}


async def test_the_end_of_a_dispute_may_come_first(desk: Desk) -> None:
    await desk.open("ada")
    events = story("stripe", "buy_package", ("dispute", "open"), ("dispute", "won"))
    await desk.deliver_all("stripe", events[::-1])
    assert await desk.available("ada") == CREDITS
    assert {webhook.state for webhook in await desk.webhooks()} == {"applied"}


async def test_the_order_of_a_plan_grants_nothing(desk: Desk) -> None:
    """masumi-network/sokosumi#1846: the checkout and the invoice both granted."""
    await desk.open("ada")
    orders = [event for event in story("lemonsqueezy", "subscribe") if event.type == "order_created"]
    await desk.deliver_all("lemonsqueezy", orders)
    assert await reasons(desk) == [("ignored", "paid_by_subscription")]


async def test_what_has_no_account_waits_for_it(desk: Desk) -> None:
    """mickasmt/next-saas-stripe-starter#42: the payment came before anybody knew the user."""
    await desk.deliver_all("stripe", story("stripe", "buy_package"))
    assert await reasons(desk) == [("waiting", "unknown_account")]
    webhook = await desk.only()
    assert webhook.next_try_at == NOW + timedelta(seconds=1)
    await desk.open("ada")
    await desk.wait(seconds=1)
    assert await reasons(desk) == [("applied", None)]
    assert await desk.available("ada") == CREDITS


async def test_what_waits_is_tried_less_and_less_often(desk: Desk) -> None:
    await desk.deliver_all("stripe", story("stripe", "buy_package"))
    pauses = []
    for _ in range(12):
        due = (await desk.only()).next_try_at
        assert due is not None
        pauses.append((due - desk.clock.now).total_seconds())
        desk.clock.now = due
        await desk.apply()
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]
    assert pause_after(10**9) == LONGEST_PAUSE
    assert (await desk.only()).attempts == 13


async def test_an_operator_says_whose_it_is(desk: Desk) -> None:
    """No matching by e-mail: an operator's word outranks what the provider says."""
    await desk.open("somebody-else")
    paid, refunded = story("dodo", "buy_package", ("refund", 500))
    await desk.deliver_all("dodo", [refunded, paid])
    assert {state for state, _ in await reasons(desk)} == {"waiting"}
    [first, _] = await desk.webhooks()
    assert await desk.inbox.match(first.webhook_id, "somebody-else", "key:test", desk.clock.now)
    await desk.apply()
    assert await reasons(desk) == 2 * [("applied", None)]
    assert await desk.available("somebody-else") == CREDITS // 2
    assert (await desk.webhooks())[0].decided_by == "key:test"


async def test_a_wrong_match_can_be_mended(desk: Desk) -> None:
    await desk.deliver_all("dodo", story("dodo", "buy_package"))
    webhook = await desk.only()
    for account in ("nobody", "somebody"):
        assert await desk.inbox.match(webhook.webhook_id, account, "key:test", desk.clock.now)
        await desk.apply()
        assert (await desk.only()).detail == account
    await desk.open("somebody")
    await desk.wait(seconds=2)
    assert await desk.available("somebody") == CREDITS
    assert not await desk.inbox.match(webhook.webhook_id, "nobody", "key:test", desk.clock.now)


async def test_a_match_in_the_middle_of_a_turn_is_not_overruled_by_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The turn knows nothing of the match yet: what it decides must not put the webhook off."""
    await desk.open("somebody")
    await desk.deliver_all("dodo", story("dodo", "buy_package"))
    webhook, results = await desk.only(), desk.biller._results

    async def matched_meanwhile(*arguments: Any) -> Any:
        desk.clock.forward(milliseconds=1)
        assert await desk.inbox.match(webhook.webhook_id, "somebody", "key:test", desk.clock.now)
        return await results(*arguments)

    desk.clock.forward(seconds=1)
    with monkeypatch.context() as turn:
        turn.setattr(desk.biller, "_results", matched_meanwhile)
        assert await desk.biller.turn(desk.connection) == 1
    assert await reasons(desk) == [("new", None)]
    await desk.apply()
    assert await desk.available("somebody") == CREDITS


async def test_what_is_dismissed_is_not_tried_again(desk: Desk) -> None:
    await desk.deliver_all("stripe", story("stripe", "buy_package"))
    webhook = await desk.only()
    assert await desk.inbox.dismiss(webhook.webhook_id, "refunded by hand", "key:test", desk.clock.now)
    await desk.open("ada")
    await desk.wait(days=1)
    assert await reasons(desk) == [("dismissed", "dismissed")]
    assert await desk.inbox.retry(webhook.webhook_id, "key:test", desk.clock.now)
    await desk.apply()
    assert await reasons(desk) == [("applied", None)]
    assert not await desk.inbox.dismiss(webhook.webhook_id, None, "key:test", desk.clock.now)
    assert not await desk.inbox.retry("whk_nothing", "key:test", desk.clock.now)


async def test_an_unknown_product_waits_for_the_catalogue(desk: Desk) -> None:
    await desk.open("ada")
    unknown = story("stripe", "buy_package")
    unknown[0].payload["data"]["object"]["metadata"]["price_id"] = "price_new"
    await desk.biller._wake_for_products(desk.connection)
    await desk.deliver_all("stripe", unknown)
    webhook = await desk.only()
    assert (webhook.reason, webhook.detail) == ("unknown_product", "price_new")
    price = {"price": "once", "amount_minor": 1_000, "currency": "USD", "products": {"stripe": "price_new"}}
    package = Package.model_validate({"name": "New", "credits": 70, "prices": [price]})
    async with desk.ledger.log.connection() as connection:
        await catalog.put(connection, [Wanted("new", package)], "test")
    await desk.apply()
    assert await desk.available("ada") == 0, "it is not due"
    await desk.biller._wake_for_products(desk.connection)
    await desk.apply()
    assert await desk.available("ada") == 70


async def test_a_closed_account_waits_for_an_operator(desk: Desk) -> None:
    await desk.open("ada")
    await desk.ask(CloseAccount("ada"), "close")
    await desk.deliver_all("stripe", story("stripe", "buy_package"))
    assert await reasons(desk) == [("waiting", "account_closed")]
    await desk.ask(ReopenAccount("ada"), "reopen")
    await desk.wait(seconds=1)
    assert await desk.available("ada") == CREDITS


async def test_a_payment_belongs_to_one_account(desk: Desk) -> None:
    await desk.open("ada")
    await desk.open("bob")
    [paid] = story("stripe", "buy_package")
    await desk.deliver("stripe", paid)
    named = paid.payload["data"]["object"]["payment_intent"]
    taken = RecordPayment("bob", f"stripe:{named}", "stripe", "paid", 1_000, "USD")
    await desk.ask(taken, "payment")
    await desk.apply()
    webhook = await desk.only()
    assert (webhook.reason, webhook.detail) == ("belongs_to_another_account", "bob")
    assert await desk.available("ada") == 0


async def test_a_payment_that_failed_may_be_paid(desk: Desk) -> None:
    await desk.open("ada")
    [paid] = story("stripe", "buy_package")
    session = {**paid.payload["data"]["object"], "payment_status": "unpaid"}
    failed = Event(
        "checkout.session.async_payment_failed",
        {
            **paid.payload,
            "id": "evt_failed",
            "type": "checkout.session.async_payment_failed",
            "data": {"object": session},
        },
        "evt_failed",
        paid.at,
    )
    for told in ([failed], [paid], [failed]):
        await desk.deliver_all("stripe", told)
    statuses = [event.status for event in await desk.events("ada") if isinstance(event, PaymentRecorded)]
    assert statuses == ["failed", "paid"]
    assert await desk.available("ada") == CREDITS


async def test_a_turn_that_was_cut_short_is_done_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The facts are noted, the commands are carried out, and then the process ends: nothing is decided."""
    await desk.open("ada")
    for event in story("dodo", ("buy_package", 2), ("refund", 500)):
        await desk.deliver("dodo", event)
    execute = desk.connection.execute

    async def ends(statement: Any, *parameters: Any, **options: Any) -> Any:
        if "applied_positions" in str(statement):
            raise ConnectionResetError
        return await execute(statement, *parameters, **options)

    with monkeypatch.context() as cut_short:
        cut_short.setattr(desk.connection, "execute", ends)
        with pytest.raises(ConnectionResetError):
            await desk.apply()
    assert {state for state, _ in await reasons(desk)} == {"new"}
    before = await desk.events("ada")
    assert await desk.available("ada") == CREDITS * 3 // 2
    await desk.apply()
    assert await desk.events("ada") == before
    assert await reasons(desk) == 2 * [("applied", None)]


async def test_two_billers_do_it_once(database: str, clock: Clock, desk: Desk) -> None:
    """One leads; while the lock of a lost connection is still held, there may be two for a moment."""
    await desk.open("ada")
    for event in story("stripe", "buy_package", ("refund", 400), ("dispute", "open")):
        await desk.deliver("stripe", event)
    async with await connect_async(database) as other:
        await asyncio.gather(desk.biller.turn(desk.connection), desk.biller.turn(other))
        assert await desk.biller._leads(desk.connection)
    await desk.apply()
    assert {state for state, _ in await reasons(desk)} == {"applied"}
    kinds = [type(event) for event in await desk.events("ada")]
    assert [kinds.count(kind) for kind in (PaymentRecorded, PaymentRefunded, DisputeRecorded)] == [1, 1, 1]


async def test_one_webhook_of_many_that_cannot_be_read_does_not_stop_the_others(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.open("ada")
    [good] = story("stripe", "buy_package")
    [bad] = story("dodo", "buy_package")
    await desk.deliver("dodo", bad)
    await desk.deliver("stripe", good)

    def broken(_: object) -> list[Any]:
        raise RuntimeError("an error of ours")

    dodo = desk.biller._providers["dodo"]
    desk.biller._providers = {**desk.biller._providers, "dodo": _Broken(dodo.name, broken)}  # type: ignore[dict-item]
    await desk.apply()
    assert await reasons(desk) == [("waiting", "failed"), ("applied", None)]


class _Broken:
    """A provider whose file has an error."""

    def __init__(self, name: str, facts: Any) -> None:
        self.name = name
        self.facts = facts


async def test_it_runs_until_it_is_cancelled(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole loop: it leads, is woken by an arrival, and applies."""
    await desk.open("ada")
    decided = asyncio.Event()
    monkeypatch.setattr(desk.biller, "_observe", lambda _: decided.set())
    running = asyncio.create_task(desk.biller.run())
    [event] = story("lemonsqueezy", "buy_package")
    await desk.deliver("lemonsqueezy", event)
    await asyncio.wait_for(decided.wait(), 60)
    assert await desk.available("ada") == CREDITS
    running.cancel()
    await asyncio.wait([running])
