"""A new password and API keys: they go on, unless whoever gets it says that they end, and they see which there are."""

from datetime import timedelta

import pytest

from ledger.service import Ledger
from people.keys.issuing import Holder, Keys, Wanted
from people.sign_in.passwords import Passwords
from tests.conftest import Clock
from tests.people.letters import HERE, PASSWORD, Town
from tests.people.teams import Village

OTHER = "another good password"


@pytest.fixture
def village(ledger: Ledger, clock: Clock) -> Village:
    return Village(Town(ledger, clock, Passwords()))


async def test_a_new_password_ends_the_keys_of_its_person_alone_and_where_they_want_it(village: Village) -> None:
    """With a reset and with a change; keys that others made in the same accounts stay, and so do all if nobody asks."""
    town, team = village.town, await village.team(bob="member")
    recovery, keys = town.people.recovery, Keys(town.ledger.log, town.clock, "clu")
    ada, bob = (await village.user("ada")).user_id, (await village.user("bob")).user_id
    of_team, product = Holder.person(ada, team.team_id, "owner"), Holder("key:01234567", ada)
    made = [
        await keys.make(holder, Wanted(name, ["read"]))
        for holder, name in ((Holder.person(ada, ada, "owner"), "own"), (of_team, "team"), (product, "of the product"))
    ]
    others = await keys.make(Holder.person(bob, team.team_id, "member"), Wanted("bob", ["read"]))
    await keys.rotate(of_team, made[1].key.key_id, timedelta(0))
    await keys.make(of_team, Wanted("over", ["read"], town.clock() + timedelta(minutes=1)))
    town.clock.forward(minutes=1)

    async def working() -> list[str]:
        listed = [*await keys.listed(ada), *await keys.listed(team.team_id)]
        return sorted(key.name for key in listed if key.usable(town.clock()))

    assert {(one.name, one.team_name) for one in await recovery.keys_made(ada)} == {("team", "One"), ("own", None)}
    await recovery.ask_reset("ada@example.com", HERE)
    token = town.token("ada@example.com", "reset")
    assert {one.name for one in await recovery.keys_behind(token)} == {"team", "own"}
    assert await recovery.keys_behind("x" * 43) == []
    await recovery.reset(token, OTHER)
    assert await recovery.keys_behind(token) == []
    assert await working() == ["bob", "of the product", "own", "team"]

    here = await town.people.sign_ins.person(
        (await town.people.sign_ins.with_password("ada@example.com", OTHER, HERE, "page")).token, "page"
    )
    await recovery.change_password(here, OTHER, PASSWORD, HERE, revoke_keys=True)
    assert await working() == ["bob", "of the product"]
    assert await recovery.keys_made(ada) == []
    assert [one.name for one in await recovery.keys_made(bob)] == ["bob"]
    await recovery.ask_reset("bob@example.com", HERE)
    await recovery.reset(town.token("bob@example.com", "reset"), OTHER, revoke_keys=True)
    assert await working() == ["of the product"]
    told = [row["action"] for row in (await town.people.profiles.everything(bob))["audit"]]
    assert told[-2:] == ["key.revoked", "user.password_changed"]
    assert others.key.made_by == bob
