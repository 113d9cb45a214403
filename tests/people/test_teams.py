"""Teams: who may do what to whom, what ends with it, and what becomes of the credits."""

from collections.abc import Awaitable
from datetime import timedelta

import pytest

from ledger.domain.commands import CaptureHold, GrantCredits, PlaceHold
from ledger.service import Ledger
from people.errors import AccessRefused
from people.keys.issuing import Holder, Keys, Wanted
from people.sessions import Sessions
from people.sign_in.passwords import Passwords
from people.sign_in.ways_back import WayBack
from people.sign_in.words import Pending
from people.teams.words import MOST_TEAMS, Actor, InvitedRole
from tests.conftest import Clock
from tests.people.letters import HERE, PASSWORD, Town
from tests.people.teams import OPERATOR, Village

STRANGER = Actor("usr_00000000000000000000", "usr_00000000000000000000")


@pytest.fixture
def village(ledger: Ledger, clock: Clock) -> Village:
    return Village(Town(ledger, clock, Passwords()))


async def refusal(asked: Awaitable[object]) -> str:
    """The code with which something is refused; an empty text if it is not."""
    try:
        await asked
    except AccessRefused as error:
        return error.code
    return ""


async def test_a_team_is_an_account_without_credits(village: Village) -> None:
    team = await village.team()
    found = await village.town.ledger.account_at(team.team_id)
    assert found is not None
    assert found.account.balance.available == 0
    ada = await village.user("ada")
    [own] = await village.teams.teams.of(ada.user_id)
    assert (own.team_id, own.role, own.member_count, own.slug) == (team.team_id, "owner", 1, "one")
    assert await refusal(village.team("bob", "one")) == "slug_taken"
    assert await refusal(village.team("ada", "one")) == "slug_taken"
    renamed = await village.teams.teams.rename(await village.actor("ada"), team.team_id, None, "two")
    assert (renamed.name, renamed.slug) == ("One", "two")
    await village.team("bob", "one")
    assert await refusal(village.teams.teams.rename(await village.actor("bob"), team.team_id, "x", None)) == "not_found"
    assert await refusal(village.teams.teams.rename(await village.actor("ada"), team.team_id, None, "one")) == (
        "slug_taken"
    )


async def test_an_account_that_was_not_opened_is_opened_later(village: Village) -> None:
    team = await village.team()
    async with village.town.ledger.log.connection() as connection:
        await connection.execute("UPDATE people.teams SET account_opened_at = NULL")
    assert await village.teams.teams.find(team.team_id) is not None
    async with village.town.ledger.log.connection() as connection:
        row = await (await connection.execute("SELECT account_opened_at FROM people.teams")).fetchone()
    assert row is not None
    assert row[0] is not None


async def test_a_person_owns_a_limited_number_of_teams(village: Village) -> None:
    for number in range(MOST_TEAMS):
        await village.team("ada", f"t-{number}")
    assert await refusal(village.team("ada", "one-more")) == "teams_limit_exceeded"


async def test_who_may_change_whom(village: Village) -> None:
    """Every role, and those outside, against every target: one table."""
    team = await village.team(bob="admin", carol="member", dave="member")
    await village.user("eve")
    expected = {
        "ada": {"ada": "last_owner", "bob": "", "carol": "", "eve": "not_found"},
        "bob": {"ada": "last_owner", "bob": "", "carol": "", "eve": "not_found"},
        "carol": {"ada": "missing_role", "bob": "missing_role", "carol": "missing_role", "dave": "missing_role"},
        "eve": {"ada": "not_found", "bob": "not_found", "carol": "not_found", "eve": "not_found"},
    }
    for who, targets in expected.items():
        for target, code in targets.items():
            before = await village.roles(team)
            role: InvitedRole = "admin" if before.get(target) == "admin" else "member"
            target_id = (await village.user(target)).user_id
            change = village.teams.members.change(await village.actor(who), team.team_id, target_id, role, None)
            assert await refusal(change) == code, (who, target)
            assert await village.roles(team) == before
    asked = village.teams.members.change(OPERATOR, team.team_id, (await village.user("carol")).user_id, "admin", None)
    assert await refusal(asked) == ""
    assert (await village.roles(team))["carol"] == "admin"


async def test_a_team_is_handed_over_and_always_has_one_owner(village: Village) -> None:
    team = await village.team(bob="admin", carol="member")
    ada, bob, carol = [await village.actor(name) for name in ("ada", "bob", "carol")]
    teams, members = village.teams.teams, village.teams.members
    assert ada.user_id
    assert bob.user_id
    assert carol.user_id
    assert await refusal(teams.hand_over(bob, team.team_id, bob.user_id)) == "missing_role"
    assert await refusal(members.remove(ada, team.team_id, ada.user_id)) == "last_owner"
    assert await refusal(members.remove(bob, team.team_id, ada.user_id)) == "last_owner"
    await members.change(ada, team.team_id, carol.user_id, None, "suspended")
    assert await refusal(teams.hand_over(ada, team.team_id, carol.user_id)) == "not_found"
    await teams.hand_over(ada, team.team_id, bob.user_id)
    assert await village.roles(team) == {"ada": "admin", "bob": "owner", "carol": "member"}
    assert await refusal(teams.hand_over(ada, team.team_id, ada.user_id)) == "missing_role"
    await members.remove(ada, team.team_id, ada.user_id)
    assert await refusal(teams.rename(ada, team.team_id, "x", None)) == "not_found"
    assert [one for one in await village.told() if one != "member.invited"] == [
        *("team.created", "member.joined", "member.joined", "member.suspended", "team.owner_changed", "member.left"),
    ]


async def test_who_is_removed_or_suspended_has_no_session_and_no_key_in_the_team(village: Village) -> None:
    """In the same transaction; the session of their own account goes on, and the keys of others."""
    team = await village.team(bob="member", carol="member")
    town, members = village.town, village.teams.members
    sessions = Sessions(town.ledger.log, town.clock)
    cookies = {}
    for name in ("bob", "carol"):
        own, in_team = await village.signed_in(name), await village.signed_in(name)
        switched = await sessions.switch(in_team.token, team.team_id)
        assert switched is not None
        cookies[name] = own.token, switched
    ada, bob, carol = [await village.actor(name) for name in ("ada", "bob", "carol")]
    keys = Keys(town.ledger.log, town.clock, "clu")
    for member in (ada.user_id, bob.user_id, carol.user_id):
        await keys.make(Holder("key:01234567", team.team_id, "owner", member), Wanted("a key", ["read"]))
    assert bob.user_id
    assert carol.user_id
    await members.remove(ada, team.team_id, bob.user_id)
    await members.change(ada, team.team_id, carol.user_id, None, "suspended")
    for name, (own_cookie, team_cookie) in cookies.items():
        found, kept = await sessions.find(team_cookie), await sessions.find(own_cookie)
        assert found is not None
        assert not found.open(town.clock()), name
        assert kept is not None
        assert kept.open(town.clock()), name
    usable = [key.member for key in await keys.listed(team.team_id) if key.revoked_at is None]
    assert usable == [ada.user_id]
    assert await village.teams.teams.role(carol.user_id, team.team_id) is None
    await members.change(ada, team.team_id, carol.user_id, None, "active")
    assert await village.teams.teams.role(carol.user_id, team.team_id) == "member"


async def test_a_deleted_team_leaves_its_credits_to_its_owner(village: Village) -> None:
    team = await village.team(bob="admin")
    ada, bob, ledger = await village.actor("ada"), await village.actor("bob"), village.town.ledger
    assert ada.user_id is not None
    await village.run(GrantCredits(team.team_id, "permanent", 700), "grant", "g")
    await village.run(PlaceHold(team.team_id, 100, timedelta(hours=1)), "hold", "h")
    await village.invite(team, "carol")
    teams = village.teams.teams
    assert await refusal(teams.delete(bob, team.team_id)) == "missing_role"
    assert await refusal(teams.delete(ada, team.team_id)) == "team_in_use"
    assert await refusal(teams.rename(ada, team.team_id, "still here", None)) == "", "it can be changed again"
    found = await ledger.account_at(team.team_id)
    assert found is not None
    assert found.account.first_hold is not None
    await village.run(CaptureHold(team.team_id, found.account.first_hold.hold_id, 40), "capture", "c")
    await teams.delete(ada, team.team_id)

    gone, own = await ledger.account_at(team.team_id), await ledger.account_at(ada.user_id)
    assert gone is not None
    assert (gone.account.standing, gone.account.successor) == ("closed", ada.user_id)
    assert own is not None
    assert own.account.balance.available == 100 + 660
    assert await teams.find(team.team_id) is None
    assert await teams.of(ada.user_id) == []
    assert await refusal(village.teams.invitations.find(village.link("carol"))) == "token_spent"
    assert await refusal(teams.delete(ada, team.team_id)) == "not_found"
    assert await refusal(teams.rename(OPERATOR, team.team_id, "x", None)) == "not_found"
    await village.team("bob", "one")


async def test_a_deletion_that_was_cut_off_is_finished_by_asking_again(village: Village) -> None:
    """After the credits have gone, and before the team has."""
    team = await village.team()
    ada = await village.actor("ada")
    assert ada.user_id is not None
    async with village.town.ledger.log.connection() as connection:
        await connection.execute("UPDATE people.teams SET deleting_at = now()")
    assert await refusal(village.teams.teams.rename(ada, team.team_id, "x", None)) == "not_found"
    await village.teams.teams._around.hand_over(team.team_id, ada.user_id)
    await village.teams.teams.delete(ada, team.team_id)
    assert await village.teams.teams.find(team.team_id) is None


async def test_an_invitation_is_for_one_address(village: Village) -> None:
    team = await village.team(bob="admin")
    invitations = village.teams.invitations
    made = await village.invite(team, "carol", "admin", by="bob")
    first = village.link("carol")
    shown = await invitations.find(first)
    assert (shown.team_name, shown.email, shown.role) == ("One", "carol@example.com", "admin")
    letter = village.town.letters[-1]
    assert "bob@example.com" in letter.body
    assert "One" not in letter.body
    assert "Bob" not in letter.body
    eve, carol = await village.user("eve"), await village.user("carol")
    assert await refusal(invitations.accept(eve, first)) == "invitation_for_another_address"
    for again in ("carol", "bob", "ada"):
        assert await refusal(village.invite(team, again)) == "already_member"
    assert await refusal(invitations.resend(OPERATOR, team.team_id, "inv_00000000000000000000", HERE)) == "not_found"
    await invitations.resend(OPERATOR, team.team_id, made.invitation_id, HERE)
    assert await refusal(invitations.accept(carol, first)) == "token_spent"
    await invitations.accept(carol, village.link("carol"))
    assert await refusal(invitations.accept(carol, village.link("carol"))) == "token_spent"
    assert (await village.roles(team))["carol"] == "admin"
    assert village.town.mails("ada@example.com")[-1] == "joined"
    members = [await village.actor("dave"), STRANGER]
    assert [await refusal(village.teams.invitations.withdraw(one, team.team_id, "x")) for one in members] == [
        "not_found"
    ] * 2


async def test_who_is_invited_registers_where_nobody_else_does(village: Village) -> None:
    """With the invitation, while it is open, for its address: all else is refused alike."""
    team, town = await village.team(bob="member"), village.town
    town.registration = "invited"
    await village.invite(team, "carol")
    secret = village.link("carol")
    assert await refusal(registering(village, "eve", secret)) == "registration_closed"
    assert await refusal(registering(village, "carol", "unknown")) == "registration_closed"
    assert await refusal(registering(village, "carol", "")) == "registration_closed"
    await registering(village, "carol", secret)
    token, _, back = town.token("carol@example.com", "verification").partition("?")
    assert back == f"invitation={secret}"
    carol = (await town.people.registrations.verify(token, PASSWORD, HERE, "token")).user
    known = await registering(village, "carol", secret)
    assert (known.email, town.mails(carol.email)[-1]) == (carol.email, "known")
    assert town.letters[-1].body.count(f"/sign-in?invitation={secret}") == 1
    await village.teams.invitations.accept(carol, secret)
    assert (await village.roles(team))["carol"] == "member"
    assert await refusal(registering(village, "carol", secret)) == "registration_closed"
    made = await village.invite(team, "dave")
    await village.teams.invitations.withdraw(OPERATOR, team.team_id, made.invitation_id)
    assert await refusal(registering(village, "dave", village.link("dave"))) == "registration_closed"


async def test_whoever_registered_with_an_invitation_needs_it_to_the_end(village: Village) -> None:
    """It is withdrawn, or it is over, or whoever invited may not any more; another one of the address does as well."""
    team, town = await village.team(bob="admin"), village.town
    town.registration = "invited"
    made = await village.invite(team, "carol", by="bob")
    await registering(village, "carol", village.link("carol"))
    token = town.token("carol@example.com", "verification").partition("?")[0]

    async def verified() -> str:
        return await refusal(town.people.registrations.verify(token, PASSWORD, HERE, "token"))

    ada, bob = await village.actor("ada"), (await village.user("bob")).user_id
    await village.teams.members.change(ada, team.team_id, bob, "member", None)
    assert await verified() == "registration_closed"
    await village.teams.members.change(ada, team.team_id, bob, "admin", None)
    await village.teams.invitations.withdraw(ada, team.team_id, made.invitation_id)
    assert await verified() == "registration_closed"
    other = await village.team("ada", "other")
    await village.invite(other, "carol")
    assert await verified() == ""


async def test_every_mailed_way_in_leads_back_to_the_invitation(village: Village) -> None:
    """And to none of another address."""
    team, recovery = await village.team(), village.town.people.recovery
    await village.user("carol")
    await village.invite(team, "carol")
    mine, email = village.link("carol"), "carol@example.com"
    for ask, kind in ((recovery.ask_link, "link"), (recovery.ask_reset, "reset")):
        await ask(email, HERE, WayBack(mine))
        assert village.town.token(email, kind).endswith(f"?invitation={mine}")
        await ask(email, HERE, WayBack(settings=True))
        assert village.town.token(email, kind).endswith("?to=settings")
        for none_of_theirs in (WayBack("unknown"), WayBack()):
            await ask(email, HERE, none_of_theirs)
            assert "?" not in village.town.token(email, kind)
        village.town.clock.forward(minutes=16)  # an address gets few mails in a quarter of an hour


async def test_no_mail_leads_to_an_invitation_of_another_address(village: Village) -> None:
    """Where everybody registers, a stranger does not choose what is in a mail."""
    team = await village.team()
    await village.invite(team, "carol")
    await registering(village, "eve", village.link("carol"))
    await registering(village, "eve", "evil")
    assert ["invitation=" in one.body for one in village.town.letters[-2:]] == [False, False]


async def registering(village: Village, name: str, invitation: str) -> Pending:
    """Somebody registers with the secret of an invitation."""
    return await village.town.people.registrations.register(
        f"{name}@example.com", PASSWORD, name.title(), HERE, invitation
    )


async def test_an_invitation_ends(village: Village) -> None:
    """When it is withdrawn, after seven days, and when who invited may not invite any more; its seat is free then."""
    team = await village.team(bob="admin", dave="member")
    invitations, ada = village.teams.invitations, await village.actor("ada")
    carol, bob = await village.user("carol"), await village.user("bob")
    made = await village.invite(team, "carol")
    assert (await village.teams.members.seats(team.team_id)).free == 1
    await invitations.withdraw(ada, team.team_id, made.invitation_id)
    assert await refusal(invitations.accept(carol, village.link("carol"))) == "token_spent"

    await village.invite(team, "carol")
    village.town.clock.now += timedelta(days=7, seconds=1)
    assert await refusal(invitations.accept(carol, village.link("carol"))) == "token_spent"
    assert await invitations.of(team.team_id) == []
    assert (await village.teams.members.seats(team.team_id)).free == 2

    made = await village.invite(team, "carol", by="bob")
    await village.teams.members.change(ada, team.team_id, bob.user_id, "member", None)
    assert await refusal(invitations.accept(carol, village.link("carol"))) == "token_spent"
    await invitations.resend(ada, team.team_id, made.invitation_id, HERE)
    await invitations.accept(carol, village.link("carol"))
    assert await refusal(village.invite(team, "frank", by="dave")) == "missing_role"


async def test_an_address_gets_few_invitations_and_its_own_links_all_the_same(village: Village) -> None:
    team = await village.team()
    for _ in range(5):
        made = await village.invite(team, "carol")
        await village.teams.invitations.withdraw(OPERATOR, team.team_id, made.invitation_id)
    assert await refusal(village.invite(team, "carol")) == "rate_limited"
    assert (await village.teams.members.seats(team.team_id)).invited == 0
    await village.user("carol")
    await village.town.people.recovery.ask_link("carol@example.com", HERE)
    assert village.town.mails("carol@example.com")[-1] == "link"


async def test_the_database_has_no_secret_of_an_invitation(village: Village) -> None:
    team = await village.team()
    await village.invite(team, "carol")
    async with village.town.ledger.log.connection() as connection:
        for table in ("teams", "members", "invitations", "audit"):
            rows = await (await connection.execute(f"SELECT t::text FROM people.{table} AS t".encode())).fetchall()
            assert village.link("carol") not in str(rows), table


async def test_who_is_deleted_leaves_their_teams_and_no_owner_is(village: Village) -> None:
    """Their address goes from invitations too. Who has asked gets no team, until they take it back."""
    team = await village.team(bob="admin", carol="member")
    town, deletions = village.town, village.town.people.deletions
    people = {}
    for name in ("ada", "bob", "carol"):
        people[name] = await town.people.sign_ins.person((await village.signed_in(name)).token, "page")
    assert await refusal(deletions.ask(people["ada"], PASSWORD, HERE)) == "owns_a_team"
    await deletions.ask(people["bob"], PASSWORD, HERE)
    await deletions.ask(people["carol"], PASSWORD, HERE)
    other = await village.team("ada", "other")
    await village.invite(other, "carol")
    hand_over, bob = village.teams.teams.hand_over, people["bob"].user.user_id
    assert await refusal(hand_over(await village.actor("ada"), team.team_id, bob)) == "deletion_requested"
    assert await refusal(village.team("bob", "late")) == "deletion_requested"
    assert await deletions.take_back(bob)
    await hand_over(await village.actor("ada"), team.team_id, bob)
    assert await refusal(deletions.ask(people["bob"], PASSWORD, HERE)) == "owns_a_team"
    town.clock.forward(days=6, hours=23)
    assert await deletions.erase_due() == 0
    town.clock.forward(hours=2)
    assert await deletions.erase_due() == 1
    assert await village.roles(team) == {"ada": "admin", "bob": "owner"}
    async with town.ledger.log.connection() as connection:
        row = await (await connection.execute("SELECT count(*) FROM people.invitations")).fetchone()
    assert row == (0,)
