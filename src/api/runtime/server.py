"""Starting the service: one process, or a parent that watches over several."""

import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.log import LogLevels

from api.runtime.checkpoints import hold_against_checkpoints
from api.runtime.database import Database, as_url, migrated
from api.runtime.projector import projecting
from api.runtime.settings import Settings, variable
from api.runtime.timekeeping import ORIGIN, agree_on_time
from ledger.postgres.privileges import privileges
from people.api_keys import create_first_key
from projections.engine.builds import prepare

MAX_REQUESTS = 8_192
"""Requests that a worker has in hand at once; those beyond wait at the socket."""

STOP = 8
"""Seconds that requests in hand may still take when the service stops: a client that does not read would hold it up for
ever. What was asked of the ledger is safe by then, answered or not."""

_APP = "api.app"
"""Imported late: whether metrics are shared among processes is decided at its import."""

_log = logging.getLogger("credit_ledger.server")

Beside = Callable[[str], AbstractContextManager[None]]
"""What goes on beside a service while it serves; it is handed the service's conninfo."""


def _nothing(_: str) -> AbstractContextManager[None]:
    return nullcontext()


def serve(settings: Settings, beside: Beside = _nothing) -> None:
    """Serve until told to stop: what is in flight then is finished, and the embedded database stops last."""
    with migrated(settings) as found, _shared_metrics(settings):
        for name in found.applied:
            _log.info("migrated: %s", name)
        prepare(found.service)
        hold_against_checkpoints(settings, found.service)
        _warn(found)
        _announce(settings, create_first_key(found.service) if settings.admin_key is None else None)
        os.environ[variable("database_url")] = as_url(found.service)  # worker processes find it there
        os.environ[ORIGIN] = repr(agree_on_time(found.service))
        os.environ.pop(variable("owner_url"), None)  # and have no business with this
        with projecting(), beside(found.service):
            _serve_http(settings)


def _warn(found: Database) -> None:
    """Of what somebody could have done, and of what the service could do that it has no need of."""
    for trigger in found.woken:
        _log.warning("the trigger %s was off, and is on again: what it refuses could be done meanwhile", trigger)
    able = privileges(found.service)
    if not able.append_only:
        reasons = [*([found.shortfall] if found.shortfall else []), *able.could]
        _log.warning(
            "the service could change what is recorded: %s (see docs/operations.md, Roles)", "; ".join(reasons)
        )


def _announce(settings: Settings, first_key: str | None) -> None:
    if first_key is not None:
        print(f"Admin key (shown this once): {first_key}")
    elif settings.admin_key is None:
        print("Admin key: made at an earlier start; `credit-ledger keys create` makes another.")
    print(f"Credit ledger: http://{settings.host}:{settings.port}  (API description: /docs)", flush=True)


@contextmanager
def _shared_metrics(settings: Settings) -> Iterator[None]:
    """Where several workers add up their metrics; one alone keeps them in memory."""
    if settings.workers == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="credit-ledger-metrics-") as shared:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = shared
        yield


def _serve_http(settings: Settings) -> None:
    """Worker processes on one port; one that is killed is started again.

    The server's own threads read and write HTTP, so that the Python thread is left to the ledger.
    """
    import_module(_APP)  # once for all workers, and before they are forked: there they are deaf until it is done
    server = Granian(
        f"{_APP}:from_environment",
        factory=True,
        interface=Interfaces.ASGI,
        address=settings.host,
        port=settings.port,
        workers=settings.workers,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        websockets=False,
        backlog=4_096,
        backpressure=MAX_REQUESTS,
        log_level=LogLevels(settings.log_level),
        log_access=False,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=STOP,
    )
    server.serve()
