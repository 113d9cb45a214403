"""Changes at our own provider: one request at a time, none that is over at once, and money that comes too late."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from billing import catalog
from billing.calls.calls import ProviderCannot
from billing.catalog_changes import Wanted
from billing.changes.changing import Asker
from billing.changes.refusals import AlreadyCancelled
from billing.changes.targets import Offer, PlanWish, offer_of
from billing.checkouts.checkout import Checkout
from billing.checkouts.errors import NoPriceInCurrency, PaymentDue
from billing.plans import Plan
from ledger.domain.amounts import MAX_AMOUNT
from ledger.domain.commands.subscriptions import MAX_QUANTITY
from ledger.domain.errors import InvalidField
from tests.billing.manual.till import LITE, Till, page_of
from tests.billing.manual.till import PRO as PRO_CREDITS

END = datetime(2027, 2, 28, 12, tzinfo=UTC)
PRO = "plan:pro:1:monthly"
SOMEBODY = Asker("key:test")


def name_of(checkout: Checkout) -> str:
    return f"sub_{checkout.checkout_id.removeprefix('chk_')}"


async def test_one_change_is_asked_for_at_a_time(till: Till) -> None:
    """Twenty wishes in a row, and twenty at once: the last one can be paid, and what was asked for before cannot."""
    name = name_of(await till.subscribe("ada", "lite"))
    await till.wait(days=1)
    for number in range(20):
        await till.calls.change(name, PRO, 1 + number % 2, "now", f"row-{number}")
        assert len(await till.requested("ada")) == 1
    await asyncio.gather(
        *(till.calls.change(name, PRO, 1 + number % 2, "now", f"once-{number}") for number in range(20))
    )
    [request] = await till.requested("ada")
    asked = [one for one in await till.awaited() if one.purpose == "change"]
    assert len(asked) == 40
    for one in asked:
        if one.checkout_id != request.checkout_id:
            assert await till.receive(one.checkout_id) == "cannot"
    assert await till.receive(request.checkout_id) == "paid"
    assert [one["quantity"] for one in await till.now("ada")] == [request.quantity]


async def test_the_same_wish_again_is_the_same_request(till: Till) -> None:
    name = name_of(await till.subscribe("ada", "lite"))
    pages = [(await till.calls.change(name, PRO, 1, "now", "k")).page for _ in range(3)]
    assert pages[0] is not None
    assert pages == [pages[0]] * 3
    assert len(await till.requested("ada")) == 1


async def test_who_wishes_back_and_forth_is_answered_with_what_can_be_paid(till: Till) -> None:
    """Without a key of the caller, in one hour: the last wish counts, although the first was the same."""
    await till.subscribe("ada", "lite")
    await till.wait(minutes=1)
    replays = []
    for wish in (PlanWish("pro"), PlanWish("pro", None, 2), PlanWish("pro"), PlanWish("pro")):
        answered = await till.changing.upgrade("ada", wish, SOMEBODY)
        [request] = await till.requested("ada")
        assert (answered.asked.url, request.quantity) == (page_of("ada", request.checkout_id), wish.quantity or 1)
        replays.append(answered.replayed)
    assert replays == [False, False, False, True]


async def test_a_subscription_keeps_its_currency(till: Till) -> None:
    """Without a price by name it is one in the currency that is paid now, although another one comes first."""
    await sell(till, "both", {"dollars": "USD", "euros": "EUR"})
    await sell(till, "abroad", {"dollars": "USD"})
    name = name_of(await till.subscribe("ada", "both", "euros"))
    await till.subscribe("bob", "both", "dollars")
    await till.wait(minutes=1)
    for account, currency in (("ada", "EUR"), ("bob", "USD")):
        foreseen = await till.changing.upgrade_foreseen(account, PlanWish("both", None, 2))
        assert foreseen.new is not None
        assert foreseen.new.currency == currency
    assert (await till.changing.upgrade_foreseen("bob", PlanWish("abroad", None, 2))).amount_minor is not None
    with pytest.raises(NoPriceInCurrency, match="EUR"):
        await till.changing.upgrade_foreseen("ada", PlanWish("abroad", None, 2))
    entries = {plan: await offer(till, plan) for plan in ("both", "abroad")}
    assert {plan: one.kind for plan, one in (await till.changing.foreseen("ada", entries)).items()} == {"both": "same"}
    for ask in (
        lambda: till.changing.upgrade_foreseen("ada", PlanWish("abroad", "dollars", 2)),
        lambda: till.calls.change(name, "plan:abroad:1:dollars", 2, "now", "k"),
    ):
        with pytest.raises(ProviderCannot, match="paid in EUR and the new price is in USD"):
            await ask()


async def test_no_change_is_more_than_a_ledger_counts(till: Till) -> None:
    """However many of a plan somebody wants. Its credits cannot come to too many: their own bound is lower."""
    await sell(till, "dear", {"euros": "EUR"}, amount_minor=10**12)
    await till.subscribe("ada", "lite")
    await till.wait(minutes=1)
    most = MAX_AMOUNT // 10**12
    assert most < MAX_QUANTITY
    assert (await till.changing.upgrade_foreseen("ada", PlanWish("dear", None, most))).new is not None
    wish = PlanWish("dear", None, most + 1)
    for ask in (till.changing.upgrade_foreseen, till.changing.downgrade_foreseen):
        with pytest.raises(InvalidField, match="is too large"):
            await ask("ada", wish)
    with pytest.raises(InvalidField, match="is too large"):
        await till.changing.upgrade("ada", wish, SOMEBODY)


async def sell(
    till: Till, plan: str, prices: Mapping[str, str], amount_minor: int = 4_000, *, months: int = 1, rank: int = 5
) -> None:
    """Sell one plan more, each price of it in a currency of its own."""
    money = {"amount_minor": amount_minor, "interval": {"months": months}}
    sold = [{"price": name, "currency": currency, **money} for name, currency in prices.items()]
    body = {"name": plan, "credits": 100, "rank": rank, "prices": sold}
    async with till.desk.ledger.log.connection() as connection:
        await catalog.put(connection, [Wanted(plan, Plan.model_validate(body))], "test")


async def offer(till: Till, plan: str) -> Offer:
    async with till.desk.ledger.log.connection() as connection:
        return await offer_of(connection, plan)


async def test_a_year_that_was_changed_to_months_gives_nothing_after_them(till: Till) -> None:
    """What was unused of the year was taken off the price of the month."""
    await sell(till, "basic", {"yearly": "EUR"}, 2_000, months=12, rank=1)
    await till.subscribe("ada", "basic", "yearly")
    await till.wait(days=1)
    asked = (await till.changing.upgrade("ada", PlanWish("pro", "monthly"), SOMEBODY)).asked
    assert asked.amount_minor == 3_000 - 2_000 * 364 // 365
    before = await till.desk.available("ada")
    [request] = await till.requested("ada")
    await till.receive(request.checkout_id)
    assert await till.desk.available("ada") - before == asked.credits_now == PRO_CREDITS
    [one] = await till.now("ada")
    assert one["current_period_end"] == datetime(2027, 3, 1, 12, tzinfo=UTC)
    for days, credits in ((20, 100 + PRO_CREDITS), (10, 0), (10, 0), (10, 0), (40, 0), (40, 0)):
        await till.wait(days=days)
        assert await till.desk.available("ada") == credits, till.desk.clock.now
    assert [one["status"] for one in await till.now("ada")] == ["ended"]


async def test_a_change_buys_no_whole_period_after_the_end(till: Till) -> None:
    """Its price was for the time that was left: who ends the subscription and pays it then gets the money back."""
    name = name_of(await till.subscribe("ada", "lite"))
    await till.wait_until(END - timedelta(days=3))
    await till.calls.change(name, PRO, 1, "now", "k")
    [request] = [one for one in await till.requested("ada") if one.purpose == "change"]
    await till.calls.cancel(name, "now", "k")
    await till.desk.apply()
    assert await till.receive(request.checkout_id) == "cannot"
    assert [one["status"] for one in await till.now("ada")] == ["ended"]
    assert await till.desk.available("ada") == LITE


async def test_what_is_due_is_paid_before_a_change(till: Till) -> None:
    """A change would be over at once: its price is for time that nobody has paid. The refusal names the request."""
    name = name_of(await till.subscribe("ada", "lite"))
    await till.wait_until(END)
    [due] = await till.requested("ada")
    assert [one["status"] for one in await till.now("ada")] == ["past_due"]
    for ask in (till.changing.upgrade("ada", PlanWish("pro"), SOMEBODY), till.calls.change(name, PRO, 1, "now", "k")):
        with pytest.raises(PaymentDue) as refused:
            await ask
        assert refused.value.facts["checkout_id"] == due.checkout_id
    assert await till.requested("ada") == [due]
    await till.receive(due.checkout_id)
    await till.wait(minutes=1)
    assert (
        await till.changing.upgrade("ada", PlanWish("pro"), SOMEBODY)
    ).asked.expires_at == till.desk.clock.now + timedelta(days=7)
    bob = await till.subscribe("bob", "lite")
    till.desk.clock.now += timedelta(days=31)  # and nobody has looked at what is due yet
    with pytest.raises(PaymentDue):
        await till.calls.change(name_of(bob), PRO, 1, "now", "k")


async def test_what_ends_is_reactivated_before_a_change(till: Till) -> None:
    """An upgrade neither ends within the year that it pays for, nor takes a cancellation back."""
    name = name_of(await till.subscribe("ada", "lite"))
    await till.wait(days=1)
    await till.calls.cancel(name, "period_end", "k")
    for when in ("now", "period_end"):
        with pytest.raises(ProviderCannot, match="Reactivate"):  # before the ledger knows that it ends
            await till.calls.change(name, "plan:pro:1:yearly", 1, when, "k")
    await till.desk.apply()
    wish = PlanWish("pro", "yearly")
    for ask in (till.changing.upgrade_foreseen("ada", wish), till.changing.upgrade("ada", wish, SOMEBODY)):
        with pytest.raises(AlreadyCancelled):
            await ask
    assert await till.requested("ada") == []
    assert [one["cancel_at"] for one in await till.now("ada")] == [END]
    await till.changing.reactivate("ada", None, SOMEBODY)
    await till.desk.apply()
    await till.wait(minutes=1)
    asked = (await till.changing.upgrade("ada", wish, SOMEBODY)).asked
    assert asked.url is not None
    await till.receive(asked.url.rpartition("/")[2])
    [one] = await till.now("ada")
    assert (one["plan"], one["cancel_at"], one["current_period_end"]) == (
        "pro",
        None,
        till.desk.clock.now.replace(year=2028),
    )
