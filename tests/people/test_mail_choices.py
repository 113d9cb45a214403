"""Mails that may be switched off: about teams that somebody owns, and about their keys that end."""

import re
from datetime import timedelta

import pytest

from ledger.service import Ledger
from people.errors import AccessRefused
from people.keys.ending import EndingKeys
from people.keys.issuing import Changes, Holder, Keys, Wanted
from people.sign_in.letters import Letter
from people.sign_in.passwords import Passwords
from people.sign_in.profile import MailKind, ProfileChanges
from tests.conftest import Clock
from tests.people.letters import Town
from tests.people.teams import Village, acting

ADA = "ada@example.com"
DAY = timedelta(days=1)


@pytest.fixture
def village(ledger: Ledger, clock: Clock) -> Village:
    return Village(Town(ledger, clock, Passwords()))


def ending_token(letter: Letter) -> str:
    """The secret of the link in a mail that ends such mails; the text and the header have the same."""
    assert letter.end is not None
    assert letter.end in letter.body
    found = re.fullmatch(r"https://ledger\.example/own/mails/(\S+)", letter.end)
    assert found is not None
    return found[1]


async def test_the_owner_is_told_who_joins_and_leaves_until_they_have_enough(village: Village) -> None:
    team = await village.team(bob="member", carol="admin")
    town, bob = village.town, await village.user("bob")
    await village.teams.members.remove(acting(bob), team.team_id, bob.user_id)
    assert town.mails(ADA)[-3:] == ["joined", "joined", "left"]
    assert "bob@example.com has left" in town.letters[-1].body
    token = ending_token(town.letters[-1])
    for _ in range(2):  # a second press changes nothing
        assert await town.people.mails.end(token) == await town.people.mails.kind_of(token) == "teams"
    ada = (await village.user("ada")).user_id
    assert (await town.people.profiles.of(ada)).mails_off == ("teams",)
    await village.join(team, "bob")
    await village.teams.members.remove(acting(bob), team.team_id, bob.user_id)
    assert town.mails(ADA).count("joined") + town.mails(ADA).count("left") == 3
    await town.people.profiles.change(ada, ProfileChanges(mails_off=[]))
    await village.join(team, "bob")
    assert town.mails(ADA)[-1] == "joined"
    await village.teams.members.remove(acting(await village.user("ada")), team.team_id, bob.user_id)
    assert town.mails(ADA)[-1] == "joined", "who removes somebody knows it"


async def test_a_link_that_is_not_ours_ends_nothing(village: Village) -> None:
    await village.team(bob="member")
    town, bob = village.town, await village.user("bob")
    token = ending_token(town.letters[-1])
    ada, kind, signature = token.split(".")
    others = [f"{bob.user_id}.{kind}.{signature}", f"{ada}.keys.{signature}", f"{ada}.{kind}.", f"{ada}.{kind}", ada]
    for wrong in (
        *others,
        token[:-1],
        f"{token}A",
        "",
        "..",
        f"{ada}.security.{signature}",
        f"{ada}.{kind}.ä",
        f"{ada}\0.{kind}.{signature}",
    ):
        with pytest.raises(AccessRefused, match="link"):
            await town.people.mails.end(wrong)
        with pytest.raises(AccessRefused, match="link"):
            await town.people.mails.kind_of(wrong)


async def test_whoever_made_a_key_is_told_a_week_before_it_ends(village: Village) -> None:
    """Once for each end, in a team too; not of a key that was made for less, or is over, nor against their wish."""
    team, town = await village.team(bob="member"), village.town
    keys = Keys(town.ledger.log, town.clock, "clu")
    bob = (await village.user("bob")).user_id
    own, in_team = Holder.person(bob, bob, "owner"), Holder.person(bob, team.team_id, "member")
    now = town.clock()
    made = [
        await keys.make(holder, Wanted(name, ["read"], now + days * DAY))
        for name, holder, days in (
            ("own", own, 30),
            ("of the team", in_team, 30),
            ("short", own, 6),
            ("later", own, 300),
            ("over", own, 30),
            ("moved", own, 30),
        )
    ]
    await keys.make(Holder("key:12345678", bob), Wanted("of the product", ["read"], now + 30 * DAY))
    await keys.make(own, Wanted("endless", ["read"]))
    await keys.revoke(own, made[4].key.key_id)
    await keys.change(own, made[5].key.key_id, Changes(expires_at=now + 60 * DAY))
    assert await told(village, keys) == []
    town.clock.forward(days=22, minutes=59)
    assert await told(village, keys) == []
    town.clock.forward(days=1)
    mailed = await told(village, keys)
    assert sorted(one.cause.split(":")[1] for one in mailed) == sorted(one.key.key_id for one in made[:2])
    assert {one.recipient for one in mailed} == {"bob@example.com"}
    assert any(f"/accounts/{team.team_id}/keys" in one.body for one in mailed)
    assert {one.cause for one in await told(village, keys)} == {one.cause for one in mailed}, "one mail for a cause"
    await keys.rotate(own, made[0].key.key_id, DAY)
    assert len({one.cause for one in await told(village, keys)} - {one.cause for one in mailed}) == 0
    kind: MailKind = "keys"
    assert await town.people.mails.end(ending_token(mailed[0])) == kind
    assert await told(village, keys) == []


async def told(village: Village, keys: Keys) -> list[Letter]:
    """The letters of one look. The outbox takes one for each cause."""
    town, before = village.town, len(village.town.letters)
    around = village.teams_around
    await EndingKeys(town.ledger.log, town.clock, town.tell, around.page, around.own_page).tell()
    return town.letters[before:]
