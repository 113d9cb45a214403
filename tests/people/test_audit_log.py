"""The audit log: what is done is told, nothing of it changes, and a person is forgotten by one function alone."""

import psycopg
import pytest

from ledger.service import Ledger
from people import audit_log
from people.api_keys import create_key, list_keys, revoke_key
from people.audit_log import NEWEST, Audited, AuditEntry, AuditFilters, note
from people.sessions import Sessions
from people.sign_in.passwords import Passwords
from people.sign_in.sign_ins import Person
from people.sign_in.words import SignedIn
from tests.conftest import Clock
from tests.people.letters import HERE, PASSWORD, Town
from tests.postgres import owner

ADA, NEW = "ada@example.com", "ada@new.example.com"
OTHER = "another good password"
EVERYTHING = AuditFilters()


@pytest.fixture
def town(ledger: Ledger, clock: Clock) -> Town:
    return Town(ledger, clock, Passwords())


async def listed(ledger: Ledger, filters: AuditFilters = EVERYTHING) -> list[Audited]:
    async with ledger.log.connection() as connection:
        return await audit_log.page(connection, filters, NEWEST, 100)


async def written(ledger: Ledger, clock: Clock, *entries: AuditEntry) -> None:
    async with ledger.log.connection() as connection, connection.transaction():
        await note(connection, clock(), *entries)


async def joined(town: Town) -> SignedIn:
    await town.people.registrations.register(ADA, PASSWORD, "Ada", HERE)
    return await town.people.registrations.verify(town.token(ADA, "verification"), PASSWORD, HERE, "token")


async def test_what_a_person_does_is_told(town: Town) -> None:
    """In the order in which it was done, of the person, in their account; without the addresses and the name."""
    people = town.people
    ada = await joined(town)
    page = await people.sign_ins.with_password(ADA, PASSWORD, HERE, "page")
    await Sessions(town.ledger.log, town.clock).end(page.token)
    await Sessions(town.ledger.log, town.clock).end(page.token)  # again, which changes nothing
    person: Person = await people.sign_ins.person(ada.token, "token")
    other = await people.sign_ins.person(
        (await people.sign_ins.with_password(ADA, PASSWORD, HERE, "token")).token, "token"
    )
    assert await people.sign_ins.end(person, other.session_id)
    assert not await people.sign_ins.end(person, other.session_id)
    await people.sign_ins.end_others(person)
    await people.recovery.change_password(person, PASSWORD, OTHER, HERE)
    await people.recovery.ask_address(person, OTHER, NEW, HERE)
    await people.recovery.change_address(town.token(NEW, "email"))
    found = [*reversed(await listed(town.ledger))]
    assert [entry.action for entry in found] == [
        *("user.registered", "user.signed_in", "user.signed_in", "user.signed_out", "user.signed_in", "session.ended"),
        *("session.others_ended", "user.password_changed", "user.email_change_requested", "user.email_changed"),
    ]
    assert {(entry.actor, entry.subject, entry.account_id) for entry in found} == {(ada.user.user_id,) * 3}
    assert found[1].details == {"kind": "token", "network": HERE.network}
    assert not [word for word in (ADA, NEW, "Ada") if word in str(found)]


def test_keys_of_the_command_line_are_told(database: str) -> None:
    create_key(database, "importer", ["ledger:read", "ledger:write"])
    [key] = list_keys(database)
    assert revoke_key(database, key.prefix)
    assert not revoke_key(database, "00000000")
    with psycopg.connect(owner(database)) as connection:
        found = connection.execute(
            "SELECT action, actor, subject, details FROM people.audit ORDER BY entry_id"
        ).fetchall()
    subject = f"key:{key.prefix}"
    assert found == [
        ("key.created", "system", subject, {"name": "importer", "scopes": "ledger:read ledger:write"}),
        ("key.revoked", "system", subject, {}),
    ]


async def test_entries_are_found_by_what_they_are_about(ledger: Ledger, clock: Clock) -> None:
    """Page by page, the newest first; `page_about` finds the same as a look at every entry."""
    names = ("usr_a", "usr_b", "team_c")
    entries = [
        AuditEntry("member.joined" if number % 2 else "team.renamed", actor, subject, account, {"number": number})
        for number, (actor, subject, account) in enumerate(
            (actor, subject, account) for actor in names for subject in names for account in (*names, None)
        )
    ]
    await written(ledger, clock, *entries)
    everything = await listed(ledger)
    assert [entry.details and entry.details["number"] for entry in everything] == [*reversed(range(len(entries)))]
    for filters in (
        AuditFilters("usr_a"),
        AuditFilters(actor="usr_b"),
        AuditFilters(action="team.renamed"),
        AuditFilters("team_c", "usr_a", "member.joined"),
        AuditFilters("nobody"),
    ):
        wanted = {name: value for name, value in filters._asdict().items() if value is not None}
        right = [one for one in everything if wanted.items() <= one._asdict().items()]
        assert await listed(ledger, filters) == right, filters
    async with ledger.log.connection() as connection:
        for about in (*names, "nobody"):
            found, before = list[Audited](), NEWEST
            while rows := await audit_log.page_about(connection, about, before, 5):
                found, before = found + rows, rows[-1].entry_id
            assert found == [one for one in everything if about in (one.actor, one.subject, one.account_id)], about


async def test_nothing_of_it_changes(ledger: Ledger, clock: Clock, database: str) -> None:
    """Not by the service, and not by the owner of the table; only details go, and an address."""
    await written(ledger, clock, AuditEntry("team.renamed", "usr_a", "team_b", "team_b", {"name": "The lot"}))
    before = await listed(ledger)
    harms = (
        "UPDATE people.audit SET actor = 'usr_b', details = NULL",
        "UPDATE people.audit SET details = '{}'",
        "UPDATE people.audit SET subject = 'team_c', details = NULL",
        "UPDATE people.audit SET at = now(), details = NULL",
        "DELETE FROM people.audit",
        "TRUNCATE people.audit",
    )
    for who in (database, owner(database)):
        with psycopg.connect(who, autocommit=True) as connection:
            for harm in harms:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(harm.encode())
    assert await listed(ledger) == before
    with psycopg.connect(owner(database), autocommit=True) as connection:
        connection.execute("UPDATE people.audit SET details = NULL")
    assert await listed(ledger) == [before[0]._replace(details=None)]


async def test_a_person_is_forgotten(ledger: Ledger, clock: Clock) -> None:
    """What was done stays, and by which id; the details go, and the address wherever it stands. Others keep theirs."""
    kept = AuditEntry("team.renamed", "usr_b", "team_b", "team_b", {"name": "Others"})
    await written(
        ledger,
        clock,
        AuditEntry("user.signed_in", "usr_a", "usr_a", "usr_a", {"network": "192.0.2.0/24"}),
        AuditEntry("member.invited", "usr_b", ADA, "team_b", {"role": "admin"}),
        AuditEntry("invitation.withdrawn", "usr_b", "inv_1", "team_b", {"email": ADA.upper()}),
        kept,
    )
    async with ledger.log.connection() as connection:
        await audit_log.erase(connection, "usr_a", ADA)
    found = [*reversed(await listed(ledger))]
    assert [(one.subject, one.details) for one in found] == [
        *(("usr_a", None), ("erased", None), ("inv_1", None)),
        ("team_b", kept.details),
    ]
