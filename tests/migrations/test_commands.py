"""The commands of this program on an old database, and a service that goes on where the old one stopped."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from api.demo.folder import look
from api.runtime.database import as_url
from api.runtime.embedded.lifetime import embedded_postgres
from api.runtime.settings import load_settings
from ledger.postgres.roles import SERVICE
from tests.api.stage import eventually
from tests.migrations import golden
from tests.migrations.golden import answered
from tests.postgres import owner
from tests.service import running_service

SINCE = {
    "history": ("entries.usage",),
    "usage": ("usage.uncollected", "usage.cached_tokens"),
    "balances": (
        *("accounts.successor", "grants.sent", "grants.from_account_id", "grants.from_grant_id"),
        *("grants.coming", "grants.effective_at"),
    ),
}
"""The columns that read models have got since, or in which they have another type."""
NEW = {"balances": ("labels",), "payments": ("disputes", "revenue")}
"""The tables that they have got since."""
OTHER_KEYS = {"history": ("successors",), "payments": ("payments",)}
"""The tables that had no key then, or another one."""
NEW_PROJECTIONS = {"uncollected", "subscriptions"}
"""Those that there were not."""


def test_it_is_verified_before_it_is_migrated(old_database: str, data: Path, expected: dict[str, Any]) -> None:
    """By whoever may read, and may not migrate."""
    login = make_conninfo(old_database, options="")
    assert json.loads(answered(login, data, ["verify", "--json"])) == expected["verify"]
    with psycopg.connect(old_database) as connection:
        assert connection.execute("SELECT count(*) FROM ledger.api_keys").fetchone() == (len(expected["keys"]),)


def test_it_is_verified_checked_and_rebuilt(old_database: str, data: Path, expected: dict[str, Any]) -> None:
    """By its old checkpoints; and what was projected then is what the events add up to, and what is projected now."""
    assert "applied people/0001_schema.sql" in answered(owner(old_database), data, ["migrate"])
    assert answered(owner(old_database), data, ["migrate"]) == "nothing to do\n"
    verified = told(old_database, data, "verify")
    assert verified.pop("key_log")["entries"] == len(expected["keys"])
    assert verified == expected["verify"]
    assert told(old_database, data, "checkpoints", "key")["keys"] == expected["checkpoint_keys"]
    rebuilt = told(old_database, data, "rebuild")
    positions = expected["check"]["positions"]
    assert {one["name"] for one in rebuilt} == {*positions, *NEW_PROJECTIONS}
    for one in rebuilt:
        assert one["switched"]
        if one["name"] in NEW_PROJECTIONS:
            assert not one["compared"]["rows"]
            continue
        assert one["compared"]["rows"] > 0
        others = {f"column {column}, which differs between the builds" for column in SINCE.get(one["name"], ())}
        others |= {f"table {table}, which is new" for table in NEW.get(one["name"], ())}
        others |= {f"table {table}, whose key has changed" for table in OTHER_KEYS.get(one["name"], ())}
        assert (one["compared"]["differences"], set(one["compared"]["not_compared"])) == ([], others)
    now = {**positions, **dict.fromkeys(NEW_PROJECTIONS, positions["history"])}
    assert told(old_database, data, "check", "--all") == {**expected["check"], "positions": now}


def told(conninfo: str, data: Path, *arguments: str) -> Any:
    """What a command answers to a program."""
    return json.loads(answered(conninfo, data, [*arguments, "--json"]))


def test_it_is_served(old_database: str, data: Path, tmp_path: Path, expected: dict[str, Any]) -> None:
    """A start migrates it. Commands, projections and checkpoints go on from where they were, with keys of then."""
    settings = {
        "CREDIT_LEDGER_OWNER_URL": as_url(owner(old_database)),
        "CREDIT_LEDGER_DATA_DIR": str(data),
        "CREDIT_LEDGER_CHECKPOINT_SECONDS": "0.2",
    }
    login = make_conninfo(old_database, options="")
    bearer = f"Bearer {expected['secrets']['app']}"
    with running_service(login, tmp_path, settings=settings) as service:
        body = {"amount": 1, "task_id": "another", "description": "New"}
        deducted = service.post("/v1/accounts/bob/deductions", body, Authorization=bearer)
        assert deducted.status_code == 201, deducted.text
        position = deducted.json()["position"]
        assert position > expected["position"]
        eventually(lambda: service.get("/v1/accounts/bob/history", min_position=position).status_code == 200)
        newest, before = service.get("/v1/accounts/bob/history", min_position=position, limit=2).json()["entries"]
        assert (newest["credits"], newest["description"]) == (-1, "New")
        assert newest["balance_before"] == before["balance_after"]
        eventually(lambda: service.get("/readyz").json()["checkpoints"]["size"] >= position)
        assert "ERROR" not in service.log.read_text()
    report = told(login, data, "verify")
    assert (report["status"], report["keys"]) == ("holds", expected["verify"]["keys"])
    assert report["signed_position"] >= position


@pytest.mark.parametrize(("key", "found"), [("demo: keeps the star moving", "demo"), ("another key", "half")])
def test_a_demo_of_the_old_program_is_known(server_folder: Path, key: str, found: str) -> None:
    """It is served on, or made anew when it was never whole. The database of version 0.1 begins as its demo does."""
    with embedded_postgres(server_folder) as conninfo, psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {SERVICE}".encode())
        connection.execute(golden.dump().encode())
        connection.execute("UPDATE ledger.api_keys SET name = %s WHERE name = 'shop'", [key])
    assert look(load_settings(data_dir=server_folder)) == found
