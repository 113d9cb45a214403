"""API keys: made, listed and ended by the command line, kept as hashes, limited by scope, time and revocation."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import psycopg

from people.api_keys import create_key
from tests.api.conftest import under_contract
from tests.api.stage import eventually, refused
from tests.commands import Finished, command
from tests.keys import prefix_of
from tests.service import ADMIN_KEY, PLAIN, Service, running_service, wait_for

PATIENCE = 60
"""Seconds in which a change to a key must be seen; two are promised, and a loaded machine gets more."""


def command_line(conninfo: str, *arguments: str) -> Finished:
    """`credit-ledger keys ...` on a database."""
    return command(conninfo, "keys", *arguments)


def as_json(done: Finished) -> Any:
    assert done.status == 0, done.err
    return done.report


def with_key(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def balance_status(service: Service, account: str, key: str) -> int:
    return service.client.get(f"/v1/accounts/{account}/balance", headers=with_key(key)).status_code


# The life of a key ------------------------------------------------------------------------------------------------


def test_a_key_is_made_used_listed_and_ended(service: Service, account: str) -> None:
    made = as_json(command_line(service.conninfo, "create", "nightly job", "--scope", "ledger:read", "--json"))
    key = made.pop("key")
    assert made == {"name": "nightly job", "scopes": ["ledger:read"], "expires_at": None}
    assert balance_status(service, account, key) == 200

    listing = command_line(service.conninfo, "list", "--json")
    [found] = [each for each in as_json(listing) if each["name"] == "nightly job"]
    assert found["prefix"] == prefix_of(key)
    assert (found["scopes"], found["state"]) == (["ledger:read"], "active")
    for_people = command_line(service.conninfo, "list").out
    assert f"{found['prefix']}  active" in for_people
    for text in (listing.out, for_people, *everything_stored(service.conninfo)):
        assert key not in text
        assert key[-34:] not in text

    assert command_line(service.conninfo, "revoke", found["prefix"]).status == 0
    eventually(lambda: balance_status(service, account, key) == 401, PATIENCE)
    refused(service.client.get("/v1/events", headers=with_key(key)), 401, "unauthenticated")
    [ended] = [
        each for each in as_json(command_line(service.conninfo, "list", "--json")) if each["name"] == made["name"]
    ]
    assert (ended["state"], ended["revoked_at"] is None) == ("revoked", False)


def everything_stored(conninfo: str) -> list[str]:
    """Every row about a key, and every event, as text."""
    with psycopg.connect(conninfo) as connection:
        rows = connection.execute(
            "SELECT k::text FROM people.api_keys AS k UNION ALL SELECT convert_from(state, 'UTF8') FROM ledger.events"
        )
        return [row[0] for row in rows]


def test_only_the_hash_of_a_key_is_kept(service: Service) -> None:
    key = create_key(service.conninfo, "hashed", ["ledger:read"])
    with psycopg.connect(service.conninfo) as connection:
        row = connection.execute("SELECT * FROM people.api_keys WHERE name = 'hashed'").fetchone()
    assert row is not None
    assert sha256(key.encode()).digest() in row
    assert len(key) > 40
    assert not [value for value in row if isinstance(value, str) and key[-34:] in value]


def test_an_expired_key_is_refused_from_its_moment_on(service: Service, account: str) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=2)
    key = create_key(service.conninfo, "short", ["ledger:read"], soon)
    assert balance_status(service, account, key) == 200
    eventually(lambda: balance_status(service, account, key) == 401, PATIENCE)
    assert datetime.now(UTC) >= soon
    past = create_key(service.conninfo, "past", ["admin"], datetime.now(UTC) - timedelta(days=1))
    assert balance_status(service, account, past) == 401


def test_the_command_line_refuses_what_makes_no_sense(service: Service) -> None:
    unknown = command_line(service.conninfo, "create", "x", "--scope", "ledger:everything")
    assert unknown.status != 0
    assert "ledger:everything" in unknown.err
    assert command_line(service.conninfo, "create", "x").status != 0
    gone = command_line(service.conninfo, "revoke", "00000000")
    assert (gone.status, gone.err.strip()) == (1, "credit-ledger: there is no key 00000000")
    nowhere = command_line("host=/nowhere dbname=none", "list")
    assert nowhere.status == 1
    assert nowhere.err.startswith("credit-ledger: the database cannot be reached")
    assert "Traceback" not in nowhere.err


# Requests ---------------------------------------------------------------------------------------------------------

QUERIES = ("/v1/accounts/{}/balance", "/v1/accounts/{}/receipts/deduct/k", "/v1/accounts/{}/events", "/v1/events")
OPEN_TO_ALL = ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs")


def test_health_and_description_need_no_key(service: Service) -> None:
    for path in OPEN_TO_ALL:
        assert httpx.get(service.url + path, trust_env=False, verify=PLAIN).status_code == 200, path
    for path in QUERIES:
        answer = httpx.get(service.url + path.format("x"), trust_env=False, verify=PLAIN)
        refused(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"


def test_the_word_bearer_may_be_written_in_any_case(service: Service, account: str) -> None:
    for word in ("bearer", "BEARER", "Bearer "):
        headers = {"Authorization": f"{word} {ADMIN_KEY}"}
        assert service.client.get(f"/v1/accounts/{account}/balance", headers=headers).status_code == 200


# Starts -----------------------------------------------------------------------------------------------------------


def test_the_first_start_prints_a_key_once_and_uses_are_written_down(database: str, tmp_path: Path) -> None:
    shown = "Admin key (shown this once): "
    with running_service(database, tmp_path, settings={"CREDIT_LEDGER_ADMIN_KEY": ""}) as service:
        wait_for(lambda: shown in service.log.read_text())
        [line] = [line for line in service.log.read_text().splitlines() if line.startswith(shown)]
        service.client.headers.update(with_key(line.removeprefix(shown)))
        under_contract(service)
        assert service.open_account(permanent=1)
        assert service.get("/v1/events").status_code == 200
    assert last_use(database) is not None
    assert told_of_uses(database) == [("key.first_used", {"network": "127.0.0.0/24"})]
    with running_service(database, tmp_path, settings={"CREDIT_LEDGER_ADMIN_KEY": ""}) as service:
        wait_for(lambda: "Credit ledger: " in service.log.read_text())
        log = service.log.read_text()
        assert shown not in log
        assert "clk_" not in log
        assert balance_status(service, "nobody", line.removeprefix(shown)) == 404
        assert balance_status(service, "nobody", ADMIN_KEY) == 401
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM people.api_keys").fetchone() == (1,)


def told_of_uses(conninfo: str) -> list[tuple[Any, ...]]:
    """What the audit log tells of uses."""
    with psycopg.connect(conninfo) as connection:
        return connection.execute("SELECT action, details FROM people.audit WHERE action LIKE '%used%'").fetchall()


def last_use(conninfo: str) -> datetime | None:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("SELECT max(last_used_at) FROM people.api_keys").fetchone()
    return row[0] if row else None
