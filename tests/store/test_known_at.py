"""What was known when: random histories on a real log, asked at pairs of moments, against the naive model."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import count, product
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ledger.commit.submission import Recorded
from ledger.domain.commands import (
    Command,
    DeductCredits,
    GrantCredits,
    OpenAccount,
    RecordDispute,
    RecordPayment,
    RefundPayment,
)
from ledger.domain.events import CreditsGranted, CreditsHeld
from ledger.service import Ledger
from tests.conftest import Clock
from tests.domain.answers import balance_of
from tests.domain.counting_model import Refused
from tests.domain.journal import DAY_ZERO, Journal
from tests.domain.model import Model
from tests.domain.strategies import DAY, TICK, journals
from tests.postgres import TestServers
from tests.store.asking import submission

_numbers = count(1)


class Stand(NamedTuple):
    """A ledger that all examples share, each with an account of its own, and the loop that it lives in."""

    ledger: Ledger
    clock: Clock
    loop: asyncio.Runner


@pytest.fixture(scope="module")
def stand(servers: TestServers) -> Iterator[Stand]:
    found = servers.get("embedded")
    assert found is not None
    with found.database() as conninfo, asyncio.Runner() as loop:
        clock = Clock()
        ledger = Ledger(conninfo, clock=clock)
        running = ledger.running()
        loop.run(running.__aenter__())
        yield Stand(ledger, clock, loop)
        loop.run(running.__aexit__(None, None, None))


async def _written(stand: Stand, journal: Journal) -> tuple[str, list[Model]]:
    """The journal's commands on the ledger, and the model as it was after each that recorded something."""
    account, model, versions = f"known-{next(_numbers)}", Model(), list[Model]()
    for number, (at, command, _) in enumerate(journal.asked):
        stand.clock.now = at
        await stand.ledger.execute(submission(_for(account, command), "op", f"{number}", (number,)))
        before = model.version
        if not isinstance(model.ask(command, at), Refused) and model.version > before:
            versions.append(model._copy())
    return account, versions


def _for(account: str, command: Command) -> Command:
    if isinstance(command, RecordPayment):  # the journals of all accounts name the same payments
        grants = tuple(replace(grant, account_id=account) for grant in command.grants)
        return replace(command, account_id=account, provider=f"{command.provider} of {account}", grants=grants)
    if isinstance(command, RefundPayment | RecordDispute) and command.provider is not None:
        return replace(command, account_id=account, provider=f"{command.provider} of {account}")
    return replace(command, account_id=account)


def _moments(journal: Journal) -> list[datetime]:
    """Where something was recorded or ends, and a tick around it; before everything, and after."""
    found = {event.recorded_at for event in journal.events}
    found |= {e.expires_at for e in journal.events if isinstance(e, CreditsGranted | CreditsHeld) and e.expires_at}
    return sorted({at + offset for at in found for offset in (-TICK, 0 * TICK, TICK)} | {DAY_ZERO + 400 * DAY})


@settings(deadline=None, max_examples=20, phases=set(Phase) - {Phase.explain}, suppress_health_check=list(HealthCheck))
@given(journal=journals(), data=st.data())
def test_it_answers_what_the_model_had_been_told_by_then(stand: Stand, journal: Journal, data: st.DataObject) -> None:
    account, versions = stand.loop.run(_written(stand, journal))
    moments = st.sampled_from(_moments(journal))
    for at, known_at in data.draw(st.lists(st.tuples(moments, moments), min_size=1, max_size=12)):
        found = stand.loop.run(stand.ledger.account_at(account, at, known_at))
        counted = [model for model in versions if model.recorded_at and model.recorded_at <= min(at, known_at)]
        if not counted:
            assert found is None
            continue
        assert found is not None
        assert balance_of(found.account.balance) == counted[-1].balance(at)
        assert (found.newest.version, found.as_of, found.known_at) == (counted[-1].version, at, known_at)
        alone = stand.loop.run(stand.ledger.account_at(account, None, known_at))
        assert alone == stand.loop.run(stand.ledger.account_at(account, known_at, known_at))


async def test_what_was_expected_and_what_came(ledger: Ledger, clock: Clock) -> None:
    """Seven credits that lapse after a day, of which three are spent after half of it."""

    async def do(number: int, command: Command) -> None:
        assert isinstance(await ledger.execute(submission(command, "op", f"{number}", (number,))), Recorded)

    await do(1, OpenAccount("ada"))
    await do(2, GrantCredits("ada", "subscription", 7, lifetime=DAY))
    start, noon, end = clock.now, clock.now + DAY / 2, clock.now + DAY
    clock.now = noon
    await do(3, DeductCredits("ada", 3))
    clock.now = end + DAY
    await do(4, GrantCredits("ada", "permanent", 100))

    async def total(at: datetime, known_at: datetime | None = None) -> int:
        found = await ledger.account_at("ada", at, known_at)
        assert found is not None
        return found.account.balance.total

    assert [await total(moment, start) for moment in (start, noon, end - TICK, end, end + DAY)] == [7, 7, 7, 0, 0]
    assert [await total(moment, noon) for moment in (start, noon, end - TICK, end, end + DAY)] == [7, 4, 4, 0, 0]
    assert [await total(moment) for moment in (start, noon, end - TICK, end, end + DAY)] == [7, 4, 4, 0, 100]
    for known_at, at in product((end, end + DAY), (start, noon, end)):
        assert await total(at, known_at) == await total(at), "the past does not change when more is known"
    assert await ledger.account_at("ada", end, start - TICK) is None
