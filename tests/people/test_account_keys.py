"""Keys of accounts: what becomes of them is seen by all who know them, and told in both logs."""

import asyncio
from datetime import timedelta

import pytest

from ledger.service import Ledger
from people import audit_log
from people.api_keys import ApiKey
from people.audit_log import NEWEST, AuditFilters
from people.errors import AccessRefused
from people.key_log import read_key_log
from people.keys import issuing
from people.keys.issuing import RATE, Changes, Holder, Issued, KeyPlace, Keys, Wanted, place_of
from people.keys.ring import KeyRing
from people.sign_in.passwords import Passwords
from tests.conftest import Clock
from tests.keys import prefix_of
from tests.people.letters import Town
from tests.people.teams import PRODUCT, Village

ADA = Holder("usr_ada", "usr_ada")
BOB = Holder("usr_bob", "usr_bob")
SERVICE = Holder("key:12345678", "shared", "owner", "bob")
WANTED = Wanted("mine", ["write", "read", "read"])
DAY = timedelta(days=1)


@pytest.fixture
def keys(ledger: Ledger, clock: Clock) -> Keys:
    return Keys(ledger.log, clock, "luna_sk")


@pytest.fixture
def ring(ledger: Ledger, clock: Clock) -> KeyRing:
    return KeyRing(ledger.log, clock, None, None)


async def state(ring: KeyRing, made: Issued, clock: Clock) -> str:
    """What a secret is now, for a process that is as late as it may be."""
    await ring.refresh()
    found = await ring.any_state(made.secret)
    assert found is not None
    return found.state(clock())


async def code(asked: object) -> str:
    with pytest.raises(AccessRefused) as refused:
        await asked  # type: ignore[misc]  # a coroutine
    return refused.value.code


async def told(ledger: Ledger, account_id: str) -> list[str]:
    async with ledger.log.connection() as connection:
        found = await audit_log.page(connection, AuditFilters(account_id), NEWEST, 100)
        log = await read_key_log(connection)
    assert log is not None
    assert log.faults == ()
    return [f"{one.actor} {one.action} {one.subject}" for one in reversed(found)]


async def test_a_key_is_made_changed_rotated_and_revoked(
    keys: Keys, ring: KeyRing, ledger: Ledger, clock: Clock
) -> None:
    made = await keys.make(ADA, WANTED)
    key = made.key
    assert made.secret.startswith(f"luna_sk_{key.prefix}")
    assert key == ApiKey(
        prefix_of(made.secret), "mine", frozenset({"own:read", "own:write"}), key.prefix, clock(), None, None, None,
        "usr_ada", None, "usr_ada", RATE, None, None, "owner",
    )  # fmt: skip
    assert await state(ring, made, clock) == "active"
    changed = await keys.change(ADA, key.key_id, Changes("yours", 5, clock() + 2 * DAY, disabled=True))
    assert (changed.name, changed.rate_per_minute, changed.expires_at) == ("yours", 5, clock() + 2 * DAY)
    assert await state(ring, made, clock) == "disabled"
    assert await code(keys.rotate(ADA, key.key_id, DAY)) == "key_not_found"
    changed = await keys.change(ADA, key.key_id, Changes(disabled=False))
    assert (changed.name, changed.disabled_at) == ("yours", None)

    second = await keys.rotate(ADA, key.key_id, DAY)
    assert (second.key.key_id, second.key.replaces, second.key.rate_per_minute) == (key.key_id, key.prefix, 5)
    assert [one.prefix for one in await keys.listed("usr_ada")] == [second.key.prefix]
    clock.now += timedelta(hours=23)
    assert [await state(ring, one, clock) for one in (made, second)] == ["active", "active"]
    clock.now += timedelta(hours=1)
    assert [await state(ring, one, clock) for one in (made, second)] == ["expired", "active"]
    third = await keys.rotate(ADA, key.key_id, timedelta(0))
    assert [await state(ring, one, clock) for one in (second, third)] == ["expired", "active"]
    await keys.revoke(ADA, key.key_id)
    await keys.revoke(ADA, key.key_id)
    assert [await state(ring, one, clock) for one in (made, second, third)] == ["revoked"] * 3
    assert await code(keys.change(ADA, key.key_id, Changes("again"))) == "key_not_found"
    assert await told(ledger, "usr_ada") == [
        f"usr_ada key.{word} key:{key.key_id}"
        for word in ("created", "disabled", "enabled", "rotated", "rotated", "revoked")
    ]


async def test_nobody_acts_on_keys_of_others(keys: Keys, ledger: Ledger) -> None:
    """Nor learns whether there are any; a member of a team sees their own."""
    key_id = (await keys.make(ADA, WANTED)).key.key_id
    for asked in (keys.change(BOB, key_id, Changes("x")), keys.rotate(BOB, key_id, DAY), keys.revoke(BOB, key_id)):
        assert await code(asked) == "key_not_found"
    assert await keys.listed("usr_bob") == []
    mine = Holder("usr_bob", "team", "member", "usr_bob")
    owners = Holder("usr_ada", "team", "owner", "usr_ada")
    theirs = await keys.make(owners, WANTED)
    own = await keys.make(mine, WANTED)
    assert [one.key_id for one in await keys.listed("team", mine.seen)] == [own.key.key_id]
    assert len(await keys.listed("team", owners.seen)) == 2
    assert await code(keys.revoke(mine, theirs.key.key_id)) == "key_not_found"
    assert await code(keys.make(mine, Wanted("more", ["admin"]))) == "missing_scope"
    assert await code(keys.rotate(owners, own.key.key_id, DAY)) == "key_not_found", "its secret acts in Bob's name"
    assert (await keys.rotate(mine, own.key.key_id, DAY)).key.made_by == "usr_bob"
    assert await told(ledger, "usr_bob") == []


async def test_a_list_goes_on_behind_a_key(keys: Keys, clock: Clock) -> None:
    """Those that are not revoked come first, the newest first; keys of one moment are told apart."""
    made = []
    for number in range(7):
        clock.forward(seconds=number % 2)
        made.append(await keys.make(SERVICE, WANTED))
    for one in made[2:4]:
        await keys.revoke(SERVICE, one.key.key_id)
    whole = await keys.listed("shared")
    assert [one.revoked_at is None for one in whole] == [True] * 5 + [False] * 2
    assert len({one.key_id for one in whole}) == 7
    for length in (1, 2, 3):
        found: list[ApiKey] = []
        place: KeyPlace | None = None
        while more := await keys.listed("shared", after=place, limit=length):
            found, place = found + more, place_of(more[-1])
        assert found == whole, length


async def test_a_key_is_what_its_maker_is(ring: KeyRing, ledger: Ledger, clock: Clock) -> None:
    """Whatever becomes of a member becomes of the keys that processes know, with their next refresh."""
    village = Village(Town(ledger, clock, Passwords()))
    team = await village.team("ada", bob="admin")
    ada, bob = [await village.actor(name) for name in ("ada", "bob")]
    assert bob.user_id is not None
    keys, members = Keys(ledger.log, clock, "clu"), village.teams.members
    holder = Holder.person(bob.user_id, team.team_id, "admin")
    first = await keys.make(holder, WANTED)
    assert (first.key.role, first.key.member) == ("admin", bob.user_id)

    async def role(made: Issued) -> str | None:
        await ring.refresh()
        found = await ring.any_state(made.secret)
        assert found is not None
        return found.role

    assert await role(first) == "admin"
    await members.change(ada, team.team_id, bob.user_id, "member", None)
    assert await role(first) == "member"
    await village.teams.teams.hand_over(ada, team.team_id, bob.user_id)
    assert await role(first) == "owner"
    await village.teams.teams.hand_over(bob, team.team_id, str(ada.user_id))
    await members.change(ada, team.team_id, bob.user_id, None, "suspended")
    assert await state(ring, first, clock) == "revoked"
    assert await code(keys.make(holder, WANTED)) == "not_found"
    await members.change(ada, team.team_id, bob.user_id, None, "active")
    late = await keys.make(holder, WANTED)
    assert (await role(late), await state(ring, late, clock)) == ("admin", "active")
    await members.remove(ada, team.team_id, bob.user_id)
    assert await state(ring, late, clock) == "revoked"


async def test_a_key_that_is_made_while_its_maker_is_removed_does_not_live_again(ledger: Ledger, clock: Clock) -> None:
    """Whatever comes first: who is added again begins without keys."""
    village = Village(Town(ledger, clock, Passwords()))
    team, bob = await village.team("ada"), (await village.user("bob")).user_id
    keys, members = Keys(ledger.log, clock, "clu"), village.teams.members
    holder, made = Holder.person(bob, team.team_id, "admin"), list[object]()
    for _ in range(5):
        await members.add(PRODUCT, team.team_id, bob, "admin")
        makes = [keys.make(holder, WANTED) for _ in range(4)]
        removal = members.remove(PRODUCT, team.team_id, bob)
        made += await asyncio.gather(*makes[:2], removal, *makes[2:], return_exceptions=True)
        await members.add(PRODUCT, team.team_id, bob, "member")
        assert [key for key in await keys.listed(team.team_id) if key.usable(clock())] == []
        assert await code(keys.make(holder, Wanted("x", ["admin"]))) == "missing_scope", "the role is that of now"
        await members.remove(PRODUCT, team.team_id, bob)
    refused = [one.code for one in made if isinstance(one, AccessRefused)]
    assert set(refused) <= {"not_found"}
    assert all(one is None or isinstance(one, (Issued, AccessRefused)) for one in made), made


async def test_a_person_of_a_provider_has_keys_of_their_account(keys: Keys, ring: KeyRing, clock: Clock) -> None:
    """Its id is that of a claim and not theirs, and it is no team's."""
    made = await keys.make(Holder.person("usr_ada", "customer-7", "owner"), WANTED)
    assert (made.key.role, await state(ring, made, clock)) == ("owner", "active")


async def test_an_account_has_a_limited_number_of_usable_keys(
    keys: Keys, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many ask at once."""
    monkeypatch.setattr(issuing, "MOST_KEYS", 3)
    asked = [keys.make(SERVICE, WANTED._replace(expires_at=clock() + DAY)) for _ in range(6)]
    done = await asyncio.gather(*asked, return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["AccessRefused"] * 3 + ["Issued"] * 3
    clock.now += DAY
    made = await keys.make(SERVICE, WANTED)
    assert made.key.actor == f"key:{made.key.key_id}"


async def test_a_rotation_at_the_same_moment_is_done_once_after_the_other(
    keys: Keys, ring: KeyRing, clock: Clock
) -> None:
    """All secrets but the newest end, and exactly one is the newest."""
    first = await keys.make(ADA, WANTED)
    made = await asyncio.gather(*(keys.rotate(ADA, first.key.key_id, timedelta(0)) for _ in range(5)))
    states = [await state(ring, one, clock) for one in (first, *made)]
    assert sorted(states) == ["active"] + ["expired"] * 5
    assert len({one.key.replaces for one in made}) == 5


async def test_whoever_holds_a_key_ends_it(keys: Keys, ring: KeyRing, ledger: Ledger, clock: Clock) -> None:
    made = await keys.make(ADA, WANTED)
    found = await ring.reported(made.secret)
    assert found is not None
    await keys.end(found.actor, found)
    assert await state(ring, made, clock) == "revoked"
    assert (await told(ledger, "usr_ada"))[-1] == f"key:{found.key_id} key.revoked key:{found.key_id}"
