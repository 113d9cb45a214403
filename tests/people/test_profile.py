"""Profiles, and the end of a person: taken back for seven days, and then nothing of them is anywhere."""

import asyncio
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from api.runtime.people.erasing import Erasing
from audit.statements.signing import newest_checkpoint
from audit.verify.online import Trusting, verify_ledger
from ledger.commit.submission import Recorded
from ledger.domain.commands import DeductCredits
from ledger.proof.status import checkpoint_keys_in
from ledger.service import Ledger
from outbox.mails import Mail, place
from people.audit_log import NEWEST, page_about
from people.errors import AccessRefused
from people.keys.issuing import Holder, Keys, Wanted
from people.keys.uses import KeyUses
from people.sign_in.mail_choices import ending_token
from people.sign_in.passwords import Passwords
from people.sign_in.profile import MAIL_KINDS, ProfileChanges
from people.sign_in.profiles import OPEN_EXPORTS
from people.sign_in.sign_ins import Person
from people.sign_in.words import SignedIn
from tests.conftest import Clock
from tests.people.letters import HERE, PASSWORD, THERE, Town
from tests.postgres import owner
from tests.store.asking import submission

ADA, NEW, EVE = "ada@example.com", "ada@new.example.com", "eve@example.com"
NAME = "Augusta Ada King"
TEAM = "team_1"
USED_FROM = "203.0.113.0"


@pytest.fixture
def town(ledger: Ledger, clock: Clock) -> Town:
    return Town(ledger, clock, Passwords())


async def join(town: Town, email: str, name: str = NAME) -> SignedIn:
    await town.people.registrations.register(email, PASSWORD, name, HERE)
    return await town.people.registrations.verify(town.token(email, "verification"), PASSWORD, HERE, "token")


async def person(town: Town, signed_in: SignedIn) -> Person:
    return await town.people.sign_ins.person(signed_in.token, "token")


async def test_what_is_absent_stays_and_an_empty_text_removes(town: Town) -> None:
    user_id = (await join(town, ADA)).user.user_id
    profiles = town.people.profiles
    said = await profiles.change(user_id, ProfileChanges(zone="Europe/Berlin", language="de", mails_off=["teams"]))
    assert (said.name, said.zone, said.language, said.mails_off) == (NAME, "Europe/Berlin", "de", ("teams",))
    said = await profiles.change(user_id, ProfileChanges(zone="", avatar_url="https://a.example/b"))
    assert (said.zone, said.language, said.avatar_url) == (None, "de", "https://a.example/b")
    assert await profiles.change(user_id, ProfileChanges()) == said == await profiles.of(user_id)
    changes = [profiles.change(user_id, one) for one in (ProfileChanges(name="A"), ProfileChanges(zone="UTC"))]
    await asyncio.gather(*changes)
    both = await profiles.of(user_id)
    assert (both.name, both.zone) == ("A", "UTC")
    async with town.ledger.log.connection() as connection:
        wanted = [kind for kind in MAIL_KINDS if await ending_token(connection, user_id, kind)]
    assert wanted == ["keys"]


async def test_a_copy_is_asked_for_five_times_a_day(town: Town) -> None:
    ada, eve = await join(town, ADA), await join(town, EVE, "")
    profiles, user_id = town.people.profiles, ada.user.user_id
    first, *_ = [await profiles.ask_export(user_id) for _ in range(OPEN_EXPORTS)]
    with pytest.raises(AccessRefused) as refused:
        await profiles.ask_export(user_id)
    assert refused.value.code == "rate_limited"
    assert await profiles.export(user_id, first.export_id) == first
    assert await profiles.export(eve.user.user_id, first.export_id) is None
    town.clock.forward(days=1)
    assert await profiles.export(user_id, first.export_id) is None
    await profiles.ask_export(user_id)
    everything = await profiles.everything(user_id)
    assert [row["email"] for row in everything["user"]] == [ADA]
    assert {row["actor"] for row in everything["audit"]} == {user_id}
    assert "sha256" not in str([*everything.values()])


async def test_a_deletion_is_taken_back_on_the_page_or_with_the_link(town: Town) -> None:
    ada = await person(town, await join(town, ADA))
    deletions = town.people.deletions
    with pytest.raises(AccessRefused, match="password is wrong"):
        await deletions.ask(ada, "not this one", HERE)
    for take_back in (
        lambda: deletions.take_back(ada.user.user_id),
        lambda: deletions.keep(town.token(ADA, "deletion")),
    ):
        at = await deletions.ask(ada, PASSWORD, HERE)
        assert at - town.clock() == timedelta(days=7)
        town.clock.forward(days=6)
        assert await deletions.ask(ada, PASSWORD, HERE) == at, "asking again does not put it off"
        assert await take_back() in (True, None)
        assert (await town.people.profiles.of(ada.user.user_id)).deletion_at is None
    with pytest.raises(AccessRefused):
        await deletions.keep(town.token(ADA, "deletion"))
    assert not await deletions.take_back(ada.user.user_id)
    town.clock.forward(days=10)
    assert await deletions.erase_due() == 0
    assert (await town.people.profiles.of(ada.user.user_id)).email == ADA


async def lived(town: Town) -> SignedIn:
    """Somebody who left traces wherever one can."""
    ada = await join(town, ADA)
    account = ada.user.user_id
    here, people, ledger = await person(town, ada), town.people, town.ledger
    spent = DeductCredits(account, 3, description=f"For {NAME}", metadata={"mail": ADA})
    assert isinstance(await ledger.execute(submission(spent, "deduct", "k")), Recorded)
    await people.recovery.ask_address(here, PASSWORD, NEW, HERE)
    await people.recovery.change_address(town.token(NEW, "email"))
    await people.profiles.change(account, ProfileChanges(avatar_url=f"https://a.example/{ADA}"))
    await people.profiles.ask_export(account)
    await people.sign_ins.with_password(NEW, PASSWORD, THERE, "page")
    await people.recovery.ask_link(NEW, HERE)
    await people.registrations.register(NEW, PASSWORD, NAME, HERE)
    with pytest.raises(AccessRefused):
        await people.sign_ins.with_password(NEW, "not this one", HERE, "page")
    async with ledger.log.connection() as connection:
        for email, body in {ADA: f"Dear {NAME}", NEW: f"Dear {NAME}", EVE: "Dear Eve"}.items():
            await place(connection, Mail(f"to {email}", "link", email, "Sign in", body), town.clock())
    return ada


def traces(database: str, *words: str) -> set[str]:
    """The tables in which a word stands, as text or as bytes."""
    found = set()
    with psycopg.connect(owner(database)) as connection:
        tables = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for schema, table in tables:
            rows = connection.execute(f'SELECT t::text FROM "{schema}"."{table}" AS t'.encode()).fetchall()
            dump = str(rows).lower()
            found |= {f"{schema}.{table}" for word in words if word.lower() in dump or word.encode().hex() in dump}
    return found


async def test_nothing_of_an_erased_person_is_anywhere(town: Town, database: str, tmp_path: Path) -> None:
    """No table and no event has an address or the name, others keep theirs, and the log is as sound as before."""
    ada, eve = await lived(town), await join(town, EVE, "Eve")
    keys, uses = Keys(town.ledger.log, town.clock, "clu"), KeyUses(town.ledger.log, town.clock)
    for holder in (
        Holder(ada.user.user_id, ada.user.user_id),
        Holder(ada.user.user_id, TEAM, "member", ada.user.user_id),
    ):
        made = await keys.make(holder, Wanted(f"of {NAME}", ["read"]))
        uses.add(made.key.prefix, ("203.0.113.7", b""))
    await uses.write()
    columns = "team_id, name, slug, made_by, created_at, deleted_at"
    team = f"INSERT INTO people.teams ({columns}) VALUES (%s, %s, %s, %s, %s, %s)".encode()
    async with town.ledger.log.connection() as connection:
        for number, maker, deleted in ((1, ada, town.clock()), (2, ada, town.clock()), (3, eve, None)):
            named = NAME if maker is ada else "Eves"
            values = (f"team_{number:020x}", named, f"s-{number}", maker.user.user_id, town.clock(), deleted)
            await connection.execute(team, values)
    before = traces(database, ADA, NEW, NAME, USED_FROM)
    assert {"people.users", "people.tokens", "people.registrations", "outbox.mails"} <= before
    assert {"people.api_keys", "people.key_networks", "people.audit", "people.teams"} <= before
    await keys.make(Holder(eve.user.user_id, TEAM), Wanted("another", ["read"]))
    everything = await town.people.profiles.everything(ada.user.user_id)
    assert [len(everything[name]) for name in ("keys", "key_networks")] == [2, 2]
    await town.people.deletions.ask(await person(town, ada), PASSWORD, HERE)
    town.clock.forward(days=7)
    await asyncio.gather(*[town.people.deletions.erase_due() for _ in range(3)])
    assert await town.people.deletions.erase_due() == 0
    assert traces(database, ADA, NEW, NAME, USED_FROM) == set()
    assert [key.name for key in await keys.listed(TEAM) if key.revoked_at is None] == ["another"]
    assert [key for key in await keys.listed(ada.user.user_id) if key.revoked_at is None] == []
    assert {"people.users", "outbox.mails"} <= traces(database, EVE)
    assert "people.teams" in traces(database, "Eves")
    with pytest.raises(AccessRefused):
        await person(town, ada)
    with pytest.raises(AccessRefused):
        await town.people.sign_ins.with_password(NEW, PASSWORD, HERE, "token")
    assert (await town.people.profiles.of(eve.user.user_id)).email == EVE
    assert await is_sound(town.ledger, database, tmp_path)
    found = await town.ledger.account_at(ada.user.user_id)
    assert found is not None
    assert found.account.balance.total == 97
    again = await join(town, NEW)
    assert again.user.user_id != ada.user.user_id


class Silence:
    """Progress that nobody watches."""

    def begin(self, what: str, total: int, unit: str) -> None:
        """Nothing."""

    def reach(self, done: int) -> None:
        """Nothing."""


async def test_a_process_erases_whoever_is_due(town: Town) -> None:
    """As soon as it starts, and once a minute."""
    ada = await person(town, await join(town, ADA))
    await town.people.deletions.ask(ada, PASSWORD, HERE)
    town.clock.forward(days=8)
    erasing = asyncio.create_task(Erasing(town.people.deletions).run())
    async with asyncio.timeout(20):
        while await known(town, ada.user.user_id):  # noqa: ASYNC110 - nothing tells when a row is gone
            await asyncio.sleep(0.01)
    erasing.cancel()
    await asyncio.wait([erasing])
    async with town.ledger.log.connection() as connection:
        [last, *_] = await page_about(connection, ada.user.user_id, NEWEST, 10)
    assert (last.action, last.actor, last.details) == ("user.deleted", "system", {})


async def known(town: Town, user_id: str) -> bool:
    try:
        return bool(await town.people.profiles.of(user_id))
    except AccessRefused:
        return False


async def is_sound(ledger: Ledger, database: str, folder: Path) -> bool:
    """Whether what `credit-ledger verify` runs finds the log sound, up to a checkpoint of now."""
    async with ledger.log.connection() as connection:
        keys = await checkpoint_keys_in(connection, folder / "signing", folder / "checkpoints")
    assert await newest_checkpoint(ledger.log, keys, 1) is not None
    report = await verify_ledger(database, Trusting(folder / "checkpoints"), Silence())
    return report.breach is None
