"""Users whom the service of a product manages, when much happens at the same time."""

import asyncio

import pytest

from ledger.service import Ledger
from people.errors import AccessRefused
from people.sign_in.passwords import Passwords
from people.sign_in.users import NewUser, UserChanges
from tests.conftest import Clock
from tests.people.letters import HERE, PASSWORD, Town
from tests.people.teams import PRODUCT, Village
from tests.people.test_team_races import at_once

MANY = 20


@pytest.fixture
def village(ledger: Ledger, clock: Clock) -> Village:
    return Village(Town(ledger, clock, Passwords()))


async def test_a_user_is_made_once_however_often_it_is_asked_for(village: Village) -> None:
    """And who registered the address before does not become its user."""
    people, wanted = village.town.people, NewUser("ada@example.com", "Ada", "auth0|ada")
    await people.registrations.register(wanted.email, PASSWORD, "Not Ada", HERE)
    made = await asyncio.gather(*[people.users.make(PRODUCT.name, wanted) for _ in range(MANY)])
    assert sorted(one.replayed for one in made) == [False, *[True] * (MANY - 1)]
    assert len({one.user.user_id for one in made}) == 1
    token = village.town.token(wanted.email, "verification")
    with pytest.raises(AccessRefused, match="used"):
        await people.registrations.verify(token, PASSWORD, HERE, "token")
    assert (await village.town.ledger.account_at(made[0].user.user_id)) is None

    await people.recovery.ask_link(wanted.email, HERE)
    signed_in = await people.sign_ins.with_link(village.town.token(wanted.email, "link"), HERE, "token")
    assert signed_in.user.user_id == made[0].user.user_id
    opened = await village.town.ledger.account_at(signed_in.user.user_id)
    assert opened is not None
    assert opened.account.balance.available == 100


async def test_no_session_outlives_that_its_user_is_disabled(village: Village) -> None:
    """Whether it began before, afterwards, or at the same moment."""
    ada, people = await village.user("ada"), village.town.people
    sign_ins = [people.sign_ins.with_password(ada.email, PASSWORD, HERE, "token") for _ in range(4)]
    disable = people.users.change(PRODUCT.name, ada.user_id, UserChanges(status="disabled"))
    codes = await at_once([*sign_ins[:2], disable, *sign_ins[2:]])
    assert codes[""] + codes["user_disabled"] == 5
    async with village.town.ledger.log.connection() as connection:
        cursor = await connection.execute("SELECT count(*) FROM people.sessions WHERE ended_at IS NULL")
        assert await cursor.fetchone() == (0,)
    refused = await at_once([people.sign_ins.with_password(ada.email, PASSWORD, HERE, "page")])
    assert refused == {"user_disabled": 1}


async def test_an_invitation_of_somebody_who_is_disabled_opens_nothing(village: Village) -> None:
    team = await village.team(bob="admin")
    carol, bob = await village.user("carol"), await village.user("bob")
    await village.invite(team, "carol", by="bob")
    await village.town.people.users.change(PRODUCT.name, bob.user_id, UserChanges(status="disabled"))
    accepted = await at_once([village.teams.invitations.accept(carol, village.link("carol"))])
    assert accepted == {"token_spent": 1}


async def test_one_is_added_once_and_nobody_beyond_the_seats(village: Village) -> None:
    village.seats = 3
    team = await village.team()
    users = [(await village.user(name)).user_id for name in ("bob", "carol", "dave")]
    members = village.teams.members
    asked = [members.add(PRODUCT, team.team_id, user_id, "member") for user_id in users for _ in range(4)]
    codes = await at_once(asked)
    assert codes[""] == 2
    assert codes["already_member"] + codes["seats_taken"] == len(asked) - 2
    assert (await members.seats(team.team_id)).members == 3
