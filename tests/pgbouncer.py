"""A real PgBouncer before a server of the tests, in the pool mode that a test asks for."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.service import free_port, wait_for

PoolMode = Literal["session", "transaction", "statement"]

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
"""Debian's package has it where only root looks; see scripts/test."""

_SETTINGS = """
[databases]
* = host={server} port={server_port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = {mode}
ignore_startup_parameters = options, extra_float_digits
default_pool_size = 20
"""


class PgBouncer:
    """A running pooler."""

    def __init__(self, process: "subprocess.Popen[bytes]", settings: Path, conninfo: str) -> None:
        self._process = process
        self._settings = settings
        self.conninfo = conninfo

    def change(self, before: PoolMode, after: PoolMode) -> None:
        """Go on in another mode, with the connections that there are: what an operator's RELOAD does."""
        text = self._settings.read_text()
        self._settings.write_text(text.replace(f"pool_mode = {before}", f"pool_mode = {after}"))
        self._process.send_signal(signal.SIGHUP)


@contextmanager
def running_pgbouncer(conninfo: str, mode: PoolMode, more: str = "", *, port: int | None = None) -> Iterator[PgBouncer]:
    """A PgBouncer before the server of `conninfo` until the block ends; `more` are lines of its settings."""
    assert PROGRAM is not None
    parts = conninfo_to_dict(conninfo)
    server, port = Path(str(parts["host"])), port or free_port()
    with TemporaryDirectory(prefix="credit-ledger-test-") as name:
        settings, users = Path(name) / "pgbouncer.ini", Path(name) / "users.txt"
        users.write_text(f'"{parts["user"]}" ""\n')
        filled = _SETTINGS.format(server=server, server_port=parts["port"], port=port, users=users, mode=mode)
        settings.write_text(f"{filled}{more}\n")
        with _running(server.stat(), settings) as process:
            pooled = make_conninfo(conninfo, host="127.0.0.1", port=port)
            wait_for(lambda: process.poll() is not None or _answers(pooled))
            yield PgBouncer(process, settings, pooled)


@contextmanager
def _running(owner: os.stat_result, settings: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """As root, it runs as the owner of the server: nobody else may enter the folder of its socket."""
    command = [PROGRAM or "", "-q", str(settings)]
    if os.geteuid() == 0:
        os.chown(settings.parent, owner.st_uid, owner.st_gid)
        process = subprocess.Popen(command, user=owner.st_uid, group=owner.st_gid, extra_groups=[])
    else:
        process = subprocess.Popen(command)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def _answers(conninfo: str) -> bool:
    try:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            return connection.execute("SELECT true").fetchone() == (True,)
    except psycopg.OperationalError:
        return False
