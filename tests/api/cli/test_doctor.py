"""`credit-ledger doctor`: it finds what is wrong, says what to do, and changes nothing."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import psycopg
import pytest

from api.runtime.doctor.machine import machine_findings
from api.runtime.doctor.service import service_finding
from api.runtime.settings import load_settings
from people.api_keys import create_key
from tests.commands import command
from tests.dashboard.proxies import Certificate
from tests.postgres import TestServers, owner, tampering
from tests.service import free_port

NOWHERE = "postgresql://nobody:s3cret@127.0.0.1:9/nothing"


def examined(conninfo: str | None, folder: Path, **settings: str) -> tuple[int, dict[str, tuple[str, str, str]]]:
    """The exit status, and what was found by what was looked at: its state, the finding and the advice."""
    own = {"CREDIT_LEDGER_DATA_DIR": str(folder), "CREDIT_LEDGER_PORT": str(free_port()), **settings}
    done = command(conninfo, "doctor", "--json", settings=own)
    return done.status, {one["check"]: (one["state"], one["found"], one["advice"] or "") for one in done.report}


@pytest.fixture
def ledger(servers: TestServers) -> Iterator[str]:
    """A database of the embedded server: what is looked at is the same on every other."""
    found = servers.get("embedded")
    assert found is not None
    with found.database() as conninfo:
        yield conninfo


def test_a_sound_ledger_has_one_line_for_each_thing(ledger: str, tmp_path: Path) -> None:
    """The servers of tests are not durable, and that is found."""
    create_key(ledger, "the product", ["ledger:write"])
    settings = {"CREDIT_LEDGER_DATA_DIR": str(tmp_path), "CREDIT_LEDGER_PORT": str(free_port())}
    done = command(ledger, "doctor", settings=settings)
    lines = [re.split(r"\s+", line, maxsplit=2) for line in done.out.splitlines()]
    assert {check: state for state, check, _ in lines if state != "ok"} == {"durability": "problem"}
    assert [check for _, check, _ in lines] == [
        *("settings", "address", "files", "data", "checkpoints", "disk", "service"),
        *("database", "durability", "connections", "clock", "migrations", "rights", "proof", "projections", "keys"),
    ]
    assert (done.status, done.err) == (1, "")
    [durability] = [found for _, check, found in lines if check == "durability"]
    assert durability == (
        "an acknowledged command can be lost (fsync = off, full_page_writes = off): "
        "turn these settings of the server on"
    )
    assert list(tmp_path.iterdir()) == [], "it made something"


def test_what_stands_in_the_way_of_everything_is_the_last_line(tmp_path: Path) -> None:
    done = command(None, "doctor", settings={"CREDIT_LEDGER_PORT": "x"})
    assert (done.status, done.err) == (1, "")
    assert done.out.startswith("problem  settings     CREDIT_LEDGER_PORT is ")
    status, found = examined(NOWHERE, tmp_path)
    assert (status, found["database"][0]) == (1, "problem")
    assert found["database"][2] == "start the server, or correct CREDIT_LEDGER_DATABASE_URL"
    assert "s3cret" not in str(found)
    status, found = examined(None, tmp_path)
    assert (status, found["database"][0]) == (0, "ok")
    assert list(tmp_path.iterdir()) == [], "it made a database"


def test_what_is_wrong_in_the_database_has_a_line_with_the_way_out(ledger: str, tmp_path: Path) -> None:
    _, found = examined(owner(ledger), tmp_path)
    assert found["rights"][0] == "warning"
    assert "postgres could change what is recorded (postgres is a superuser" in found["rights"][1]
    assert found["keys"][:2] == ("warning", "no API key is usable")
    create_key(ledger, "ends", ["ledger:read"], datetime.now(UTC) + timedelta(days=2))
    with psycopg.connect(owner(ledger), autocommit=True) as connection:
        connection.execute("UPDATE projection_history.checkpoint SET stopped_at = 7, problem = E'why\nrow'")
        connection.execute("DROP SCHEMA projection_usage CASCADE")
        connection.execute("UPDATE ledger.checkpointing SET size = 5, signed_at = now()")
    status, found = examined(ledger, tmp_path)
    assert status == 1
    assert found["keys"][0] == "warning"
    assert "expires within 14 days" in found["keys"][1]
    assert found["proof"][0] == "problem"
    assert found["proof"][2] == "see docs/operations.md, Checkpoints"
    done = command(ledger, "doctor", settings={"CREDIT_LEDGER_DATA_DIR": str(tmp_path)})
    assert "projections  history stopped at event 7 (why): mend the cause, then restart the service or run" in done.out
    assert "projections  usage is not built: the next start builds it" in done.out


class Says(BaseHTTPRequestHandler):
    """Answers everything with the same text."""

    text = b""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(503)
        self.end_headers()
        self.wfile.write(self.text)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("text", "state", "found"),
    [
        (b'{"checks": {"database": true, "committer": false}}', "problem", "it runs and is not ready (committer)"),
        (b'{"checks": {"database": true}, "status": "draining"}', "ok", "it is about to stop"),
        (b'{"checks": {"database": true}, "status": "ok"}', "ok", "it runs and is ready"),
        (b"<html>", "warning", "another program answers on 127.0.0.1, port "),
    ],
)
def test_a_running_service_is_asked_what_it_says_of_itself(text: bytes, state: str, found: str) -> None:
    """Such as that it can commit nothing, because the disk of its database is full: nobody else can see that."""
    with HTTPServer(("127.0.0.1", 0), type("Answers", (Says,), {"text": text})) as server:
        Thread(target=server.handle_request, daemon=True).start()
        asked = service_finding(load_settings(port=server.server_port))
    assert (asked.check, asked.state) == ("service", state)
    assert asked.found.startswith(found)


def test_drift_and_missing_migrations_are_found(ledger: str, tmp_path: Path) -> None:
    with psycopg.connect(owner(ledger), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO projections.drift (account_id, projection, position, detail) VALUES ('a', 'balances', 3, 'x')"
        )
    _, found = examined(ledger, tmp_path)
    assert found["projections"][2] == "run `credit-ledger rebuild balances`"
    with tampering(ledger) as connection:
        connection.execute("DELETE FROM ledger.migrations WHERE component = 'billing'")
    status, found = examined(ledger, tmp_path)
    assert (status, found["migrations"][0]) == (1, "warning")
    assert "billing/0001" in found["migrations"][1]
    assert "proof" not in found, "it read tables that may be others"
    with tampering(ledger) as connection:
        connection.execute("UPDATE ledger.migrations SET checksum = 'x'")
    assert examined(ledger, tmp_path)[1]["migrations"][0] == "problem"


def test_the_machine_is_looked_at_without_a_database(tmp_path: Path) -> None:
    made = Certificate(tmp_path)
    (tmp_path / "catalog.toml").write_text("[[plans]]\nnonsense = 1\n")
    settings = load_settings(
        data_dir=tmp_path / "data",
        tls_certificate=made.certificate,
        tls_key=made.key,
        catalog=tmp_path / "catalog.toml",
        host="0.0.0.0",
    )
    found = {one.check: one for one in machine_findings(settings, {"CREDIT_LEDGER_PROT": "1"})}
    assert found["settings"].found == "no setting has the name CREDIT_LEDGER_PROT"
    assert found["address"].state == "warning"
    assert found["certificate"].state == "warning", "it ends tomorrow"
    assert found["catalogue"].state == "problem"
    assert found["data"].found == f"{tmp_path / 'data'}, which the first start makes"
    other = settings.model_copy(update={"tls_key": made.certificate, "catalog": None, "host": "127.0.0.1"})
    found = {one.check: one for one in machine_findings(other, {})}
    assert (found["certificate"].state, found["settings"].state) == ("problem", "ok")
    assert "catalogue" not in found


def test_a_proxy_that_is_not_named_is_found_where_people_have_passwords(tmp_path: Path) -> None:
    settings = {"data_dir": tmp_path, "public_url": "https://credits.example", "registration": "open"}
    cases: list[tuple[dict[str, str], str | None]] = [
        ({}, "warning"),
        ({"trusted_proxies": "10.0.0.0/8"}, "ok"),
        ({"registration": "off"}, None),
        ({"public_url": "http://127.0.0.1"}, None),
    ]
    for more, state in cases:
        found = {one.check: one for one in machine_findings(load_settings(**{**settings, **more}), {})}
        assert (found["proxies"].state if "proxies" in found else None) == state, more
