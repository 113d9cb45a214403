"""Restart of the embedded PostgreSQL when it ends while a process uses it: killed, stopped, or out of room.

Every process that uses it checks it, and the first one that finds it missing starts it. The outcome of commands in
flight is found from the receipts, as after any lost connection.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from api.runtime.embedded.lifetime import start_existing, start_lock
from api.runtime.embedded.server import EmbeddedPostgresError, Server, packaged_programs, postmaster, server_in

CHECK_EVERY = 0.5
"""Seconds. Two checks in a row must find no server, because `pg_ctl restart` has none for a moment."""
_REPEAT = 60.0
"""Seconds between two log lines about a server that does not start."""

_log = logging.getLogger("credit_ledger.embedded")


@contextmanager
def kept_running(data_dir: Path, programs: Path | None = None) -> Iterator[None]:
    """Until the block ends, start the server of a data directory again when it ends. The caller must use it."""
    server = server_in(data_dir, programs or packaged_programs())
    stopping = threading.Event()
    thread = threading.Thread(target=_watch, args=[server, stopping], name="embedded-postgres", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def _watch(server: Server, stopping: threading.Event) -> None:
    missed, logged_at = False, -_REPEAT
    while not stopping.wait(CHECK_EVERY):
        gone = postmaster(server) is None
        if gone and missed:
            try:
                _start_again(server, stopping)
            except (EmbeddedPostgresError, OSError) as error:
                if time.monotonic() - logged_at > _REPEAT:
                    _log.error("the embedded database does not start again: %s", error)
                    logged_at = time.monotonic()
        missed = gone


def _start_again(server: Server, stopping: threading.Event) -> None:
    with start_lock(server.folder):
        if stopping.is_set() or postmaster(server) is not None:
            return  # another process has started it
        _log.error("the embedded database has ended: starting it again")
        began = time.monotonic()
        start_existing(server)
    _log.warning("the embedded database runs again after %.1f s", time.monotonic() - began)
