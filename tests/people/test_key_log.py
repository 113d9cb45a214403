"""The log of API keys: nothing comes, changes or goes without an entry, and what did is named by `verify`."""

import asyncio
from hashlib import sha256

import orjson
import psycopg
import pytest

from api.components import COMPONENTS
from ledger.postgres.connecting import connect_async
from ledger.postgres.privileges import privileges
from people.api_keys import create_first_key, create_key, list_keys, revoke_key
from people.key_log import SQL, KeyLog, judged, read_key_log
from tests.postgres import owner, tampering


def logged(conninfo: str) -> KeyLog:
    async def read() -> KeyLog:
        async with await connect_async(conninfo) as connection:
            found = await read_key_log(connection)
            assert found is not None
            return found

    return asyncio.run(read())


def entries(conninfo: str) -> list[tuple[str, str, list[str]]]:
    """What each entry says: the action, the name and the scopes of the key."""
    with psycopg.connect(owner(conninfo)) as connection:
        rows = connection.execute("SELECT number, entry, hash FROM people.key_log ORDER BY number").fetchall()
    last = bytes(32)
    for number, (found, text, hash_) in enumerate(rows, 1):
        last = sha256(last + text.encode()).digest()
        assert (found, bytes(hash_)) == (number, last)
    said = [orjson.loads(text) for _, text, _ in rows]
    return [(entry["action"], entry["key"]["name"], entry["key"]["scopes"]) for entry in said]


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
