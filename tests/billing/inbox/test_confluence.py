"""Whatever the order and the number of deliveries, the ledger ends the same."""

import asyncio
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.simulation.scenarios import Life
from billing.simulation.steps import Customer, Event
from ledger.domain.events import CreditsGranted, DisputeRecorded, PaymentRecorded, PaymentRefunded
from tests.billing.inbox.desk import PROVIDER_NAMES, Desk, events_told, running_desk
from tests.billing.lives import life
from tests.conftest import Clock
from tests.long_form import times
from tests.postgres import TestServer

STORIES = times(5, 400)
"""Stories of each provider."""
_numbers = count(1_000)
STEPS = ("buy_package", "refund_some", "refund_all", "dispute", "subscribe")


def live(one: Life, steps: Sequence[str], outcomes: Sequence[str]) -> None:
    """A life in which money comes and goes."""
    ends = iter(outcomes)
    subscribed = disputed = False
    one.buy_package(2)
    for step in steps:
        match step:
            case "buy_package":
                one.buy_package()
                disputed = False
            case "refund_some" if not disputed:
                one.refund(100)
            case "refund_all" if not disputed:
                one.refund()
                one.buy_package()
            case "dispute" if not disputed:
                one.dispute("open")
                end = next(ends, "open")
                if end != "open":
                    one.dispute(end)  # type: ignore[arg-type]  # won or lost
                disputed = True
            case "subscribe" if not subscribed:
                one.subscribe()
                one.buy_package()
                subscribed, disputed = True, False
            case _:
                pass


def told(provider: str, customer: Customer, steps: Sequence[str], outcomes: Sequence[str]) -> list[Event]:
    one = life(provider)
    live(one, steps, outcomes)
    return events_told(provider, customer, one.steps)


async def ledger_of(desk: Desk, account: str) -> dict[str, Any]:
    """What the ledger has of an account, whatever the order in which it came about."""
    events = await desk.events(account)
    payments = {event.payment_id: event for event in events if isinstance(event, PaymentRecorded)}
    order = {name: number for number, name in enumerate(sorted(payments))}
    refunds = {e.payment_id: e.refunded_minor for e in events if isinstance(e, PaymentRefunded)}
    ends = {e.payment_id: e.state for e in events if isinstance(e, DisputeRecorded) and e.changed_by is None}
    granted = [event.amount for event in events if isinstance(event, CreditsGranted)]
    found = await desk.ledger.account_at(account)
    assert found is not None
    return {
        "payments": sorted((order[name], one.status, one.amount_minor) for name, one in payments.items()),
        "refunds": sorted((order[name], minor) for name, minor in refunds.items()),
        "disputes": sorted((order[name], state) for name, state in ends.items()),
        "granted": sorted(granted),
        "balance": found.account.balance,
    }


async def both_ways(database: str, folder: Path, provider: str, story: Sequence[Any], random: Any) -> None:
    """Deliver one life in order, and the same life of another customer in any other way."""
    async with running_desk(database, Clock(), folder) as desk:
        results = []
        for deliver in (in_order, shuffled):
            customer = Customer(f"customer-{next(_numbers)}", next(_numbers))
            await desk.open(customer.account_id)
            desk.clock.forward(minutes=15)  # beyond all that the life tells of, as it would be when it is told
            await deliver(desk, provider, told(provider, customer, *story), random)
            results.append(await ledger_of(desk, customer.account_id))
        assert results[0] == results[1], (provider, story)


async def in_order(desk: Desk, provider: str, events: list[Event], _: Any) -> None:
    await desk.deliver_all(provider, events)


async def shuffled(desk: Desk, provider: str, events: list[Event], random: Any) -> None:
    """Each delivery comes once or twice, in any order; the biller works now and then, and time passes."""
    many = events + [event for event in events if random.random() < 0.5]
    random.shuffle(many)
    for event in many:
        await desk.deliver(provider, event)
        if random.random() < 0.5:
            await desk.wait(seconds=random.choice((0, 1, 5)))
    await desk.wait(minutes=15)


@pytest.mark.parametrize("provider", PROVIDER_NAMES)
def test_the_order_and_the_number_of_deliveries_do_not_matter(
    server: TestServer, provider: str, tmp_path: Path
) -> None:
    @settings(max_examples=STORIES, database=None)
    @given(
        st.lists(st.sampled_from(STEPS), max_size=5),
        st.lists(st.sampled_from(("open", "won", "lost")), max_size=3),
        st.randoms(use_true_random=False),
    )
    def tell(steps: list[str], outcomes: list[str], random: Any) -> None:
        with server.database() as database:
            asyncio.run(both_ways(database, tmp_path, provider, (steps, outcomes), random))

    tell()
