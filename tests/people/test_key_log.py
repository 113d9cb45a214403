"""The log of API keys: nothing comes, changes or goes without an entry, and what did is named by `verify`."""

import asyncio
import re
from hashlib import sha256
from pathlib import Path

import orjson
import psycopg
import pytest
import pytest_asyncio

import people
from api.components import COMPONENTS
from ledger.postgres.connecting import connect_async
from ledger.postgres.privileges import privileges
from ledger.service import Ledger
from people.api_keys import create_first_key, create_key, list_keys, revoke_key
from people.key_log import SQL, KeyLog, judged, read_key_log
from people.keys.issuing import Changes, Holder, Keys, Wanted
from tests.conftest import Clock
from tests.postgres import owner, tampering


def logged(conninfo: str) -> KeyLog:
    async def read() -> KeyLog:
        async with await connect_async(conninfo) as connection:
            found = await read_key_log(connection)
            assert found is not None
            return found

    return asyncio.run(read())


def entries(conninfo: str) -> list[tuple[str, str, list[str]]]:
    """What each entry says: the action, the name that makes its digest, and the scopes of the key."""
    with psycopg.connect(owner(conninfo)) as connection:
        rows = connection.execute("SELECT number, entry, hash FROM people.key_log ORDER BY number").fetchall()
        named = connection.execute("SELECT name, name_salt FROM people.api_keys").fetchall()
    names = {sha256(salt + name.encode()).hexdigest(): name for name, salt in named}
    last = bytes(32)
    for number, (found, text, hash_) in enumerate(rows, 1):
        last = sha256(last + text.encode()).digest()
        assert (found, bytes(hash_)) == (number, last)
    said = [orjson.loads(text) for _, text, _ in rows]
    assert all("name" not in entry["key"] for entry in said)
    return [(entry["action"], names[entry["key"]["name_sha256"]], entry["key"]["scopes"]) for entry in said]


@pytest.fixture
def keys(database: str) -> tuple[str, str]:
    """The prefixes of two keys; the second is revoked."""
    for name in ("first", "second"):
        create_key(database, name, ["ledger:read"])
    first, second = (key.prefix for key in list_keys(database))
    assert revoke_key(database, second)
    return first, second


def test_whoever_makes_and_revokes_keys_is_logged(database: str, keys: tuple[str, str]) -> None:
    assert revoke_key(database, keys[1])  # again, which changes nothing
    assert not revoke_key(database, "00000000")
    assert create_first_key(database) is None
    one = ["ledger:read"]
    assert entries(database) == [("created", "first", one), ("created", "second", one), ("revoked", "second", one)]
    found = logged(database)
    assert (found.entries, found.faults) == (3, ())


HARMS = {
    "UPDATE people.api_keys SET scopes = '{admin}' WHERE name = 'first'": "its scopes was ledger:read, and is admin",
    "UPDATE people.api_keys SET revoked_at = NULL WHERE name = 'second'": "and is None",
    "UPDATE people.api_keys SET expires_at = now() WHERE name = 'first'": "its expires_at was None",
    "UPDATE people.api_keys SET sha256 = sha256('mine') WHERE name = 'first'": "its sha256 was",
    "UPDATE people.api_keys SET name = 'mine' WHERE name = 'first'": "its name_sha256 was",
    "UPDATE people.api_keys SET name_salt = NULL WHERE name = 'first'": "and is lost",
    "UPDATE people.api_keys SET name = 'erased', name_salt = NULL WHERE name = 'first'": "and is None",
    "DELETE FROM people.api_keys WHERE name = 'first'": "is in the log of API keys, and there is no such key",
    "INSERT INTO people.api_keys (prefix, sha256, name, scopes) VALUES ('x', sha256('x'), 'x', '{admin}')": (
        "the API key x is not in the log of API keys"
    ),
    "UPDATE people.key_log SET entry = replace(entry, 'ledger:read', 'admin') WHERE number = 1": (
        "entry 1 of the log of API keys does not continue the one before it"
    ),
    "DELETE FROM people.key_log WHERE number = 2": "the log of API keys has no entry 2",
    "DELETE FROM people.key_log": "is not in the log of API keys",
}


@pytest.mark.usefixtures("keys")
def test_what_was_changed_is_named(database: str) -> None:
    """By somebody whom no right and no trigger stops."""
    with tampering(database) as connection:
        for harm, fault in HARMS.items():
            with connection.transaction(force_rollback=True):
                connection.execute(harm.encode())
                assert fault in "; ".join(faults_seen_by(connection)), harm
    assert not logged(database).faults


def faults_seen_by(connection: psycopg.Connection) -> tuple[str, ...]:
    """The faults within the transaction of a connection."""
    row = connection.execute(SQL["both"]).fetchone()
    assert row is not None
    return judged(*row).faults


@pytest.mark.usefixtures("keys")
def test_the_service_changes_no_key_by_itself(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in (
            *HARMS,
            "INSERT INTO people.key_log VALUES (4, '{}', sha256('x'))",
            "SELECT people.log_key('created', k) FROM people.api_keys AS k",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
    assert not logged(database).faults


def test_a_function_that_writes_no_entry_is_named(database: str) -> None:
    """The functions of every component are compared with the migrations, not those of the log alone."""
    assert privileges(database, COMPONENTS).could == privileges(database).could
    with psycopg.connect(owner(database)) as connection:
        connection.execute(
            "CREATE OR REPLACE FUNCTION people.log_key(action text, key people.api_keys) RETURNS void"
            " LANGUAGE plpgsql AS 'BEGIN END'"
        )
    assert "the function people.log_key is not as the migrations made it" in privileges(database, COMPONENTS).could


# Names that are erased -----------------------------------------------------------------------------------------------

_SQL = (Path(people.__file__).parent / "sql/0009_keys.sql").read_text()
OF_BEFORE = re.findall(r"CREATE OR REPLACE FUNCTION people.log_key.*?\$\$;", _SQL, re.DOTALL)[0]
"""What wrote entries until names could be erased."""
NAME = "Key of Augusta Ada King"
ADA, BOB = Holder("usr_ada", "usr_ada"), Holder("usr_bob", "usr_bob")


@pytest_asyncio.fixture
async def erased(ledger: Ledger, clock: Clock, database: str) -> tuple[KeyLog, KeyLog]:
    """The log before and after two keys of Ada lost their names; Bob's keep theirs. Each has one whose entry is from
    before there were digests, and was changed since, and one that is new."""
    keys = Keys(ledger.log, clock, "clu")
    with psycopg.connect(owner(database), autocommit=True) as connection:
        connection.execute("ALTER FUNCTION people.log_key RENAME TO log_key_of_now")
        connection.execute(OF_BEFORE.encode())
        old = [(await keys.make(holder, Wanted(NAME, ["read"]))).key for holder in (ADA, BOB)]
        connection.execute("DROP FUNCTION people.log_key")
        connection.execute("ALTER FUNCTION people.log_key_of_now RENAME TO log_key")
    await keys.change(ADA, old[0].key_id, Changes("Ada's other name"))
    await keys.change(ADA, old[0].key_id, Changes(NAME))
    for holder in (ADA, BOB):
        await keys.make(holder, Wanted(NAME, ["read"]))
    async with ledger.log.connection() as connection:
        before = await read_key_log(connection)
        await connection.execute("SELECT people.erase_keys('usr_ada')")
        await connection.execute("SELECT people.erase_keys('usr_ada')")
        after = await read_key_log(connection)
    assert before is not None
    assert after is not None
    return before, after


async def test_an_erased_name_is_nowhere_and_the_chain_holds(
    erased: tuple[KeyLog, KeyLog], ledger: Ledger, clock: Clock, database: str
) -> None:
    """Those of others stay, and the hash that an auditor kept is in the log where it was."""
    before, after = erased
    assert (before.faults, before.entries, before.redacted) == ((), 6, 0)
    assert (after.faults, after.entries, after.redacted) == ((), 8, 1)
    with psycopg.connect(owner(database)) as connection:
        kept = connection.execute("SELECT hash FROM people.key_log WHERE number = 6").fetchone()
        texts = [row[0] for row in connection.execute("SELECT entry FROM people.key_log ORDER BY number")]
        names = connection.execute("SELECT name FROM people.api_keys WHERE account_id = 'usr_ada'").fetchall()
    assert kept == (before.hash,)
    assert [NAME in text for text in texts] == [False, True] + [False] * 6, "the old entry of Bob's has it"
    assert names == [("erased",)] * 2
    keys = Keys(ledger.log, clock, "clu")
    assert [key.name for key in await keys.listed("usr_bob")] == [NAME] * 2


FORGERIES = {
    "UPDATE people.key_log SET entry = replace(entry, 'own:read', 'own:admin') WHERE number = 1": "entry 1 of the log",
    "UPDATE people.key_log SET entry = replace(entry, 'own:read', 'own:admin') WHERE number = 2": "entry 2 of the log",
    "UPDATE people.key_log SET entry = replace(entry, 'redacted', 'forgotten') WHERE number = 7": "entry 1 of the log",
    "UPDATE people.key_log SET hash = sha256('mine') WHERE number = 1": "entry 2 of the log",
    f"UPDATE people.api_keys SET name = '{NAME}' WHERE name = 'erased'": "its name_sha256 was None, and is lost",
    f"UPDATE people.api_keys SET name = 'erased' WHERE name = '{NAME}'": "differs from the log of API keys: its name",
}


@pytest.mark.usefixtures("erased")
async def test_an_erasure_hides_no_other_change(database: str) -> None:
    """Not in the entry that lost its name either: the entry of the erasure has its digest."""
    with tampering(database) as connection:
        for forgery, fault in FORGERIES.items():
            with connection.transaction(force_rollback=True):
                connection.execute(forgery.encode())
                assert fault in "; ".join(faults_seen_by(connection)), forgery


@pytest.mark.usefixtures("erased")
async def test_nobody_changes_an_entry_but_for_the_name(database: str) -> None:
    """Neither does the owner, whose functions erase."""
    name = "entry = jsonb_set(entry::jsonb, '{key,name}', 'null')::text"
    with psycopg.connect(owner(database), autocommit=True) as connection:
        for change in (
            "entry = replace(entry, 'own:read', 'own:admin')",
            f"{name}, hash = sha256('mine')",
            f"{name}, number = 9",
            "entry = jsonb_set(entry::jsonb, '{key,name}', '\"mine\"')::text",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"UPDATE people.key_log SET {change} WHERE number = 2".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM people.key_log WHERE number = 99")
