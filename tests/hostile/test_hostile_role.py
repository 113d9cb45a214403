"""A hostile service role gains nothing, whether the service has a login of its own or uses that of the owner."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from api.runtime.embedded.lifetime import embedded_postgres
from ledger.postgres.privileges import privileges
from ledger.postgres.roles import with_service_role
from tests.hostile.playing import LOGIN, OWNER, a_ledger, play
from tests.hostile.statements import GIVES_AWAY, MARK
from tests.postgres import quick_folder


@pytest.fixture(scope="module")
def whole() -> Iterator[str]:
    """A server of its own: it has roles that other tests must not see."""
    with quick_folder() as folder, embedded_postgres(folder) as conninfo:
        yield conninfo


@pytest.mark.parametrize("logins", [1, 2])
def test_nothing_runs_with_the_rights_of_the_owner(whole: str, tmp_path: Path, logins: int) -> None:
    with a_ledger(whole, f"hostile_{logins}") as owner:
        used = owner if logins == 1 else make_conninfo(owner, user=LOGIN)
        played = play(owner, used, tmp_path)
    assert played.won == []
    assert played.tried > 700
    assert 0 < played.through < played.tried


def test_a_trap_that_the_owner_runs_is_seen(whole: str) -> None:
    """Else the test above would prove nothing."""
    with a_ledger(whole, "hostile_seen") as owner, psycopg.connect(owner, autocommit=True) as connection:
        body = GIVES_AWAY.format("true")
        connection.execute(f"CREATE FUNCTION pg_temp.f() RETURNS boolean LANGUAGE plpgsql AS $${body}$$".encode())
        connection.execute("SET ROLE credit_ledger_service")
        connection.execute("SELECT pg_temp.f()")
        row = connection.execute("SELECT has_table_privilege('public', 'ledger.events', %s)", [MARK]).fetchone()
        assert row == (True,)


def test_schemas_that_shadow_a_login_are_named(whole: str) -> None:
    with a_ledger(whole, "hostile_shadow") as owner, psycopg.connect(owner, autocommit=True) as connection:
        service = with_service_role(make_conninfo(owner, user=LOGIN))
        assert privileges(service).append_only
        for name in (OWNER, LOGIN):
            connection.execute(f"CREATE SCHEMA {name}".encode())
            could = "; ".join(privileges(service).could)
            assert f"the schema {name} has the name of a login" in could
            connection.execute(f"DROP SCHEMA {name}".encode())
        connection.execute("GRANT CREATE ON SCHEMA people TO credit_ledger_service")
        assert "credit_ledger_service may create objects in the schema people" in privileges(service).could
        connection.execute("REVOKE CREATE ON SCHEMA people FROM credit_ledger_service")
        connection.execute("GRANT CREATE ON DATABASE hostile_shadow TO credit_ledger_service")
        assert "credit_ledger_service may create schemas in the database" in privileges(service).could
