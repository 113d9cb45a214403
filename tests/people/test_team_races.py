"""Teams, when many change one at the same time, over connections of their own."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterable

import pytest

from ledger.service import Ledger
from people.errors import AccessRefused
from people.sign_in.passwords import Passwords
from tests.conftest import Clock
from tests.people.letters import HERE, Town
from tests.people.teams import Village, acting

MANY = 50


@pytest.fixture
def village(ledger: Ledger, clock: Clock) -> Village:
    return Village(Town(ledger, clock, Passwords()))


async def at_once(asked: Iterable[Awaitable[object]]) -> Counter[str]:
    """How often each code came of what is done at the same time; an empty text where it was done."""
    done = await asyncio.gather(*asked, return_exceptions=True)
    codes = [one.code if isinstance(one, AccessRefused) else "" for one in done]
    assert not [one for one in done if isinstance(one, BaseException) and not isinstance(one, AccessRefused)], done
    return Counter(codes)


async def test_one_invitation_accepted_fifty_times_makes_one_member(village: Village) -> None:
    team, carol = await village.team(), await village.user("carol")
    await village.invite(team, "carol")
    accepted = await at_once(village.teams.invitations.accept(carol, village.link("carol")) for _ in range(MANY))
    assert accepted == {"": 1, "token_spent": MANY - 1}
    seats = await village.teams.members.seats(team.team_id)
    assert (seats.members, seats.invited) == (2, 0)
    assert (await village.told()).count("member.joined") == 1


async def test_fifty_invitations_for_the_last_seat(village: Village) -> None:
    """At the limit of seats exactly; and an invitation that is accepted meanwhile changes nothing of that."""
    team, carol, ada = await village.team(bob="admin", dave="member"), await village.user("carol"), None
    await village.invite(team, "carol")
    ada = await village.actor("ada")
    hosts = [f"h{number}" for number in range(MANY)]
    invites = [
        village.teams.invitations.invite(ada, team.team_id, f"{host}@{host}.example", "member", HERE) for host in hosts
    ]
    accepts = village.teams.invitations.accept(carol, village.link("carol"))
    assert await at_once([*invites[:25], accepts, *invites[25:]]) == {"": 2, "seats_taken": MANY - 1}
    seats = await village.teams.members.seats(team.team_id)
    assert (seats.members, seats.invited) == (4, 1)


async def test_fifty_invitations_of_one_address_are_one(village: Village) -> None:
    village.seats = 100
    team = await village.team()
    assert await at_once(village.invite(team, "carol") for _ in range(MANY)) == {"": 1, "already_member": MANY - 1}
    assert (await village.teams.members.seats(team.team_id)).invited == 1


async def test_two_transfers_at_once_leave_one_owner(village: Village) -> None:
    team = await village.team(bob="member", carol="member")
    ada, teams = await village.actor("ada"), village.teams.teams
    heirs = [(await village.user(name)).user_id for name in ("bob", "carol")]
    assert await at_once(teams.hand_over(ada, team.team_id, heir) for heir in heirs) == {"": 1, "missing_role": 1}
    assert Counter((await village.roles(team)).values()) == {"owner": 1, "admin": 1, "member": 1}


async def test_who_is_demoted_does_nothing_afterwards(village: Village) -> None:
    """Whatever is done at the same time is done before or refused: no invitation of theirs comes after it."""
    village.seats = 100
    team = await village.team(bob="admin")
    ada, bob = await village.actor("ada"), await village.user("bob")
    asked: list[Awaitable[object]] = [village.invite(team, f"h{number}", by="bob") for number in range(20)]
    asked.insert(10, village.teams.members.change(ada, team.team_id, bob.user_id, "member", None))
    codes = await at_once(asked)
    assert codes[""] + codes["missing_role"] == 21
    told = [one for one in await village.told() if one in {"member.invited", "member.role_changed"}]
    assert told.index("member.role_changed") == len(told) - 1, told
    opened = [await _opens(village, f"h{number}") for number in range(20)]
    assert not any(opened), "who invited may not do so any more"


async def _opens(village: Village, name: str) -> bool:
    if not village.town.mails(f"{name}@example.com"):
        return False
    try:
        await village.teams.invitations.find(village.link(name))
    except AccessRefused:
        return False
    return True


async def test_removal_and_a_transfer_to_the_removed(village: Village) -> None:
    """Either the heir owns the team, and is not removed, or they are gone and the owner stays."""
    team = await village.team(bob="admin", carol="admin")
    ada, bob, carol = [await village.user(name) for name in ("ada", "bob", "carol")]
    done = await at_once(
        [
            village.teams.teams.hand_over(acting(ada), team.team_id, bob.user_id),
            village.teams.members.remove(acting(carol), team.team_id, bob.user_id),
        ]
    )
    roles = await village.roles(team)
    assert list(roles.values()).count("owner") == 1
    assert done in ({"": 1, "last_owner": 1}, {"": 1, "not_found": 1})
    assert ("bob" in roles) == (done["last_owner"] == 1)


async def test_deletions_at_once_delete_once(village: Village) -> None:
    team, ada = await village.team(bob="admin"), await village.actor("ada")
    codes = await at_once(village.teams.teams.delete(ada, team.team_id) for _ in range(5))
    assert set(codes) <= {"", "not_found"}
    assert codes[""] >= 1
    assert (await village.told()).count("team.deleted") == 1
    assert await village.teams.teams.find(team.team_id) is None
