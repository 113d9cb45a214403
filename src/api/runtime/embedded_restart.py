"""The embedded PostgreSQL is started again when it ends while somebody holds it: killed, stopped, or out of room.

Every holder looks, so there is always one who does; whoever comes first starts it. What was in flight is settled by the
receipts, as after any lost connection.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from api.runtime.embedded import alone, started_again
from api.runtime.embedded_server import EmbeddedPostgresError, Server, packaged_programs, postmaster, server_in

LOOK_EVERY = 0.5
"""Seconds. It is missed when two looks in a row do not find it: `pg_ctl restart` has no server for a moment."""
_REPEAT = 60.0
"""Seconds between two lines in the log about a server that does not start."""

_log = logging.getLogger("credit_ledger.embedded")


@contextmanager
def kept_running(data_dir: Path, programs: Path | None = None) -> Iterator[None]:
    """A thread that starts the server of a data directory again, until the block ends. For who holds that server."""
    server = server_in(data_dir, programs or packaged_programs())
    stopping = threading.Event()
    thread = threading.Thread(target=_look_after, args=[server, stopping], name="embedded-postgres", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def _look_after(server: Server, stopping: threading.Event) -> None:
    missed, said_at = False, -_REPEAT
    while not stopping.wait(LOOK_EVERY):
        gone = postmaster(server) is None
        if gone and missed:
            try:
                _start_again(server, stopping)
            except (EmbeddedPostgresError, OSError) as error:
                if time.monotonic() - said_at > _REPEAT:
                    _log.error("the embedded database does not start again: %s", error)
                    said_at = time.monotonic()
        missed = gone


def _start_again(server: Server, stopping: threading.Event) -> None:
    with alone(server.folder):
        if stopping.is_set() or postmaster(server) is not None:
            return  # somebody else was quicker
        _log.error("the embedded database has ended; starting it again")
        began = time.monotonic()
        started_again(server)
    _log.warning("the embedded database runs again after %.1f s", time.monotonic() - began)
