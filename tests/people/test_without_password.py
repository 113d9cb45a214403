"""People without a password, whom the provider of a product made: what a password confirms, a fresh sign-in does."""

from collections.abc import Awaitable, Callable

import pytest

from ledger.service import Ledger
from people.sign_in.passwords import Passwords
from people.sign_in.people import People
from people.sign_in.sign_ins import Person
from people.sign_in.words import Kind
from tests.conftest import Clock
from tests.people.letters import HERE, PASSWORD, Town
from tests.people.test_teams import refusal

ADA, NEW = "ada@example.com", "new@example.com"
Act = Callable[[People, Person], Awaitable[object]]
ACTS: list[Act] = [
    lambda people, person: people.recovery.ask_address(person, None, NEW, HERE),
    lambda people, person: people.deletions.ask(person, None, HERE),
    lambda people, person: people.recovery.change_password(person, None, "another good password", HERE),
]


@pytest.fixture
def town(ledger: Ledger, clock: Clock) -> Town:
    return Town(ledger, clock, Passwords())


async def join(town: Town) -> None:
    await town.people.registrations.register(ADA, PASSWORD, "Ada", HERE)
    await town.people.registrations.verify(town.token(ADA, "verification"), PASSWORD, HERE, "token")


async def with_link(town: Town, kind: Kind = "token") -> Person:
    """Somebody who has just signed in by mail."""
    await town.people.recovery.ask_link(ADA, HERE)
    made = await town.people.sign_ins.with_link(town.token(ADA, "link"), HERE, kind)
    return await town.people.sign_ins.person(made.token, kind)


async def test_a_fresh_sign_in_confirms_for_whoever_has_no_password(town: Town) -> None:
    await join(town)
    async with town.ledger.log.connection() as connection:
        await connection.execute("UPDATE people.users SET password_hash = NULL, password_set_at = NULL")
    assert not (await town.people.profiles.of((await with_link(town)).user.user_id)).has_password
    for act in ACTS:
        person = await with_link(town)
        town.clock.forward(minutes=15, seconds=1)
        assert await refusal(act(town.people, person)) == "fresh_sign_in_required"
        town.clock.forward(seconds=-1)
        assert await refusal(act(town.people, person)) == ""
        town.clock.forward(minutes=20)  # an address gets few mails in a quarter of an hour
    assert (town.mails(NEW), town.mails(ADA).count("deletion")) == (["email"], 1)
    signed_in = await town.people.sign_ins.with_password(ADA, "another good password", HERE, "token")
    assert (await town.people.profiles.of(signed_in.user.user_id)).has_password


async def test_a_fresh_sign_in_is_no_password_of_whoever_has_one(town: Town) -> None:
    """Whoever reads somebody's mail once changes nothing for good without their password."""
    await join(town)
    person = await with_link(town)
    assert [await refusal(act(town.people, person)) for act in ACTS] == ["wrong_credentials"] * 3
