"""An old database gets the form of a new one, and keeps its rows."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from api.components import COMPONENTS
from ledger.postgres.migrations import MigrationError, migrate
from ledger.postgres.roles import SERVICE, as_service, set_up, with_service_role
from tests.migrations.catalogs import catalogs
from tests.migrations.golden import answered
from tests.postgres import TestServer, owner

SCHEMAS = sorted({component.schema for component in COMPONENTS})
MOVED = {
    "ledger.api_keys": "people.api_keys",
    "ledger.sessions": "people.sessions",
    "ledger.refusals": "measures.refusals",
}


def rows(conninfo: str, table: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(owner(conninfo)) as connection:
        return connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2".encode()).fetchall()


def execute(conninfo: str, statement: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(statement.encode())


MISSING = [
    "ledger/0005_checked_appends.sql",
    "ledger/0006_proven_snapshots.sql",
    "ledger/0007_whole_batches.sql",
    "ledger/0008_lookups_by_key.sql",
    "ledger/0009_reopened_accounts.sql",
    "ledger/0010_limits.sql",
    "ledger/0011_moves.sql",
    "ledger/0012_account_updates.sql",
    "ledger/0013_changed_expiries.sql",
    "ledger/0014_payments_of_providers.sql",
    "ledger/0015_coming_grants.sql",
    "ledger/0016_disputes.sql",
    "ledger/0017_subscriptions.sql",
    "people/0001_schema.sql",
    "people/0002_manage_scope_and_cursor_key.sql",
    "people/0003_key_log.sql",
    "people/0004_users.sql",
    "people/0005_audit.sql",
    "people/0006_profile.sql",
    "people/0007_teams.sql",
    "people/0008_identities.sql",
    "people/0009_keys.sql",
    "people/0010_keys_of_members.sql",
    "people/0011_first_steps.sql",
    "people/0012_uses_and_names.sql",
    "people/0013_links_and_mails.sql",
    "people/0014_users_of_services.sql",
    "people/0016_letters.sql",
    "people/0017_makers.sql",
    "outbox/0001_mails.sql",
    "outbox/0002_endings.sql",
    "measures/0001_schema.sql",
    "imports/0001_schema.sql",
    "imports/0002_uploads.sql",
    "jobs/0001_grant_jobs.sql",
    "billing/0001_catalog.sql",
    "billing/0002_webhooks.sql",
    "billing/0003_checkouts.sql",
    "billing/0004_manual.sql",
    "billing/0005_reconciled.sql",
    "billing/0006_changes.sql",
    "billing/0007_facts_at_once.sql",
    "billing/0008_trials_and_modes.sql",
    "billing/0009_price_books.sql",
    "projections/0003_made_by_the_owner.sql",
    "projections/0004_builds_of_wide_rows.sql",
    "projections/0005_builds_that_measure_nothing.sql",
    "projections/0006_builds_without_cached_tokens.sql",
]
"""The migrations that came after the dump."""


def divided(scopes: list[str]) -> list[str]:
    """The scopes of a key after ledger:write was divided: whoever had it keeps what it allowed."""
    return [*scopes, "ledger:manage"] if "ledger:write" in scopes else scopes


def test_it_has_the_form_of_a_new_database(old_database: str, data: Path, each_server: TestServer) -> None:
    """Tables, columns, indexes, constraints, triggers, functions, owners and rights."""
    whole = owner(old_database)
    assert migrate(whole, COMPONENTS) == MISSING
    answered(whole, data, ["rebuild"])
    with each_server.database() as fresh:
        migrated, new = catalogs(whole, SCHEMAS), catalogs(owner(fresh), SCHEMAS)
    for what, found in new.items():
        assert migrated[what] == found != [], what


def test_the_second_time_there_is_nothing_to_do(migrated: str) -> None:
    whole = owner(migrated)
    before = catalogs(whole, SCHEMAS)
    assert migrate(whole, COMPONENTS) == []
    assert set_up(whole, COMPONENTS) is None
    assert catalogs(whole, SCHEMAS) == before


def test_what_moves_keeps_its_rows(old_database: str, data: Path, expected: dict[str, Any]) -> None:
    before = {new: rows(old_database, old) for old, new in MOVED.items()}
    before["people.api_keys"] = [(*row[:3], divided(row[3]), *row[4:]) for row in before["people.api_keys"]]
    before["people.sessions"] = [(*row, None, "page", *[None] * 10) for row in before["people.sessions"]]
    before["people.api_keys"] = [(*row, row[0], *[None] * 6) for row in before["people.api_keys"]]
    answered(owner(old_database), data, ["migrate"])
    after = {new: rows(old_database, new) for new in MOVED.values()}
    numbers = sorted(row[-2] for row in after["people.api_keys"])
    assert numbers == list(range(1, len(numbers) + 1)), "each key has the number of its last change"
    salts = {bytes(row[-1]) for row in after["people.api_keys"]}
    assert {len(salt) for salt in salts} == {16}
    assert len(salts) == len(numbers), "each name has a salt of its own"
    after["people.api_keys"] = [row[:-2] for row in after["people.api_keys"]]
    assert after == before
    assert all(before.values())
    listed = json.loads(answered(old_database, data, ["keys", "list", "--json"]))
    assert [{name: value for name, value in key.items() if name != "state"} for key in listed] == [
        key | {"scopes": sorted(divided(key["scopes"]))} for key in expected["keys"]
    ]


def test_a_schema_of_somebody_else_is_left_alone(old_database: str) -> None:
    """Other programs may share the database. Nothing is migrated, and one line says what stands in the way."""
    whole = owner(old_database)
    with psycopg.connect(whole, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA measures")
    before = catalogs(whole, SCHEMAS)
    with pytest.raises(MigrationError, match=r'measures/0001_schema\.sql cannot be applied: schema "measures" already'):
        migrate(whole, COMPONENTS)
    assert catalogs(whole, SCHEMAS) == before


def test_whoever_does_not_own_the_tables_changes_nothing(old_database: str) -> None:
    before = catalogs(owner(old_database), SCHEMAS)
    with pytest.raises(MigrationError, match="run `credit-ledger migrate` as the owner of its tables"):
        migrate(old_database, COMPONENTS)
    assert catalogs(owner(old_database), SCHEMAS) == before


@pytest.mark.parametrize("schema", SCHEMAS)
def test_the_rights_of_each_owner_are_put_right(migrated: str, schema: str) -> None:
    """What is too much is taken and keeps nobody out of the role until then; what is missing is given."""
    whole, login = owner(migrated), make_conninfo(migrated, options="")
    right = catalogs(whole, SCHEMAS)
    execute(whole, f"GRANT CREATE ON SCHEMA {schema} TO {SERVICE}")
    assert as_service(login, COMPONENTS) == with_service_role(login)
    execute(whole, f"REVOKE USAGE ON SCHEMA {schema} FROM {SERVICE}")
    assert as_service(login, COMPONENTS) == login
    assert set_up(whole, COMPONENTS) is None
    assert catalogs(whole, SCHEMAS) == right
