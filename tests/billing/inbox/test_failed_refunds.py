"""A refund at Stripe that failed: its money is back with the seller, who must not have taken the credits for it."""

from typing import Any

from billing.simulation.steps import Event
from ledger.domain.commands import GrantCredits, VoidGrant
from ledger.domain.events import CreditsGranted, GrantVoided
from tests.billing.inbox.desk import CREDITS, Desk, events_told
from tests.billing.lives import ADA, NOW, life

ACCOUNT = ADA.account_id


def single(kind: str, refund_id: str, status: str) -> Event:
    """What Stripe says of one refund of the only payment."""
    refund: dict[str, Any] = {"id": refund_id, "object": "refund", "amount": 500, "status": status, "currency": "usd"}
    thing = {**refund, "charge": "ch_41_1", "payment_intent": "pi_41_1"}
    event_id = f"evt_{refund_id}_{kind}"
    payload = {"id": event_id, "object": "event", "type": f"refund.{kind}", "created": 1, "livemode": True}
    return Event(f"refund.{kind}", {**payload, "data": {"object": thing}}, event_id, NOW)


def bought() -> tuple[list[Event], list[Event]]:
    """A package, and the refund of half of it: the events of both."""
    one = life("stripe")
    one.buy_package()
    paid = events_told("stripe", ADA, one.steps)
    one.refund(500)
    return paid, events_told("stripe", ADA, one.steps)[len(paid) :]


async def test_what_was_taken_is_told_to_an_operator(desk: Desk) -> None:
    await desk.open(ACCOUNT)
    paid, refunded = bought()
    await desk.deliver_all("stripe", [*paid, *refunded, single("created", "re_1", "succeeded")])
    assert await desk.available(ACCOUNT) == CREDITS // 2
    await desk.deliver_all("stripe", [single("failed", "re_1", "failed")])
    [waiting] = await desk.webhooks("waiting")
    assert (waiting.type, waiting.reason, waiting.detail) == ("refund.failed", "refund_failed", "stripe:re_1")
    assert waiting.sentence is not None
    assert "grant again what was taken" in waiting.sentence
    assert await desk.available(ACCOUNT) == CREDITS // 2, "an operator grants it, or refunds once more"
    await desk.deliver_all("stripe", [single("created", "re_2", "succeeded")])
    assert await desk.available(ACCOUNT) == CREDITS // 2, "the second refund takes nothing more than the first did"


async def test_what_an_operator_does_about_it(desk: Desk) -> None:
    """The steps of docs/payment-providers.md: grant again what the voids took, and dismiss; or refund once more."""
    await desk.open(ACCOUNT)
    paid, refunded = bought()
    await desk.deliver_all("stripe", [*paid, *refunded, single("created", "re_1", "succeeded")])
    await desk.deliver_all("stripe", [single("failed", "re_1", "failed")])
    [void] = [event for event in await desk.events(ACCOUNT) if isinstance(event, GrantVoided)]
    assert (void.amount, void.uncollected) == (CREDITS // 2, 0)
    again = GrantCredits(ACCOUNT, void.kind, void.amount, description="re_1 failed")
    for _ in range(2):
        await desk.ask(again, "grant", "re_1")
    assert await desk.available(ACCOUNT) == CREDITS, "once, because the key is the refund"
    [waiting] = await desk.webhooks("waiting")
    assert await desk.inbox.dismiss(waiting.webhook_id, None, "operator", desk.clock.now)
    await desk.deliver_all("stripe", [single("created", "re_2", "succeeded")])
    assert await desk.available(ACCOUNT) == CREDITS, "the ledger takes nothing for the second refund by itself"
    granted = [event for event in await desk.events(ACCOUNT) if isinstance(event, CreditsGranted)][-1]
    await desk.ask(VoidGrant(ACCOUNT, granted.grant_id, None, "re_2"), "void", "re_2")
    assert await desk.available(ACCOUNT) == CREDITS // 2
    [later] = await desk.webhooks("waiting")
    assert (later.delivery_id, later.reason) == ("evt_re_2_created", "refund_failed"), "it is dismissed like the first"
    assert await desk.inbox.dismiss(later.webhook_id, None, "operator", desk.clock.now)


async def test_nothing_is_taken_for_a_refund_that_is_known_to_have_failed(desk: Desk) -> None:
    await desk.open(ACCOUNT)
    paid, refunded = bought()
    await desk.deliver_all("stripe", [single("failed", "re_1", "failed"), *paid, *refunded])
    assert await desk.available(ACCOUNT) == CREDITS
    assert {one.reason for one in await desk.webhooks("waiting")} == {"refund_failed"}
