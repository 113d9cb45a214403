"""`credit-ledger move`: the embedded ledger goes to a server, whole or not at all, and serves there as it did."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import psycopg
import pytest
import uvloop
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from api.cli.progress import Lines
from api.demo.activities import plan_company
from api.demo.filling import fill
from api.runtime.database import as_url, migrated
from api.runtime.embedded.lifetime import embedded_postgres, embedded_postgres_alone
from api.runtime.embedded.moved import moved_ledger
from api.runtime.postgres_url import without_password
from api.runtime.settings import load_settings
from api.server_move.copying import open_for_move
from api.server_move.row_digest import RowDigest
from api.server_move.tables import content_of, schemas_of
from projections.engine.builds import prepare
from tests.commands import PROGRAM, Finished, command, environment_for
from tests.postgres import TestServer, owner, quick_folder, without_disk
from tests.service import Service, service_here, wait_for

NOW = datetime(2026, 5, 13, 14, 20, tzinfo=UTC)
BODY = {"amount": 7, "description": "before the move"}
PLAIN = "plain_owner"
"""A login that owns its database and may make no role."""


class Embedded(NamedTuple):
    """A stopped service with an embedded ledger, and what was known of it."""

    folder: Path
    account: str
    key: str
    answer: dict[str, Any]
    """Of the deduction with the key `first`."""
    balance: dict[str, Any]
    ledger_id: str
    checkpoint: Path

    def run(self, *words: str) -> Finished:
        """A command on it."""
        return command(None, *words, settings={"CREDIT_LEDGER_DATA_DIR": str(self.folder)})


@pytest.fixture(scope="module")
def embedded() -> Iterator[Embedded]:
    """The company of the demo, and an account that was used over HTTP."""
    with quick_folder() as folder:
        yield _made(folder)


def _made(folder: Path) -> Embedded:
    with migrated(load_settings(data_dir=folder)) as database:
        without_disk(database.owner)
        prepare(database.service)
        plan = plan_company(Random(1), NOW, weeks=2, accounts=12)
        uvloop.run(fill(database.service, plan, NOW - timedelta(weeks=2), NOW, Lines()))
        with psycopg.connect(database.owner) as connection:
            row = connection.execute("SELECT id::text FROM ledger.identity").fetchone()
            assert row is not None
        with _serving(database.service, folder) as service:
            account = service.open_account(permanent=100)
            answer = service.post(f"/v1/accounts/{account}/deductions", BODY, key="first").json()
            service.get(f"/v1/accounts/{account}/history", min_position=answer["position"]).raise_for_status()
            balance = service.get(f"/v1/accounts/{account}/balance").json()
            made = command(
                *(database.service, "keys", "create", "product", "--scope", "ledger:read", "--json"),
                settings={"CREDIT_LEDGER_DATA_DIR": str(folder)},
            )
    signed = command(None, "checkpoints", "sign", "--json", settings={"CREDIT_LEDGER_DATA_DIR": str(folder)})
    return Embedded(folder, account, made.report["key"], answer, balance, row[0], Path(signed.report["file"]))


@contextmanager
def _serving(conninfo: str, folder: Path) -> Iterator[Service]:
    """The service in this process, with the files of a data directory."""
    settings = {"CREDIT_LEDGER_DATA_DIR": str(folder), "CREDIT_LEDGER_CHECKPOINT_SECONDS": "0.1"}
    with service_here(conninfo, folder, settings=settings) as service:
        yield service


@pytest.fixture
def target(server: TestServer) -> Iterator[str]:
    """An empty database, for its superuser."""
    with server.database("template0") as conninfo:
        yield owner(conninfo)


@pytest.fixture
def plain_target(each_server: TestServer) -> Iterator[str]:
    """An empty database on each server, for an owner who is nothing else."""
    with each_server.database("template0") as conninfo:
        with psycopg.connect(owner(conninfo), autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {PLAIN} LOGIN".encode())
            connection.execute(f"ALTER DATABASE {conninfo_to_dict(conninfo)['dbname']} OWNER TO {PLAIN}".encode())
        yield make_conninfo(owner(conninfo), user=PLAIN)
    with psycopg.connect(owner(each_server.conninfo("postgres")), autocommit=True) as connection:
        connection.execute(f"DROP ROLE {PLAIN}".encode())


def _tables(conninfo: str) -> int:
    """How many tables there are, of anybody but the server."""
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname !~ '^(pg_|information)'").fetchone()
        assert row is not None
        return int(row[0])


def _events(conninfo: str) -> int:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("SELECT count(*) FROM ledger.events").fetchone()
        assert row is not None
        return int(row[0])


def test_a_dry_run_changes_nothing_and_lets_the_service_run(embedded: Embedded, target: str) -> None:
    with embedded_postgres(embedded.folder):
        done = embedded.run("move", "--to", as_url(target), "--dry-run", "--json")
    assert (done.status, done.err) == (0, "")
    assert done.report["ledger_id"] == embedded.ledger_id
    assert done.report["rows"]["ledger.events"] > 1_000
    assert (done.report["there_already"], _tables(target)) == (False, 0)
    said = embedded.run("move", "--to", as_url(target), "--dry-run").out
    assert f"from the ledger {embedded.ledger_id} to PostgreSQL " in said


def test_nobody_else_uses_the_ledger_meanwhile(embedded: Embedded, target: str) -> None:
    with embedded_postgres(embedded.folder):
        done = embedded.run("move", "--to", as_url(target))
    assert (done.status, _tables(target)) == (1, 0)
    assert "another process uses the ledger" in done.err
    with embedded_postgres_alone(embedded.folder):
        refused = embedded.run("keys", "list")
    assert refused.status == 1
    assert "is being moved to a server" in refused.err
    assert embedded.run("keys", "list").status == 0


def test_what_cannot_take_the_ledger_is_refused(embedded: Embedded, target: str, server: TestServer) -> None:
    """A database with another ledger, one with rows, one of another encoding; and what is no server at all."""

    def refusal(url: str) -> str:
        done = embedded.run("move", "--to", url)
        assert done.status == 1, done
        return done.err

    with server.database() as other:
        assert command(other, "keys", "create", "a", "--scope", "admin").status == 0
        assert "the target is not empty: people." in refusal(as_url(owner(other)))
    assert "the database cannot be reached" in refusal("postgresql://nobody@127.0.0.1:9/nothing")
    with embedded_postgres(embedded.folder) as itself:
        pass
    with psycopg.connect(target, autocommit=True) as connection:
        latin = "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0"
        connection.execute(latin.encode())
        try:
            assert "stores texts as LATIN1" in refusal(as_url(make_conninfo(target, dbname="latin")))
        finally:
            connection.execute(b"DROP DATABASE latin")
    assert "is this ledger itself" in refusal(as_url(itself))
    assert moved_ledger(embedded.folder) is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give one"),
        (("--to", "postgresql://a@b/c", "--abandon"), "give one"),
        (("--to", "mysql://a:hunter2@b/c"), "percent-encode"),
    ],
)
def test_wrong_options(words: tuple[str, ...], said: str) -> None:
    done = command(None, "move", *words)
    assert done.status == 2
    assert said in " ".join(done.err.replace("│", " ").split())
    assert "hunter2" not in done.err


def test_only_an_embedded_database_moves(tmp_path: Path) -> None:
    on_a_server = command("postgresql://nobody@127.0.0.1:9/nothing", "move", "--to", "postgresql://a@b/c")
    assert "CREDIT_LEDGER_DATABASE_URL is set" in on_a_server.err
    nothing = command(None, "move", "--to", "postgresql://a@b/c", settings={"CREDIT_LEDGER_DATA_DIR": str(tmp_path)})
    assert "there is no embedded database in" in nothing.err
    never = command(None, "move", "--abandon", settings={"CREDIT_LEDGER_DATA_DIR": str(tmp_path)})
    assert (never.status, "was not moved" in never.err) == (1, True)


def test_killed_in_the_middle_it_begins_anew(embedded: Embedded, target: str) -> None:
    """It is killed where it waits for a table, after it has copied events."""
    assert command(target, "migrate").status == 0
    environment = environment_for(None, {"CREDIT_LEDGER_DATA_DIR": str(embedded.folder)})
    with psycopg.connect(target) as holder, psycopg.connect(target, autocommit=True) as watch:
        holder.execute("LOCK TABLE projection_usage.groups IN SHARE MODE")
        process = subprocess.Popen([*PROGRAM, "move", "--to", as_url(target)], env=environment)
        waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'DELETE FROM%'"
        moves = (
            "SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database"
            " WHERE locktype = 'advisory' AND pid <> pg_backend_pid() AND datname = current_database()"
        )
        wait_for(lambda: watch.execute(waits).fetchone() is not None)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        holder.rollback()
        wait_for(lambda: watch.execute(moves).fetchone() is None)
    assert (_events(target), moved_ledger(embedded.folder)) == (0, None)
    done = embedded.run("move", "--to", as_url(target), "--json")
    assert (done.status, done.report["ledger_id"]) == (0, embedded.ledger_id)
    _found_again(embedded, target)


def _found_again(embedded: Embedded, target: str) -> None:
    """What was copied is compared at the next run, and moves no second time; what differs is refused."""
    assert embedded.run("move", "--abandon", "--yes").status == 0
    again = embedded.run("move", "--to", as_url(target), "--json")
    assert again.status == 0, again
    assert embedded.run("move", "--abandon", "--yes").status == 0
    with psycopg.connect(target, autocommit=True) as connection:
        connection.execute("UPDATE people.api_keys SET name = 'another' WHERE name = 'product'")
    changed = embedded.run("move", "--to", as_url(target))
    assert changed.status == 1
    assert "does not have the rows of the embedded database in people.api_keys" in changed.err
    assert moved_ledger(embedded.folder) is None


def test_the_ledger_serves_on_the_server_as_it_did(embedded: Embedded, plain_target: str, tmp_path: Path) -> None:
    """To an owner who may make no role, on each server: the same ledger, and the embedded one is closed."""
    done = embedded.run("move", "--to", as_url(plain_target))
    assert done.status == 0, done
    shown = without_password(as_url(plain_target))
    assert f"CREDIT_LEDGER_DATABASE_URL={shown}" in done.out.splitlines()
    assert "the service runs with the rights of its login: " in done.out
    try:
        closed = embedded.run("keys", "list")
        assert (closed.status, f"was moved to {shown}" in closed.err) == (1, True)
        twice = embedded.run("move", "--to", as_url(plain_target))
        assert (twice.status, "was moved to" in twice.err) == (1, True)
        found = command(plain_target, "doctor", "--json", settings={"CREDIT_LEDGER_DATA_DIR": str(embedded.folder)})
        assert [one["state"] for one in found.report if one["check"] == "copy"] == ["warning"]
        _compare_everything(embedded, plain_target)
        _serve(embedded, plain_target, tmp_path)
    finally:
        (embedded.folder / "postgres.moved").unlink(missing_ok=True)


def _compare_everything(embedded: Embedded, target: str) -> None:
    """The rows of all tables, read in another way than the command does: each as one text, sorted."""
    with (
        embedded_postgres_alone(embedded.folder) as source,
        open_for_move(source) as one,
        open_for_move(target) as other,
    ):
        content = content_of(one, schemas_of(one))
        assert len(content.copied) > 50
        for table in content.copied:
            names = ", ".join(f'"{column}"' for column in table.columns)
            query = f'SELECT ROW({names})::text COLLATE "C" FROM {table} ORDER BY 1'.encode()
            assert one.execute(query).fetchall() == other.execute(query).fetchall(), table
    with psycopg.connect(target) as connection:
        off = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgenabled NOT IN ('O', 'A')"
        assert connection.execute(off).fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
            connection.execute("UPDATE ledger.identity SET id = gen_random_uuid()")


def _serve(embedded: Embedded, target: str, folder: Path) -> None:
    """As on another machine, to which the signing key and the checkpoints were copied."""
    for name in ("signing", "checkpoints"):
        shutil.copytree(embedded.folder / name, folder / name)
    account = f"/v1/accounts/{embedded.account}"
    with _serving(target, folder) as service:
        replayed = service.post(f"{account}/deductions", BODY, key="first")
        assert (replayed.status_code, replayed.headers["Idempotent-Replayed"]) == (200, "true")
        assert replayed.json() == embedded.answer
        told = service.get(f"{account}/balance").json()
        moments = {"as_of": "", "known_at": ""}
        assert told | moments == embedded.balance | moments
        known = service.client.get(f"{account}/balance", headers={"Authorization": f"Bearer {embedded.key}"})
        assert known.status_code == 200
        more = service.post(f"{account}/deductions", {"amount": 1}, key="second")
        assert (more.status_code, more.json()["position"]) == (201, _events(target))
        history = service.get(f"{account}/history", min_position=more.json()["position"]).json()
        assert BODY["description"] in [entry["description"] for entry in history["entries"]]
        assert service.client.get("/readyz").status_code == 200
    verified = command(
        *(target, "verify", "--since", str(embedded.checkpoint), "--json"),
        settings={"CREDIT_LEDGER_DATA_DIR": str(folder)},
    )
    assert verified.status in (0, 4), verified  # 4: the last event is not signed yet
    checked = command(target, "check", "--all", "--json")
    assert checked.report["status"] == "clean"


def test_a_digest_counts_rows_and_not_their_order() -> None:
    def digest(*rows: bytes) -> RowDigest:
        found = RowDigest()
        for row in rows:
            found.add(row)
        return found

    assert digest(b"a\n", b"b\n") == digest(b"b\n", b"a\n")
    different = [digest(), digest(b"a\n"), digest(b"a\n", b"a\n"), digest(b"a\n", b"b\n"), digest(b"ab\n")]
    assert all(one != other for i, one in enumerate(different) for other in different[i + 1 :])
    assert len({str(one) for one in different}) == len(different)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://owner:hunter2@db.example:5432/ledger",
        "postgresql://owner:hunter2#?[1]:x@db/ledger?sslmode=verify-full&sslpassword=hunter2",
        "postgres://a:hunter2@one:1,two:2/ledger?target_session_attrs=read-write",
        "postgresql://o%40x:hunter2@[::1]:5432/led%2Fger",
        "postgresql:///ledger?host=/run/postgresql&password=hunter2",
        "postgresql://db/ledger",
    ],
)
def test_a_url_is_shown_without_its_password(url: str) -> None:
    shown = without_password(url)
    assert "hunter2" not in shown
    kept = {name: value for name, value in conninfo_to_dict(url).items() if "password" not in name}
    assert conninfo_to_dict(shown) == kept
