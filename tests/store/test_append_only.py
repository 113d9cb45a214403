"""What was appended stays: the role of the service has no right to change it, and triggers refuse it to the owner."""

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from api.components import COMPONENTS
from api.runtime.database import EMBEDDED_LOGIN
from ledger.postgres import privileges as asked
from ledger.postgres.bodies import LOG, made
from ledger.postgres.privileges import PrivilegeWatch, privileges
from ledger.postgres.roles import (
    SERVICE,
    Right,
    as_service,
    enable_triggers,
    make_login,
    set_up,
    wanted_rights,
    with_service_role,
)
from ledger.service import Ledger
from tests.postgres import owner, tampering
from tests.store.asking import deduct, open_account

REFUSED = (psycopg.errors.InsufficientPrivilege,)
ROWS = "SELECT * FROM ledger.events ORDER BY notification_id"

CHANGES = [
    "UPDATE ledger.events SET state = '{}'",
    "UPDATE ledger.events SET receipt = NULL, fingerprint = NULL, command_events = NULL",
    "DELETE FROM ledger.events",
    "DELETE FROM ledger.events WHERE false",
    "TRUNCATE ledger.events",
    "TRUNCATE ledger.events, ledger.snapshots CASCADE",
    "MERGE INTO ledger.events USING (SELECT 1) AS s ON true WHEN MATCHED THEN DELETE",
    "INSERT INTO ledger.events SELECT * FROM ledger.events ON CONFLICT (notification_id) DO UPDATE SET state = '{}'",
    "UPDATE ledger.text_keys SET key = sha256('x')",
    "TRUNCATE ledger.text_keys",
    "UPDATE ledger.identity SET id = gen_random_uuid()",
    "DELETE FROM ledger.identity",
    "TRUNCATE ledger.identity",
]
"""What nobody may, the owner included."""

OTHER_WAYS = [
    "INSERT INTO ledger.events (originator_id, originator_version, topic, state, notification_id, hash)"
    " VALUES ('a', 99, 'CreditsGranted', '{}', 99, sha256('x'))",
    "COPY ledger.events FROM STDIN",
    "SELECT * FROM ledger.events FOR UPDATE",
    "LOCK TABLE ledger.events IN ACCESS EXCLUSIVE MODE",
    "DROP TABLE ledger.events CASCADE",
    "DROP SCHEMA ledger CASCADE",
    "ALTER TABLE ledger.events RENAME TO gone",
    "ALTER TABLE ledger.events DISABLE TRIGGER ALL",
    "ALTER TABLE ledger.events ALTER COLUMN state TYPE text USING ''",
    f"ALTER TABLE ledger.events OWNER TO {SERVICE}",
    "DROP TRIGGER never_changed ON ledger.events",
    "CREATE TRIGGER other BEFORE INSERT ON ledger.events FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change()",
    "CREATE RULE other AS ON INSERT TO ledger.events DO INSTEAD NOTHING",
    "CREATE POLICY other ON ledger.events",
    "CREATE INDEX other ON ledger.events ((1 / 0))",
    "CREATE OR REPLACE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE sql AS 'SELECT NULL'",
    "ALTER FUNCTION ledger.append SECURITY INVOKER",
    "CREATE TABLE ledger.mine (n integer)",
    "SET session_replication_role = replica",
    "INSERT INTO ledger.text_keys VALUES ('a', sha256('x'))",
    "DELETE FROM ledger.text_keys",
    "SELECT ledger.destroy_keys(ARRAY['a'])",
    "UPDATE ledger.migrations SET checksum = ''",
    "SET ROLE postgres",
    "CREATE ROLE mine SUPERUSER",
]
"""What the owner may, and the service may not."""


@pytest.fixture
def written(each_database: str) -> str:
    """A database with some events and a text key in it."""

    async def write() -> None:
        async with Ledger(each_database).running() as ledger:
            await open_account(ledger, "a", permanent=100)
            await deduct(ledger, "a", 1, "one")

    asyncio.run(write())
    with psycopg.connect(owner(each_database)) as connection:
        connection.execute("INSERT INTO ledger.text_keys VALUES ('a', sha256('x'))")
    return each_database


def rows(conninfo: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(conninfo) as connection:
        return connection.execute(ROWS).fetchall()


def not_refused(conninfo: str, statements: list[str]) -> list[str]:
    """Those that the server lets through; nothing stays of what they do."""
    through = []
    with psycopg.connect(conninfo) as connection:
        for statement in statements:
            try:
                connection.execute(statement.encode())
            except REFUSED:
                pass
            else:
                through.append(statement)
            connection.rollback()
    return through


def test_the_service_may_not(written: str) -> None:
    """In its role, and as the login behind it, who may leave the role at any moment."""
    before = rows(written)
    assert before
    for conninfo in (written, make_conninfo(written, options="")):
        assert not_refused(conninfo, [*CHANGES, *OTHER_WAYS]) == []
        # Who has some right to a thing and may not pass it on is only warned; what counts is that it comes to nothing.
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(f"GRANT ALL ON ledger.events TO {SERVICE}, {EMBEDDED_LOGIN}".encode())
        assert not_refused(conninfo, CHANGES) == []
    assert rows(written) == before


@pytest.mark.parametrize("replica", ["origin", "replica"])
def test_the_owner_is_refused_by_the_triggers(written: str, replica: str) -> None:
    before = rows(written)
    refused = make_conninfo(owner(written), options=f"-c session_replication_role={replica}")
    assert not_refused(refused, CHANGES) == []
    with psycopg.connect(refused) as connection:
        with pytest.raises(REFUSED, match=r"^ledger.events is append-only: TRUNCATE is refused"):
            connection.execute("TRUNCATE ledger.events")
        connection.rollback()
        assert connection.execute("DELETE FROM ledger.text_keys").rowcount == 1  # as an erasure does, and so he could
        connection.rollback()
    assert rows(written) == before


def test_the_append_function_takes_no_name_from_its_caller(written: str) -> None:
    """It has the rights of the owner. A function or an operator of the caller's own must not come to run with them."""
    with psycopg.connect(written, autocommit=True) as connection:
        with psycopg.connect(owner(written), autocommit=True) as giving:
            giving.execute(f"CREATE SCHEMA evil AUTHORIZATION {SERVICE}".encode())
        body = "BEGIN RAISE 'hijacked as %', current_user; END"
        for name, types, returns in (("cardinality", "bytea[]", "integer"), ("unequal", "bytea, bytea", "boolean")):
            function = f"CREATE FUNCTION evil.{name}({types}) RETURNS {returns} LANGUAGE plpgsql AS $${body}$$"
            connection.execute(function.encode())
        connection.execute("CREATE OPERATOR evil.<> (FUNCTION = evil.unequal, LEFTARG = bytea, RIGHTARG = bytea)")
        connection.execute("CREATE TEMPORARY TABLE events AS TABLE ledger.events")
        connection.execute("SET search_path = pg_temp, evil, pg_catalog")
        with pytest.raises(psycopg.errors.RaiseException, match=f"hijacked as {SERVICE}"):
            connection.execute("SELECT cardinality(ARRAY[''::bytea])")
        before = rows(written)
        row = connection.execute(
            "SELECT stale FROM ledger.append(ARRAY['a'], ARRAY[9]::bigint[], ARRAY['CreditsDeducted'],"
            " ARRAY['{}']::bytea[], ARRAY[NULL], ARRAY[NULL], ARRAY[NULL]::bytea[], ARRAY[NULL]::integer[],"
            " ARRAY[sha256('')], ARRAY[sha256('')], '{}', '{}')"
        ).fetchone()
        assert row == (["a"],)
        assert rows(written) == before


def test_nobody_else_may_append(written: str) -> None:
    """A role for reports, that may see the schema, must not get in by the function."""
    functions = (
        "SELECT oid FROM pg_proc WHERE pronamespace = 'ledger'::regnamespace AND (prosecdef OR proname ~ 'keys')"
    )
    with psycopg.connect(written) as connection:
        found = connection.execute(functions).fetchall()
        assert len(found) == 3
        for (function,) in found:
            row = connection.execute("SELECT has_function_privilege('public', %s::oid, 'EXECUTE')", [function])
            assert row.fetchone() == (False,)


def test_each_table_is_named_in_the_grants(database: str) -> None:
    """A new table of which grants.sql says nothing would be out of the service's reach, and a test of it would pass
    that runs as the owner."""
    with psycopg.connect(database) as connection:
        tables = connection.execute(
            "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables WHERE schemaname = ANY (%s)",
            [[component.schema for component in COMPONENTS]],
        ).fetchall()
    readable = {right.name for right in wanted_rights(COMPONENTS) if right.privilege == "SELECT"}
    assert {name for (name,) in tables} - readable == set()


# What set_up does, and leaves alone --------------------------------------------------------------------------------


def test_rights_are_put_right(each_database: str) -> None:
    """What is missing is given, what is too much is taken, on builds too; then nothing is to do."""
    whole = owner(each_database)
    with psycopg.connect(whole, autocommit=True) as connection:
        connection.execute(f"GRANT UPDATE, TRUNCATE ON ledger.events TO {SERVICE}".encode())
        connection.execute(f"GRANT CREATE ON SCHEMA ledger TO {SERVICE}".encode())
        connection.execute(f"REVOKE SELECT ON ledger.snapshots FROM {SERVICE}".encode())
        connection.execute(f"REVOKE TEMPORARY ON DATABASE {connection.info.dbname} FROM {SERVICE}".encode())
        connection.execute(f"GRANT CREATE ON DATABASE {connection.info.dbname} TO {SERVICE}".encode())
        connection.execute(f"REVOKE UPDATE ON projection_history.entry_rows FROM {SERVICE}".encode())
        connection.execute(f"GRANT CREATE ON SCHEMA projection_usage TO {SERVICE}".encode())
    login = make_conninfo(each_database, options="")
    assert as_service(login, COMPONENTS) == login
    said = set_up(login, COMPONENTS)
    assert said is not None
    assert said.startswith(f"{EMBEDDED_LOGIN} may not GRANT ")
    assert set_up(whole, COMPONENTS) is None
    assert as_service(login, COMPONENTS) == with_service_role(login)
    assert set_up(login, COMPONENTS) is None, "who may grant nothing has nothing to do"
    make = [
        "CREATE TABLE ledger.mine (n integer)",
        "CREATE TABLE projection_usage.mine (n integer)",
        "CREATE SCHEMA mine",
    ]
    assert not_refused(each_database, [*CHANGES, *make, "DROP TABLE projection_usage.usage_rows"]) == []
    write = ["UPDATE projection_history.entry_rows SET balance = 0", "DELETE FROM projection_usage.usage_rows"]
    assert not_refused(each_database, write) == write


@pytest.mark.parametrize("off", ["DISABLE TRIGGER ALL", "ENABLE TRIGGER never_changed"])
def test_triggers_are_put_on_again(each_database: str, off: str) -> None:
    """A repair script that ended half-way, or a dump that was made beside one, leaves them off."""
    with psycopg.connect(owner(each_database), autocommit=True) as connection:
        connection.execute(f"ALTER TABLE ledger.events {off}".encode())
    login = make_conninfo(each_database, options="")
    assert enable_triggers(login) == [], "it may not alter tables of another owner"
    assert not privileges(each_database).append_only
    assert "never_changed on ledger.events" in enable_triggers(owner(each_database))
    assert privileges(each_database).append_only
    assert enable_triggers(owner(each_database)) == []


def test_the_grants_are_read_whole() -> None:
    """Each right that a file means is one that is understood."""
    rights = wanted_rights(COMPONENTS)
    assert Right("TABLE", "ledger.events", "SELECT") in rights
    assert Right("DATABASE", "{database}", "TEMPORARY") in rights
    assert {right.privilege for right in rights if right.name in {"ledger.events", "ledger.text_keys"}} == {"SELECT"}


def test_a_conninfo_keeps_its_options(database: str) -> None:
    taking = with_service_role(make_conninfo(database, options="-c work_mem=7MB"))
    assert with_service_role(taking) == taking
    with psycopg.connect(taking) as connection:
        row = connection.execute("SELECT current_user::text, current_setting('work_mem')").fetchone()
    assert row == (SERVICE, "7MB")


def test_options_of_the_environment_stay_too(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c work_mem=7MB")
    with psycopg.connect(with_service_role(make_conninfo(database, options=""))) as connection:
        row = connection.execute("SELECT current_user::text, current_setting('work_mem')").fetchone()
    assert row == (SERVICE, "7MB")


# What the running login could do -----------------------------------------------------------------------------------


@pytest.fixture
def login(each_database: str) -> Iterator[str]:
    """A login that may take the role, and a role `others` beside it."""
    with psycopg.connect(owner(each_database), autocommit=True) as connection:
        make_login(owner(each_database), "able")
        connection.execute("CREATE ROLE others")
        try:
            yield with_service_role(make_conninfo(each_database, user="able"))
        finally:
            connection.execute("REASSIGN OWNED BY able, others TO CURRENT_USER; DROP OWNED BY able, others")
            connection.execute("DROP ROLE able, others")


COULD = {
    "GRANT UPDATE ON ledger.events TO able": "able may UPDATE on ledger.events",
    "GRANT UPDATE (state) ON ledger.events TO able": "able may UPDATE on ledger.events",
    "GRANT INSERT, DELETE ON ledger.text_keys TO others; GRANT others TO able": (
        "able may DELETE, INSERT on ledger.text_keys; others may DELETE, INSERT on ledger.text_keys"
    ),
    "ALTER ROLE able NOINHERIT; GRANT TRUNCATE ON ledger.events TO others; GRANT others TO able": (
        "others may TRUNCATE on ledger.events"
    ),
    "ALTER TABLE ledger.events OWNER TO others; GRANT others TO able": "others owns ledger.events",
    "ALTER SCHEMA ledger OWNER TO able": "able owns the schema ledger",
    "GRANT CREATE ON SCHEMA ledger TO able": "able may create objects in the schema ledger",
    "GRANT pg_write_all_data TO others; ALTER ROLE able NOINHERIT; GRANT others TO able": "pg_write_all_data may",
    "GRANT pg_execute_server_program TO able": "pg_execute_server_program may access files of the server",
    "ALTER ROLE able SUPERUSER": "able is a superuser",
    "ALTER TABLE ledger.events DISABLE TRIGGER never_changed": "the trigger never_changed on ledger.events is disabled",
    "ALTER TABLE ledger.events ENABLE TRIGGER never_emptied": "the trigger never_emptied on ledger.events is disabled",
    "CREATE OR REPLACE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'": (
        "the function ledger.refuse_change is not as the migrations made it"
    ),
    "CREATE OR REPLACE TRIGGER never_changed BEFORE DELETE ON ledger.identity"
    " FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change()": (
        "the trigger never_changed on ledger.identity is not as the migrations made it"
    ),
    "CREATE RULE quiet AS ON INSERT TO ledger.events DO INSTEAD NOTHING": (
        "no migration made the rule quiet on ledger.events"
    ),
    "DROP TRIGGER never_changed ON ledger.identity": "the trigger never_changed on ledger.identity is disabled",
}


def test_what_it_could_is_said(login: str) -> None:
    harmless = privileges(login)
    assert (harmless.session_user, harmless.current_user, harmless.could) == ("able", SERVICE, ())
    assert harmless.append_only
    wrong = {}
    for change, expected in COULD.items():
        with psycopg.connect(owner(login)) as connection:
            connection.execute(change.encode())
            connection.commit()
        found = privileges(login)
        if found.append_only or expected not in "; ".join(found.could):
            wrong[change] = found.could
        _put_back(login)
        assert privileges(login) == harmless
    assert wrong == {}


def _put_back(login: str) -> None:
    with psycopg.connect(owner(login), autocommit=True) as connection:
        body = made(LOG, None)["function", "ledger.refuse_change"]
        connection.execute(
            "CREATE OR REPLACE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql"
            f" SET search_path = pg_catalog, pg_temp AS $${body}$$".encode()
        )
        connection.execute("DROP RULE IF EXISTS quiet ON ledger.events")
        connection.execute(
            "REVOKE others, pg_execute_server_program FROM able; REVOKE pg_write_all_data FROM others;"
            "ALTER ROLE able NOSUPERUSER INHERIT; REASSIGN OWNED BY able, others TO postgres;"
            "DROP OWNED BY able, others; ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER never_changed;"
            "ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER never_emptied;"
            "CREATE OR REPLACE TRIGGER never_changed BEFORE UPDATE OR DELETE ON ledger.identity"
            " FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();"
            "ALTER TABLE ledger.identity ENABLE ALWAYS TRIGGER never_changed"
        )


def test_a_superuser_in_the_role_is_a_superuser(database: str) -> None:
    found = privileges(with_service_role(owner(database)))
    assert (found.session_user, found.current_user) == ("postgres", SERVICE)
    assert found.could == ("postgres is a superuser",)


async def test_it_is_not_asked_all_the_time(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = PrivilegeWatch()
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        assert (await watch.of(connection)).append_only
        with tampering(database):
            assert (await watch.of(connection)).append_only
            monkeypatch.setattr(asked, "ASK_EVERY", 0.0)
            assert not (await watch.of(connection)).append_only
