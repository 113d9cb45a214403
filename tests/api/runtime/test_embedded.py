"""The embedded database, on a real server that is started, shared, killed and started again."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from api.runtime.embedded import lifetime as embedded
from api.runtime.embedded import server as embedded_server
from api.runtime.embedded.lifetime import embedded_postgres
from api.runtime.embedded.server import EmbeddedPostgresError, Server, postmaster, server_in, socket_folder
from tests.postgres import machine_programs, quick_folder

SOURCES = Path(__file__).parents[3] / "src"

HOLDER = """
import os, signal, sys
from pathlib import Path
import psycopg
from api.runtime.embedded.lifetime import embedded_postgres

# Whoever started the tests may have ignored these: nohup does the one, a shell that puts them beside the other.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
with embedded_postgres(Path(sys.argv[1])) as conninfo:
    def asks():
        with psycopg.connect(conninfo) as connection:
            print("answer", *connection.execute("SELECT 42").fetchone(), flush=True)
    try:
        print("holding", flush=True)
        sys.stdin.readline()
        {then}
    except KeyboardInterrupt:
        asks()
"""
"""Another process that uses the database until it is told to go on."""


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """One database for the tests that leave it as they found it: stopped."""
    with a_folder() as folder:
        yield folder


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder of its own for a test that does not."""
    with a_folder() as folder:
        yield folder


@contextmanager
def a_folder() -> Iterator[Path]:
    """What a killed server leaves in memory is what it leaves on a disk."""
    with quick_folder() as folder:
        yield folder


@contextmanager
def holding(data_dir: Path, then: str = "pass") -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER.format(then=then), str(data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(SOURCES)},
        start_new_session=True,
    ) as process:
        try:
            assert said_by(process) == "holding"
            yield process
        finally:
            process.kill()


def said_by(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def told_to_go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.close()
    process.wait(180)


def server_of(data_dir: Path) -> Server:
    return server_in(data_dir, embedded_server.packaged_programs())


def pid_of(data_dir: Path) -> int:
    pid = postmaster(server_of(data_dir))
    assert pid is not None
    return pid


def runs(data_dir: Path) -> bool:
    return postmaster(server_of(data_dir)) is not None


def do(conninfo: str, statement: str) -> None:
    with psycopg.connect(conninfo) as connection:
        connection.execute(statement.encode())


def value(conninfo: str, query: str) -> object:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def test_a_second_start_keeps_the_data(data_dir: Path) -> None:
    with embedded_postgres(data_dir) as conninfo:
        do(conninfo, "CREATE TABLE kept AS SELECT 42 AS answer")
    assert not runs(data_dir)
    with embedded_postgres(data_dir) as conninfo:
        assert value(conninfo, "SELECT answer FROM kept") == 42
        do(conninfo, "DROP TABLE kept")
    assert not runs(data_dir)


def test_it_is_postgresql_18_with_our_database_and_no_network(data_dir: Path) -> None:
    with embedded_postgres(data_dir) as conninfo:
        assert value(conninfo, "SELECT current_database()") == "credit_ledger"
        assert str(value(conninfo, "SHOW server_version")).startswith("18.")
        assert value(conninfo, "SHOW listen_addresses") == ""
        assert value(conninfo, "SHOW shared_buffers") == "256MB"
        assert value(conninfo, "SHOW timezone") == "UTC"
        assert value(conninfo, "SELECT upper('straße ê') || ('a' > 'B')::text") == "STRAßE Êtrue"


@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit", "full_page_writes"])
def test_durability_is_never_traded_away(data_dir: Path, setting: str) -> None:
    with embedded_postgres(data_dir) as conninfo:
        assert value(conninfo, f"SHOW {setting}") == "on"


def test_the_last_of_several_processes_stops_it(data_dir: Path) -> None:
    with holding(data_dir) as first:
        with embedded_postgres(data_dir) as conninfo:
            pid = pid_of(data_dir)
            told_to_go_on(first)
            assert value(conninfo, "SELECT 1") == 1
            assert pid_of(data_dir) == pid
        assert not runs(data_dir)


def test_one_process_may_hold_it_twice(data_dir: Path) -> None:
    with embedded_postgres(data_dir):
        with embedded_postgres(data_dir) as conninfo:
            pass
        assert value(conninfo, "SELECT 1") == 1
    assert not runs(data_dir)


def test_a_process_that_was_killed_does_not_count(data_dir: Path) -> None:
    with holding(data_dir) as killed:
        killed.kill()
        killed.wait()
    assert runs(data_dir)
    pid = pid_of(data_dir)
    with embedded_postgres(data_dir):
        assert pid_of(data_dir) == pid
    assert not runs(data_dir)


def test_several_processes_that_start_at_once_share_one_server(data_dir: Path) -> None:
    with holding(data_dir) as one, holding(data_dir) as two, holding(data_dir) as three:
        for process in (one, two, three):
            told_to_go_on(process)
            assert process.returncode == 0
    assert not runs(data_dir)


def test_a_fork_that_leaves_does_not_stop_it(data_dir: Path) -> None:
    fork = "child = os.fork(); child or sys.exit(); os.waitpid(child, 0); asks()"
    with holding(data_dir, then=fork) as process:
        told_to_go_on(process)
        assert said_by(process) == "answer 42"
    assert not runs(data_dir)


def test_ctrl_c_stops_the_service_first_and_then_the_database(data_dir: Path) -> None:
    with holding(data_dir) as process:
        # What a terminal does: the signal goes to the whole group, children included.
        os.killpg(process.pid, signal.SIGINT)
        assert said_by(process) == "answer 42"
        assert process.wait(180) == 0
    assert not runs(data_dir)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_the_process_ends_the_server_too(data_dir: Path, number: int) -> None:
    with holding(data_dir) as process:
        process.send_signal(number)
        assert process.wait(180) == 128 + number
    assert not runs(data_dir)


def test_it_survives_kill_9(data_dir: Path) -> None:
    with embedded_postgres(data_dir) as conninfo:
        do(conninfo, "CREATE TABLE survives AS SELECT 42 AS answer")
        os.kill(pid_of(data_dir), signal.SIGKILL)
    with embedded_postgres(data_dir) as conninfo:
        assert value(conninfo, "SELECT answer FROM survives") == 42
        do(conninfo, "DROP TABLE survives")


def test_it_waits_for_the_last_children_of_a_killed_server(data_dir: Path) -> None:
    busy = b"DO $$ BEGIN WHILE clock_timestamp() < statement_timestamp() + interval '2 seconds' LOOP END LOOP; END $$"
    with embedded_postgres(data_dir) as conninfo:
        connection = psycopg.connect(conninfo, autocommit=True)
        connection.pgconn.send_query(busy)
        time.sleep(0.2)
        os.kill(pid_of(data_dir), signal.SIGKILL)
    with embedded_postgres(data_dir) as conninfo:
        assert value(conninfo, "SELECT 1") == 1
    connection.close()


def test_a_recycled_process_id_is_not_taken_for_the_server(data_dir: Path) -> None:
    with embedded_postgres(data_dir):
        pid_file = (data_dir / "postgres" / "postmaster.pid").read_text()
        owner = (data_dir / "postgres").stat()
    with subprocess.Popen(["sleep", "600"], user=owner.st_uid) as stranger:
        lines = [str(stranger.pid), *pid_file.splitlines()[1:]]
        (data_dir / "postgres" / "postmaster.pid").write_text("\n".join(lines) + "\n")
        with embedded_postgres(data_dir) as conninfo:
            assert value(conninfo, "SELECT 1") == 1
        assert stranger.poll() is None
        stranger.kill()


def test_a_killed_server_that_nobody_reaps_is_not_taken_for_a_live_one(data_dir: Path) -> None:
    with embedded_postgres(data_dir):
        pid_file = (data_dir / "postgres" / "postmaster.pid").read_text()
        owner = (data_dir / "postgres").stat()
    with subprocess.Popen(["true"], user=owner.st_uid) as zombie:
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)  # ended, and not reaped
        lines = [str(zombie.pid), *pid_file.splitlines()[1:]]
        (data_dir / "postgres" / "postmaster.pid").write_text("\n".join(lines) + "\n")
        (data_dir / "postgres" / ".s.PGSQL.5432.lock").write_text("\n".join(lines) + "\n")
        with embedded_postgres(data_dir) as conninfo:
            assert value(conninfo, "SELECT 1") == 1


def test_half_a_database_is_made_again(place: Path) -> None:
    unfinished = place / "postgres.unfinished"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    with embedded_postgres(place) as conninfo:
        assert value(conninfo, "SELECT 1") == 1
    assert not unfinished.exists()


def test_a_path_too_long_for_a_socket(place: Path) -> None:
    data_dir = place / ("long" * 30)
    with embedded_postgres(data_dir) as conninfo:
        assert value(conninfo, "SELECT 1") == 1
        folder = socket_folder(server_of(data_dir))
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.rmdir()


def test_a_socket_folder_that_others_may_enter_is_refused(place: Path) -> None:
    data_dir = place / ("long" * 30)
    folder = socket_folder(server_of(data_dir))
    folder.chmod(0o777)
    with pytest.raises(EmbeddedPostgresError, match="private"), embedded_postgres(data_dir):
        pass
    folder.rmdir()


def test_a_path_with_what_shells_and_lists_trip_over(place: Path) -> None:
    data_dir = place / "a b,c'd(ê)"
    with embedded_postgres(data_dir) as conninfo:
        assert value(conninfo, "SELECT 1") == 1
    socket_folder(server_of(data_dir)).rmdir()
    with embedded_postgres(place / "a b'd(ê)") as conninfo:
        assert value(conninfo, "SELECT 1") == 1


def test_the_environment_does_not_move_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, misleading in {"PGPORT": "77", "PGDATA": "/nowhere", "LC_ALL": "xx_XX"}.items():
        monkeypatch.setenv(name, misleading)
    with embedded_postgres(place) as conninfo:
        assert value(conninfo, "SELECT 1") == 1


@pytest.mark.skipif(machine_programs() is None, reason="this machine has no PostgreSQL of its own")
def test_another_postgresql_runs_the_same_way(place: Path) -> None:
    with embedded_postgres(place, machine_programs()) as conninfo:
        assert value(conninfo, "SELECT current_database()") == "credit_ledger"


def test_data_of_another_version_is_refused_and_left_alone(place: Path) -> None:
    (place / "postgres").mkdir()
    (place / "postgres" / "PG_VERSION").write_text("16\n")
    refusal = pytest.raises(EmbeddedPostgresError, match=r"PostgreSQL 16.*PostgreSQL 18")
    with refusal, embedded_postgres(place):
        pass
    assert [file.name for file in (place / "postgres").iterdir()] == ["PG_VERSION"]


def test_a_server_that_does_not_start_says_why(place: Path) -> None:
    with embedded_postgres(place):
        pass
    with (place / "postgres" / "postgresql.conf").open("a") as settings:
        settings.write("shared_buffers = 'plenty'\n")
    refusal = pytest.raises(EmbeddedPostgresError, match=r"postgresql\.conf.*contains errors")
    with refusal, embedded_postgres(place):
        pass


def test_a_data_directory_that_cannot_be_one_is_refused_plainly(place: Path) -> None:
    (place / "file").write_text("")
    with pytest.raises(EmbeddedPostgresError, match="file"), embedded_postgres(place / "file"):
        pass


def test_a_slow_start_is_waited_for_and_spoken_of(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(embedded, "PROGRESS_EVERY", 0.01)
    with embedded_postgres(data_dir):
        assert "the database is starting" in caplog.text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts it as somebody else")
def test_as_root_it_runs_as_a_user_who_may_pass_and_no_more(place: Path) -> None:
    above = place / "private"
    above.mkdir(mode=0o700)
    with embedded_postgres(above / "data"):
        process = Path(f"/proc/{pid_of(above / 'data')}")
        assert process.stat().st_uid != 0
        assert process.stat().st_uid == (above / "data" / "postgres").stat().st_uid
    assert not stat.S_IMODE(above.stat().st_mode) & stat.S_IRWXO, "nobody else may enter"
    assert not stat.S_IMODE((above / "data").stat().st_mode) & stat.S_IRWXO
    enters = subprocess.run(["/bin/sh", "-c", f"cd {above}"], cwd="/", user=65534, group=65534, check=False)
    assert enters.returncode != 0, "another user"
    assert stat.S_IMODE((above / "data" / "postgres").stat().st_mode) == 0o700
