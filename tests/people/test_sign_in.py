"""Signing in, against those who want to get in as somebody else, to learn who is here, or to lock others out."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from argon2 import PasswordHasher, extract_parameters

from ledger.commit.submission import Unavailable
from ledger.service import Ledger
from people.errors import AccessRefused
from people.keys.issuing import Holder, Keys, Wanted
from people.sessions import Sessions
from people.sign_in.passwords import MAX_WAITING, NOBODYS, OF_NETWORK, Passwords, check_strength
from people.sign_in.sign_ins import Person
from people.sign_in.throttle import MAILS, MOST_MAILS
from people.sign_in.words import Origin, SignedIn, canonical, is_address, network_of
from tests.conftest import Clock
from tests.people.letters import HERE, PASSWORD, THERE, Town

ADA, EVE = "ada@example.com", "eve@example.com"
OTHER = "another good password"


@pytest.fixture
def town(ledger: Ledger, clock: Clock) -> Town:
    return Town(ledger, clock, Passwords())


@pytest_asyncio.fixture
async def ada(town: Town) -> AsyncIterator[SignedIn]:
    """Ada, who registered and opened her link."""
    yield await join(town, ADA)


async def join(town: Town, email: str, password: str = PASSWORD) -> SignedIn:
    await town.people.registrations.register(email, password, "Ada", HERE)
    return await town.people.registrations.verify(town.token(email, "verification"), password, HERE, "token")


async def login(town: Town, email: str, password: str = PASSWORD, origin: Origin = HERE) -> SignedIn:
    return await town.people.sign_ins.with_password(email, password, origin, "token")


async def person(town: Town, signed_in: SignedIn) -> Person:
    return await town.people.sign_ins.person(signed_in.token, "token")


async def refusal(asked: Awaitable[object]) -> str:
    """The code with which something is refused; an empty text if it is not."""
    try:
        await asked
    except AccessRefused as error:
        return error.code
    return ""


async def counts(town: Town) -> dict[str, int]:
    """The rows of the tables of people."""
    async with town.ledger.log.connection() as connection:
        found = {}
        for table in ("users", "registrations", "tokens", "attempts", "sessions"):
            row = await (await connection.execute(f"SELECT count(*) FROM people.{table}".encode())).fetchone()
            assert row is not None
            found[table] = row[0]
        return found


async def test_a_mailed_link_makes_a_user_with_an_account_once(town: Town) -> None:
    pending = await town.people.registrations.register(ADA, PASSWORD, "Ada", HERE)
    assert await refusal(town.people.sign_ins.person(pending.token, "token")) == "email_not_verified"
    assert await refusal(login(town, ADA)) == "wrong_credentials"
    assert await town.ledger.account_at(pending.user_id) is None
    token = town.token(ADA, "verification")
    opened = [town.people.registrations.verify(token, PASSWORD, HERE, "token") for _ in range(5)]
    done = await asyncio.gather(*opened, return_exceptions=True)
    [made] = [one for one in done if isinstance(one, SignedIn)]
    assert {one.code for one in done if isinstance(one, AccessRefused)} <= {"token_spent", "rate_limited"}
    assert made.user.user_id == pending.user_id
    found = await town.ledger.account_at(pending.user_id)
    assert found is not None
    assert found.account.balance.available == 100
    assert (await person(town, made)).user.email == ADA
    assert (await login(town, ADA)).user.user_id == pending.user_id


async def test_an_account_that_could_not_be_opened_is_opened_at_the_next_sign_in(town: Town) -> None:
    pending = await town.people.registrations.register(ADA, PASSWORD, "Ada", HERE)
    town.away = True
    with pytest.raises(Unavailable):
        await town.people.registrations.verify(town.token(ADA, "verification"), PASSWORD, HERE, "token")
    town.away = False
    assert await town.ledger.account_at(pending.user_id) is None
    await login(town, ADA)
    await login(town, ADA)
    found = await town.ledger.account_at(pending.user_id)
    assert found is not None
    assert found.account.balance.available == 100


async def test_a_stranger_who_registers_first_gets_nothing(town: Town) -> None:
    """Neither by waiting for the owner to open the stranger's link, nor by the owner opening her own."""
    await town.people.registrations.register(ADA, OTHER, "Buy at evil.example", THERE)
    of_eve = town.token(ADA, "verification")
    assert "evil" not in town.letters[0].body + town.letters[0].subject
    await town.people.registrations.register(ADA, PASSWORD, "Ada", HERE)
    of_ada = town.token(ADA, "verification")
    assert await refusal(town.people.registrations.verify(of_eve, PASSWORD, HERE, "token")) == "wrong_credentials"
    await town.people.registrations.verify(of_ada, PASSWORD, HERE, "token")
    assert await refusal(town.people.registrations.verify(of_eve, OTHER, THERE, "token")) == "token_spent"
    assert await refusal(login(town, ADA, OTHER, THERE)) == "wrong_credentials"
    assert (await counts(town))["registrations"] == 0


async def test_registering_is_no_faucet_and_no_flood(town: Town, ada: SignedIn) -> None:
    before = await counts(town)
    for number in range(8):
        await town.people.registrations.register(EVE, f"{PASSWORD} {number}", "", HERE)
    assert town.mails(EVE) == ["verification"] * MAILS
    assert (await counts(town))["users"] == before["users"]
    asking = [town.people.recovery.ask_link(f"{number}@example.com", HERE) for number in range(200)]
    refused = [code for one in asking if (code := await refusal(one))]
    assert set(refused) == {"rate_limited"}
    assert 85 < 200 - len(refused) < 100, "a network asks for 100 mails an hour"
    assert await refusal(town.people.recovery.ask_link(ADA, THERE)) == ""


async def test_a_known_address_is_answered_as_an_unknown_one(town: Town, ada: SignedIn) -> None:
    """The same answer, the same rows, the same work: only the mail differs, and its reader."""
    grown = []
    for email in (ADA, EVE):
        before, letters = await counts(town), len(town.letters)
        made = await town.people.registrations.register(email, OTHER, "Ada", HERE)
        assert (made.email, made.name, len(made.user_id), len(made.token)) == (email, "Ada", 24, 47)
        await town.people.recovery.ask_reset(email, HERE)
        await town.people.recovery.ask_link(email, HERE)
        assert await refusal(login(town, email, OTHER)) == "wrong_credentials"
        after = await counts(town)
        grown.append(({table: after[table] - before[table] for table in after}, len(town.letters) - letters))
    assert grown[0] == grown[1]
    assert town.mails(ADA) == ["verification", "known", "reset", "link"]
    assert town.mails(EVE) == ["verification"]
    assert extract_parameters(NOBODYS) == extract_parameters(PasswordHasher(2, 19_456, 1).hash("x"))


async def test_wrong_passwords_lock_out_neither_another_network_nor_the_mailed_link(town: Town, ada: SignedIn) -> None:
    tried = await asyncio.gather(*(refusal(login(town, ADA, f"wrong {number}")) for number in range(15)))
    assert sorted(tried) == ["rate_limited"] * 10 + ["wrong_credentials"] * 5
    assert await refusal(login(town, ADA)) == "rate_limited"
    assert await refusal(login(town, ADA, origin=THERE)) == ""
    await town.people.recovery.ask_link(ADA, HERE)
    made = await town.people.sign_ins.with_link(town.token(ADA, "link"), HERE, "token")
    assert made.user == (await person(town, ada)).user
    town.clock.forward(minutes=16)
    assert await refusal(login(town, ADA)) == ""


async def test_letters_that_a_stranger_asks_for_keep_nobody_out(town: Town, ada: SignedIn) -> None:
    """Neither from a link, whatever else was mailed, nor from registering, from another network."""
    for number in range(8):
        await town.people.registrations.register(ADA, f"{OTHER} {number}", "", THERE)
        await town.people.registrations.mail_again(ADA, THERE)
    await town.people.recovery.ask_link(ADA, HERE)
    await town.people.recovery.ask_reset(ADA, HERE)
    assert town.mails(ADA)[-2:] == ["link", "reset"]
    for number in range(8):
        await town.people.registrations.register(EVE, f"{OTHER} {number}", "", THERE)
    await town.people.registrations.register(EVE, PASSWORD, "", HERE)
    made = await town.people.registrations.verify(town.token(EVE, "verification"), PASSWORD, HERE, "token")
    assert made.user.email == EVE
    elsewhere = [Origin(f"203.0.{third}.0/24", None) for third in range(8)]
    asked = [
        town.people.registrations.register("gil@example.com", f"{PASSWORD} {n}", "", elsewhere[n % 8])
        for n in range(32)
    ]
    for one in asked:
        await one
    assert town.mails("gil@example.com") == ["verification"] * MOST_MAILS


async def test_the_token_of_a_registration_does_not_tell_when_the_owner_comes(town: Town) -> None:
    of_eve = await town.people.registrations.register(ADA, OTHER, "", THERE)
    assert await refusal(town.people.sign_ins.person(of_eve.token, "token")) == "email_not_verified"
    await join(town, ADA)
    assert await refusal(town.people.sign_ins.person(of_eve.token, "token")) == "email_not_verified"
    town.clock.forward(days=2)
    assert await refusal(town.people.sign_ins.person(of_eve.token, "token")) == "email_not_verified"


async def test_the_throttle_of_an_unknown_address_is_that_of_a_known_one(town: Town, ada: SignedIn) -> None:
    for email in (ADA, EVE):
        codes = [await refusal(login(town, email, "wrong")) for _ in range(6)]
        assert codes == ["wrong_credentials"] * 5 + ["rate_limited"]


async def test_a_mailed_link_signs_in_once_within_a_quarter_of_an_hour(town: Town, ada: SignedIn) -> None:
    await town.people.recovery.ask_link(ADA, HERE)
    token = town.token(ADA, "link")
    assert await town.people.sign_ins.is_usable(token, "link")
    assert not await town.people.sign_ins.is_usable(token, "reset"), "a link is for its purpose"
    assert await refusal(town.people.recovery.reset(token, OTHER)) == "token_spent"
    done = [refusal(town.people.sign_ins.with_link(token, HERE, "token")) for _ in range(8)]
    assert sorted(await asyncio.gather(*done)) == [""] + ["token_spent"] * 7
    await town.people.recovery.ask_link(ADA, HERE)
    town.clock.forward(minutes=15)
    assert await refusal(town.people.sign_ins.with_link(town.token(ADA, "link"), HERE, "token")) == "token_spent"


async def test_a_reset_ends_all_sessions_and_every_other_link(town: Town, ada: SignedIn) -> None:
    await town.people.recovery.ask_link(ADA, HERE)
    await town.people.recovery.ask_reset(ADA, HERE)
    first = town.token(ADA, "reset")
    await town.people.recovery.ask_reset(ADA, HERE)
    token = town.token(ADA, "reset")
    assert await refusal(town.people.recovery.reset(token, "password123")) == "password_too_weak"
    done = [refusal(town.people.recovery.reset(token, OTHER)) for _ in range(4)]
    assert sorted(await asyncio.gather(*done)) == [""] + ["token_spent"] * 3
    assert await refusal(person(town, ada)) == "unauthenticated"
    assert await refusal(login(town, ADA)) == "wrong_credentials"
    assert await refusal(login(town, ADA, OTHER)) == ""
    assert await refusal(town.people.recovery.reset(first, PASSWORD)) == "token_spent"
    assert await refusal(town.people.sign_ins.with_link(town.token(ADA, "link"), HERE, "token")) == "token_spent"
    assert town.mails(ADA)[-1] == "password_changed"


async def test_a_changed_password_ends_other_sessions_and_mailed_links(town: Town, ada: SignedIn) -> None:
    here = await person(town, ada)
    elsewhere = await login(town, ADA)
    await town.people.recovery.ask_reset(ADA, HERE)
    change = town.people.recovery.change_password
    assert await refusal(change(here, "wrong", OTHER, HERE)) == "wrong_credentials"
    assert await refusal(change(here, PASSWORD, ADA, HERE)) == "password_too_weak"
    await change(here, PASSWORD, OTHER, HERE)
    assert await refusal(person(town, ada)) == ""
    assert await refusal(person(town, elsewhere)) == "unauthenticated"
    assert await refusal(town.people.recovery.reset(town.token(ADA, "reset"), PASSWORD)) == "token_spent"


async def test_a_new_address_is_confirmed_there_and_the_old_one_can_take_it_back(town: Town, ada: SignedIn) -> None:
    here = await person(town, ada)
    ask = town.people.recovery.ask_address
    assert await refusal(ask(here, "wrong", EVE, HERE)) == "wrong_credentials"
    await town.people.recovery.ask_reset(ADA, HERE)
    await ask(here, PASSWORD, EVE, HERE)
    assert (town.mails(ADA)[-1], town.mails(EVE)) == ("email_changes", ["email"])
    undo = town.token(ADA, "email_changes")
    assert await refusal(login(town, EVE)) == "wrong_credentials"
    await town.people.recovery.change_address(town.token(EVE, "email"))
    assert await refusal(town.people.recovery.change_address(town.token(EVE, "email"))) == "token_spent"
    assert await refusal(login(town, EVE)) == ""
    assert await refusal(town.people.recovery.reset(town.token(ADA, "reset"), OTHER)) == "token_spent", "bound"

    there = await person(town, await login(town, EVE))
    await ask(there, PASSWORD, "third@example.com", HERE)
    await town.people.recovery.change_address(town.token("third@example.com", "email"))
    town.clock.forward(days=6)
    kept = await town.people.recovery.keep_address(undo)
    assert (kept.user_id, kept.email) == (ada.user.user_id, ADA)
    assert await refusal(login(town, ADA)) == ""
    assert await refusal(person(town, ada)) == "unauthenticated"
    assert await refusal(town.people.recovery.keep_address(undo)) == "token_spent"


async def test_who_took_an_account_cannot_take_it_back_from_its_owner(town: Town, ada: SignedIn) -> None:
    """A thief changes the address twice, so that a way back is mailed to an address of theirs too."""
    ask, change = town.people.recovery.ask_address, town.people.recovery.change_address
    await ask(await person(town, ada), PASSWORD, EVE, THERE)
    of_ada = town.token(ADA, "email_changes")
    await change(town.token(EVE, "email"))
    town.clock.forward(minutes=1)
    await ask(await person(town, ada), PASSWORD, "eve-2@example.com", THERE)
    of_eve = town.token(EVE, "email_changes")
    await change(town.token("eve-2@example.com", "email"))
    await town.people.recovery.keep_address(of_ada)
    assert await refusal(town.people.recovery.keep_address(of_eve)) == "token_spent"
    assert (await person(town, await login(town, ADA))).user.email == ADA


async def test_an_address_that_is_taken_back_ends_what_a_thief_left(town: Town, ada: SignedIn) -> None:
    """Keys that they made or rotated, their sign-in at the provider, and that everything is erased in seven days."""
    user_id, keys = ada.user.user_id, Keys(town.ledger.log, town.clock, "clu")
    own = Holder.person(user_id, user_id, "owner")
    kept, rotated = [(await keys.make(own, Wanted(name, ["write"]))).key.key_id for name in ("kept", "rotated")]
    town.clock.forward(minutes=1)
    there = await person(town, await login(town, ADA, origin=THERE))
    await town.people.recovery.ask_address(there, PASSWORD, EVE, THERE)
    await town.people.recovery.change_address(town.token(EVE, "email"))
    await keys.make(own, Wanted("of the thief", ["write"]))
    await keys.rotate(own, rotated, timedelta(0))
    await town.people.deletions.ask(await person(town, ada), PASSWORD, THERE)
    async with town.ledger.log.connection() as connection:
        await connection.execute(
            "INSERT INTO people.identities VALUES ('https://idp.example', 'eve', %s, %s)", [user_id, town.clock()]
        )
    await town.people.recovery.keep_address(town.token(ADA, "email_changes"))
    assert [key.key_id for key in await keys.listed(user_id) if key.revoked_at is None] == [kept]
    assert (await town.people.profiles.of(user_id)).deletion_at is None
    about = await town.people.profiles.everything(user_id)
    assert about["identities"] == []
    assert [row["action"] for row in about["audit"]].count("key.revoked") == 2


async def test_the_first_of_several_addresses_comes_before_the_later_ones(town: Town, ada: SignedIn) -> None:
    ask, change = town.people.recovery.ask_address, town.people.recovery.change_address
    for new in (EVE, "third@example.com"):
        await ask(await person(town, ada), PASSWORD, new, HERE)
        await change(town.token(new, "email"))
        town.clock.forward(minutes=1)
    kept = await town.people.recovery.keep_address(town.token(EVE, "email_changes"))
    assert kept.email == EVE
    assert (await town.people.recovery.keep_address(town.token(ADA, "email_changes"))).email == ADA


async def test_an_address_that_has_an_account_cannot_be_taken_and_nobody_is_told(town: Town, ada: SignedIn) -> None:
    await join(town, EVE)
    here = await person(town, ada)
    await town.people.recovery.ask_address(here, PASSWORD, EVE, HERE)
    assert "https" not in town.letters[-2].body, "the owner of the address is told, without a link"
    await town.people.recovery.ask_address(here, PASSWORD, "late@example.com", HERE)
    await join(town, "late@example.com")
    assert await refusal(town.people.recovery.change_address(town.token("late@example.com", "email"))) == "token_spent"
    assert (await person(town, ada)).user.email == ADA


async def test_sessions_are_renewed_while_they_are_used_and_end_after_thirty_days(town: Town, ada: SignedIn) -> None:
    found = await person(town, ada)
    for _ in range(29):
        town.clock.forward(days=1)
        found = await person(town, ada)
    assert found.expires_at - town.clock() == timedelta(days=1)
    town.clock.forward(days=1)
    assert await refusal(person(town, ada)) == "unauthenticated"
    again = await login(town, ADA)
    town.clock.forward(days=7)
    assert await refusal(person(town, again)) == "unauthenticated"


async def test_a_session_is_ended_by_its_user_alone(town: Town, ada: SignedIn) -> None:
    eve = await person(town, await join(town, EVE))
    here, phone = await person(town, ada), await login(town, ADA, origin=THERE)
    listed = await town.people.sign_ins.sessions_of(here)
    assert [(one.client, one.current) for one in listed] == [("Another browser", False), ("A browser", True)]
    assert not await town.people.sign_ins.end(eve, listed[0].session_id)
    assert await town.people.sign_ins.end(here, listed[0].session_id)
    assert not await town.people.sign_ins.end(here, listed[0].session_id)
    assert await refusal(person(town, phone)) == "unauthenticated"
    third = await login(town, ADA)
    await town.people.sign_ins.end_others(here)
    assert [await refusal(person(town, one)) for one in (ada, third)] == ["", "unauthenticated"]
    assert (await town.people.sign_ins.person((await login(town, EVE)).token, "token")).user.email == EVE


async def test_a_cookie_is_no_token_and_a_token_is_no_cookie(town: Town, ada: SignedIn) -> None:
    cookie = await town.people.sign_ins.with_password(ADA, PASSWORD, HERE, "page", "host.")
    assert cookie.token.startswith("host.")
    assert await refusal(town.people.sign_ins.person(cookie.token, "token")) == "unauthenticated"
    pages = Sessions(town.ledger.log, town.clock)
    assert await pages.find(ada.token) is None
    found = await pages.find(cookie.token)
    assert found is not None
    assert (found.account_id, found.user_id) == (ada.user.user_id, ada.user.user_id)


async def test_nobody_registers_where_registration_is_closed(town: Town, ada: SignedIn) -> None:
    town.registration = "invited"
    closed = town.people.registrations.register(EVE, PASSWORD, "", HERE)
    assert await refusal(closed) == "registration_closed"
    assert await refusal(login(town, ADA)) == ""


async def test_the_database_has_no_secret(town: Town, ada: SignedIn) -> None:
    """Neither a password, nor what was mailed, nor a token: whoever steals a dump opens nothing with it."""
    await town.people.recovery.ask_link(ADA, HERE)
    await town.people.recovery.ask_reset(ADA, HERE)
    pending = await town.people.registrations.register(EVE, PASSWORD, "", HERE)
    secrets = [ada.token, pending.token, PASSWORD, town.token(ADA, "link"), town.token(ADA, "reset")]
    async with town.ledger.log.connection() as connection:
        for table in ("users", "registrations", "tokens", "sessions", "attempts", "audit"):
            rows = await (await connection.execute(f"SELECT t::text FROM people.{table} AS t".encode())).fetchall()
            assert not [secret for secret in secrets if secret in str(rows)], table


async def test_what_is_over_is_deleted(town: Town) -> None:
    await town.people.registrations.register(ADA, PASSWORD, "", HERE)
    await town.people.recovery.ask_reset(EVE, HERE)
    town.clock.forward(days=2)
    await town.people.recovery.ask_reset(EVE, HERE)
    assert await counts(town) == {"users": 0, "registrations": 0, "tokens": 1, "attempts": 1, "sessions": 0}


@pytest.mark.parametrize("weak", ["short", "password123", "QWERTYUIOP", ADA, "x" * 129, "ﷺ" * 8, "①②③"])
def test_weak_passwords(weak: str) -> None:
    with pytest.raises(AccessRefused, match="password"):
        check_strength(weak, ADA)


async def test_a_password_is_the_same_however_a_keyboard_writes_it(town: Town) -> None:
    check_strength("securepassword", ADA)
    hashed = await town.passwords.hash("Å" * 10)
    assert await town.passwords.match(hashed, "A\N{COMBINING RING ABOVE}" * 10)
    assert not await town.passwords.match(None, PASSWORD)


async def test_one_hash_at_a_time_and_few_wait() -> None:
    passwords = Passwords()
    await passwords.hash(PASSWORD)  # the process is there from now on
    began = time.monotonic()
    await passwords.hash(PASSWORD)
    one = time.monotonic() - began
    done: list[Any] = await asyncio.gather(
        *(passwords.hash(PASSWORD) for _ in range(MAX_WAITING + 5)), return_exceptions=True
    )
    assert [type(one) for one in done] == [str] * MAX_WAITING + [AccessRefused] * 5
    assert time.monotonic() - began > one * MAX_WAITING / 4, "they did not run side by side"


async def test_who_waits_for_many_hashes_leaves_places_for_other_networks(town: Town, ada: SignedIn) -> None:
    """Right passwords are not counted as attempts: somebody with a few accounts may sign in again and again."""
    crowd = [town.passwords.match(NOBODYS, PASSWORD, THERE.network) for _ in range(MAX_WAITING)]
    *done, signed_in = await asyncio.gather(*map(refusal, crowd), refusal(login(town, ADA)))
    assert done.count("rate_limited") == MAX_WAITING - OF_NETWORK
    assert signed_in == ""
    assert await refusal(town.passwords.match(NOBODYS, PASSWORD, THERE.network)) == "", "they may come again"


async def test_sessions_that_ended_long_ago_are_deleted_by_the_next_sign_in(town: Town, ada: SignedIn) -> None:
    await login(town, ADA)
    town.clock.forward(days=15)
    await login(town, ADA)
    assert (await counts(town))["sessions"] == 1


def test_no_other_letter_becomes_one_of_an_address() -> None:
    """A provider may have verified an address with the Kelvin sign, which is `k` in lower case: another mailbox."""
    assert canonical(" Mike@Example.COM ") == "mike@example.com"
    assert not [text for text in ("mi\u212ae@example.com", "m\u0131ke@example.com") if is_address(canonical(text))]


def test_networks() -> None:
    addresses = ("192.0.2.7", "::ffff:192.0.2.7", "2001:db8:0:12::1", "2001:db8:0:ff::1", "", None)
    found = [network_of(address) for address in addresses]
    assert found == ["192.0.2.0/24", "192.0.2.0/24", "2001:db8::/56", "2001:db8::/56", "unknown", "unknown"]
