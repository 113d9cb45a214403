"""Renewals: the payment for the next period is asked for, waited for, and at last given up, all by the clock."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.calls.calls import ProviderCannot, ProviderFailed
from ledger.domain.commands import CloseAccount
from tests.billing.manual.till import BEGIN, LITE, PRO, Till

MONTH_ENDS = [(2, 28), (3, 31), (4, 30), (5, 31), (6, 30), (7, 31), (8, 31), (9, 30), (10, 31), (11, 30), (12, 31)]


def name_of(checkout_id: str) -> str:
    return f"sub_{checkout_id.removeprefix('chk_')}"


async def test_a_year_of_renewals(till: Till) -> None:
    """Each is asked for once, seven days before; months are counted from the day on which the subscription began."""
    await till.subscribe("ada")
    ends = [datetime(2027, month, day, 12, tzinfo=UTC) for month, day in MONTH_ENDS]
    for end, following in zip(ends, [*ends[1:], datetime(2028, 1, 31, 12, tzinfo=UTC)], strict=True):
        await till.wait_until(end - timedelta(days=7, seconds=1))
        assert await till.requested("ada") == []
        await till.wait_until(end - timedelta(days=7))
        await till.turn()
        [request] = await till.requested("ada")
        assert (request.period_start, request.period_end) == (end, following)
        assert (request.amount_minor, request.purpose, request.subscription_id is not None) == (3_000, "renewal", True)
        assert await till.receive(request.checkout_id) == "paid"
        assert await till.requested("ada") == []
        await till.wait_until(end + timedelta(days=2))
        [one] = await till.now("ada")
        assert (one["status"], one["current_period_start"], one["current_period_end"]) == ("active", end, following)
        assert await till.desk.available("ada") == PRO
    assert {webhook.state for webhook in await till.desk.webhooks()} == {"applied"}


async def test_an_unpaid_period_is_past_due_and_a_late_payment_continues_it(till: Till) -> None:
    await till.subscribe("ada")
    end = datetime(2027, 2, 28, 12, tzinfo=UTC)
    await till.wait_until(end - timedelta(seconds=1))
    assert [one["status"] for one in await till.now("ada")] == ["active"]
    await till.wait_until(end)
    assert [one["status"] for one in await till.now("ada")] == ["past_due"]
    await till.wait_until(end + timedelta(days=10))
    assert await till.desk.available("ada") == 0
    [request] = await till.requested("ada")
    await till.receive(request.checkout_id)
    [one] = await till.now("ada")
    assert (one["status"], one["current_period_start"]) == ("active", end)
    assert one["current_period_end"] == datetime(2027, 3, 31, 12, tzinfo=UTC)
    assert await till.desk.available("ada") == PRO


async def test_what_stays_unpaid_ends_and_money_that_comes_then_begins_anew(till: Till) -> None:
    first = await till.subscribe("ada")
    end = datetime(2027, 2, 28, 12, tzinfo=UTC)
    await till.wait_until(end)
    last = end + timedelta(days=15)  # a day of grace, and two weeks
    await till.wait_until(last - timedelta(seconds=1))
    [request] = await till.requested("ada")
    assert request.expires_at == last
    assert [one["status"] for one in await till.now("ada")] == ["past_due"]
    await till.wait_until(last)
    assert [one["status"] for one in await till.now("ada")] == ["ended"]
    assert await till.requested("ada") == []
    with pytest.raises(ProviderCannot):
        await till.calls.resume(name_of(first.checkout_id), "k")
    await till.wait(days=3)
    assert await till.receive(request.checkout_id) == "paid"
    assert await till.receive(request.checkout_id) == "already"
    assert await till.desk.available("ada") == PRO
    assert [one["status"] for one in await till.now("ada")] == ["active", "ended"]


async def test_a_clock_that_leaps_asks_waits_and_ends(till: Till) -> None:
    """A service that was down for a year does all steps at once; nothing is granted for what nobody paid."""
    await till.subscribe("ada")
    await till.wait(days=365)
    assert [one["status"] for one in await till.now("ada")] == ["ended"]
    assert await till.desk.available("ada") == 0


async def test_cancel_and_resume(till: Till) -> None:
    checkout = await till.subscribe("ada")
    name, end = name_of(checkout.checkout_id), datetime(2027, 2, 28, 12, tzinfo=UTC)
    await till.wait_until(end - timedelta(days=3))
    assert len(await till.requested("ada")) == 1
    changed = await till.calls.cancel(name, "period_end", "k")
    assert [delivery.type for delivery in changed.deliveries] == ["subscription.active"]
    await till.desk.apply()
    assert [one["cancel_at"] for one in await till.now("ada")] == [end]
    assert await till.requested("ada") == []
    [withdrawn] = [one for one in await till.awaited() if one.state == "cancelled"]
    assert await till.receive(withdrawn.checkout_id) == "cannot"
    await till.calls.resume(name, "k")
    await till.turn()
    assert [one["cancel_at"] for one in await till.now("ada")] == [None]
    assert len(await till.requested("ada")) == 1
    await till.calls.cancel(name, "period_end", "k")
    await till.wait_until(end)
    assert [one["status"] for one in await till.now("ada")] == ["ended"]
    with pytest.raises(ProviderFailed):
        await till.calls.cancel("sub_none", "now", "k")


async def test_a_change_now_costs_the_time_that_is_left(till: Till) -> None:
    checkout = await till.subscribe("ada", "lite", None)
    name = name_of(checkout.checkout_id)
    await till.wait(days=14)  # half of the 28 days
    first = await till.calls.change(name, "plan:pro:1:monthly", 1, "now", "k")
    again = await till.calls.change(name, "plan:pro:1:monthly", 1, "now", "k")
    assert first.page is not None
    assert again.page is not None
    assert first.page.provider_id == again.page.provider_id
    [request] = await till.requested("ada")
    assert (request.amount_minor, request.currency) == (1_000, "EUR")  # half of 30 less half of 10
    assert [one["plan"] for one in await till.now("ada")] == ["lite"]
    await till.receive(request.checkout_id)
    [one] = await till.now("ada")
    assert (one["plan"], one["current_period_end"]) == ("pro", datetime(2027, 2, 28, 12, tzinfo=UTC))
    assert await till.desk.available("ada") == LITE + (PRO - LITE) // 2


async def test_a_change_to_a_year_begins_one(till: Till) -> None:
    checkout = await till.subscribe("ada")
    await till.wait(days=14)
    changed = await till.calls.change(name_of(checkout.checkout_id), "plan:pro:1:yearly", 1, "now", "k")
    assert changed.page is not None
    request = await till.checkouts.find(changed.page.provider_id)
    assert request.amount_minor == 30_000 - 1_500
    await till.receive(request.checkout_id)
    [one] = await till.now("ada")
    assert one["current_period_end"] == (BEGIN + timedelta(days=14)).replace(year=2028)


async def test_a_change_at_the_end_of_the_period_renews_as_that(till: Till) -> None:
    checkout = await till.subscribe("ada")
    name, end = name_of(checkout.checkout_id), datetime(2027, 2, 28, 12, tzinfo=UTC)
    await till.wait_until(end - timedelta(days=5))
    await till.calls.change(name, "plan:lite:1:monthly", 1, "period_end", "k")
    await till.turn()
    assert [one["next_plan"] for one in await till.now("ada")] == ["lite"]
    [request] = await till.requested("ada")
    assert (request.entry_id, request.amount_minor) == ("lite", 1_000)
    await till.receive(request.checkout_id)
    await till.wait_until(end + timedelta(days=2))
    [one] = await till.now("ada")
    assert (one["plan"], one["next_plan"], one["status"]) == ("lite", None, "active")
    assert await till.desk.available("ada") == LITE


async def test_an_account_that_is_closed_is_asked_for_nothing(till: Till) -> None:
    await till.subscribe("ada")
    await till.desk.ask(CloseAccount("ada", None), "close")
    await till.wait(days=25)
    assert await till.requested("ada") == []


async def test_a_trial_begins_at_once_and_is_paid_for_before_it_ends(till: Till) -> None:
    """Its first period begins when it ends, and months are counted from there. There is one trial for an account."""
    await till.desk.open("ada")
    checkout = await till.buy("ada", "plan", "tried")
    assert (checkout.state, checkout.amount_minor, checkout.reference) == ("paid", 0, None)
    end = BEGIN + timedelta(days=10)
    [one] = await till.now("ada")
    assert (one["status"], one["trial_ends_at"]) == ("trialing", end)
    assert await till.desk.available("ada") == 50
    await till.wait_until(end - timedelta(days=7))
    [request] = await till.requested("ada")
    assert (request.amount_minor, request.period_start) == (2_000, end)
    assert request.period_end == datetime(2027, 3, 10, 12, tzinfo=UTC)
    await till.receive(request.checkout_id)
    await till.wait_until(end + timedelta(days=2))
    [one] = await till.now("ada")
    assert (one["status"], one["current_period_start"], one["current_period_end"]) == (
        "active",
        end,
        request.period_end,
    )
    assert await till.desk.available("ada") == LITE
    await till.calls.cancel(name_of(checkout.checkout_id), "now", "k")
    await till.desk.apply()
    assert (await till.buy("ada", "plan", "tried")).amount_minor == 2_000


@pytest.mark.parametrize("way", ["waits", "cancels"])
async def test_a_trial_that_nobody_pays_for_ends(till: Till, way: str) -> None:
    await till.desk.open("ada")
    checkout = await till.buy("ada", "plan", "tried")
    end = BEGIN + timedelta(days=10)
    if way == "cancels":
        await till.calls.cancel(name_of(checkout.checkout_id), "period_end", "k")
        await till.wait_until(end)
    else:
        await till.wait_until(end)
        assert [one["status"] for one in await till.now("ada")] == ["past_due"]
        await till.wait(days=15)
    assert [one["status"] for one in await till.now("ada")] == ["ended"]
    assert (await till.desk.available("ada"), await till.requested("ada")) == (0, [])


async def test_a_change_in_a_trial_costs_nothing_until_its_end(till: Till) -> None:
    await till.desk.open("ada")
    checkout = await till.buy("ada", "plan", "tried")
    await till.wait(days=2)
    changed = await till.calls.change(name_of(checkout.checkout_id), "plan:pro:1:monthly", 1, "now", "k")
    assert changed.page is None
    await till.turn()
    [one] = await till.now("ada")
    end = BEGIN + timedelta(days=10)
    assert (one["plan"], one["status"], one["trial_ends_at"]) == ("pro", "trialing", end)
    assert await till.desk.available("ada") == 50
    await till.wait_until(end - timedelta(days=7))
    [request] = await till.requested("ada")
    assert (request.amount_minor, request.period_start) == (3_000, end)
    await till.receive(request.checkout_id)
    await till.wait_until(end + timedelta(days=2))
    assert await till.desk.available("ada") == PRO


async def test_a_change_is_paid_in_time_or_not_at_all(till: Till) -> None:
    """Its price is for the time that was left: paid after the period, it would buy a whole new one."""
    first = await till.subscribe("ada", "lite")
    end = datetime(2027, 2, 28, 12, tzinfo=UTC)
    await till.wait_until(end - timedelta(hours=1))
    changed = await till.calls.change(name_of(first.checkout_id), "plan:pro:1:monthly", 1, "now", "k")
    assert changed.page is not None
    assert changed.page.expires_at == end
    await till.wait_until(end + timedelta(seconds=1))
    assert await till.receive(changed.page.provider_id) == "cannot"
    assert [one["plan"] for one in await till.now("ada")] == ["lite"]


async def test_a_change_that_would_forfeit_what_is_paid_is_refused(till: Till) -> None:
    first = await till.subscribe("ada", "pro", "yearly")
    with pytest.raises(ProviderCannot, match="worth more"):
        await till.calls.change(name_of(first.checkout_id), "plan:lite:1:monthly", 1, "now", "k")
