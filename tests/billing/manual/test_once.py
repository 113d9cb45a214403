"""What begins without a payment is had once; what was played in the test mode is worth nothing where money is real."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from billing.checkouts.checkout import Checkout, Wish
from billing.checkouts.checkouts import Made
from billing.errors import BillingRefused
from ledger.domain.errors import InvalidField
from tests.billing.manual.test_changes import name_of
from tests.billing.manual.till import LITE, Till

END = datetime(2027, 2, 28, 12, tzinfo=UTC)
PRO = "plan:pro:1:monthly"


@contextmanager
def playing(till: Till) -> Iterator[None]:
    """In the test mode."""
    till.payments.telling.live = False
    till.desk.biller._modes = {"manual": "test"}
    yield
    till.payments.telling.live = True
    till.desk.biller._modes = {"manual": "live"}


async def _at_once(till: Till, account: str, *plans: str) -> list[Checkout]:
    """What is made of twenty wishes at once."""
    await till.desk.open(account)
    wishes = [Wish(account, "plan", plans[number % len(plans)], None, 1, "https://a.example/") for number in range(20)]
    made = await asyncio.gather(
        *(
            till.checkouts.create(wish, f"once-{number}", "test", listed_only=True)
            for number, wish in enumerate(wishes)
        ),
        return_exceptions=True,
    )
    await till.desk.apply()
    refused = [one for one in made if isinstance(one, BaseException)]
    assert all(isinstance(one, BillingRefused) and one.code == "already_subscribed" for one in refused), refused
    return [await till.checkouts.find(one.checkout.checkout_id) for one in made if isinstance(one, Made)]


@pytest.mark.parametrize(
    ("plans", "status", "credits"), [(["free", "gift"], "active", (10, 20)), (["tried"], "trialing", (50,))]
)
async def test_of_twenty_at_once_one_begins(
    till: Till, plans: list[str], status: str, credits: tuple[int, ...]
) -> None:
    made = await _at_once(till, "ada", *plans)
    states = [one.state for one in made]
    assert states.count("paid") == 1
    assert set(states) <= {"paid", "cancelled"}
    assert [one["status"] for one in await till.now("ada")] == [status]
    assert await till.desk.available("ada") in credits


async def test_a_trial_is_not_begun_again_before_the_ledger_has_heard_of_it(till: Till) -> None:
    """The row of our own provider counts, and not only what was applied of its webhooks."""
    await till.desk.open("ada")
    first = await till.buy("ada", "plan", "tried")
    await till.calls.cancel(name_of(first), "now", "k")
    second = await till.buy("ada", "plan", "tried")
    assert (second.amount_minor, second.state, second.trial_days) == (2_000, "open", None)


async def test_what_begins_without_a_payment_is_had_once_by_its_quantity_too(till: Till) -> None:
    await till.desk.open("ada")
    for plan in ("free", "gift", "tried"):
        with pytest.raises(InvalidField, match="must be 1 for what begins without a payment"):
            await till.buy("ada", "plan", plan, quantity=2)
    assert await till.awaited() == []
    assert (await till.buy("ada", "plan", "lite", quantity=2)).amount_minor == 2_000


async def test_a_package_that_costs_nothing_is_not_had_again_and_again(till: Till) -> None:
    await till.desk.open("ada")
    with pytest.raises(InvalidField, match="its credits are given with a grant"):
        await till.buy("ada", "package", "present")
    assert await till.desk.available("ada") == 0


async def test_a_period_that_was_played_is_worth_nothing_where_money_is_real(till: Till) -> None:
    with playing(till):
        name = name_of(await till.subscribe("ada", "lite"))
        await till.wait(days=14)
        assert await till.calls.quote(name, PRO, 1) == 1_000, "in the test mode it is"
        played = await till.calls.change(name, PRO, 1, "now", "k")
        assert played.page is not None
    assert await till.calls.quote(name, PRO, 1) == 1_500, "half of a month of Pro, and nothing less"
    assert await till.receive(played.page.provider_id) == "cannot"
    asked = await till.calls.change(name, PRO, 1, "now", "k")
    assert asked.page is not None
    assert (await till.checkouts.find(asked.page.provider_id)).amount_minor == 1_500
    assert await till.receive(asked.page.provider_id) == "paid"
    assert await till.calls.quote(name, "plan:pro:1:yearly", 1) == 30_000 - 1_500, "what was paid for is worth it"
    assert [one["plan"] for one in await till.now("ada")] == ["pro"]


async def test_what_is_paid_after_the_test_mode_is_real(till: Till) -> None:
    """A checkout that was made in one mode can be paid in the other: the money is what counts."""
    with playing(till):
        await till.desk.open("bob")
        open_one = await till.buy("bob", "plan", "lite")
        name = name_of(await till.subscribe("ada", "lite"))
        await till.wait_until(datetime(2027, 2, 21, 12, tzinfo=UTC))
    assert await till.receive(open_one.checkout_id) == "paid"
    assert await till.desk.available("bob") == LITE
    [request] = await till.requested("ada")
    assert await till.receive(request.checkout_id) == "paid"
    await till.wait_until(END)
    assert await till.calls.quote(name, PRO, 1) == 2_000, "its period is real now"


async def test_what_is_played_after_real_money_is_played(till: Till) -> None:
    name = name_of(await till.subscribe("ada", "lite"))
    await till.wait_until(datetime(2027, 2, 21, 12, tzinfo=UTC))
    [request] = await till.requested("ada")
    with playing(till):
        assert await till.receive(request.checkout_id) == "paid"
        await till.wait_until(END)
    assert await till.calls.quote(name, PRO, 1) == 3_000
