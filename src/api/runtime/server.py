"""Starting the service: one process, or a parent that watches over several."""

import logging
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.log import LogLevels

from api.runtime.announcement import START, announced
from api.runtime.checkpoints import hold_against_checkpoints
from api.runtime.database import Database, as_url, migrated
from api.runtime.listen_address import CannotListen, ListenAddress
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

Beside = Callable[[str], AbstractContextManager[Sequence[str]]]
"""What goes on beside a service while it serves; it is handed the service's conninfo, and returns lines to print."""


def _nothing(_: str) -> AbstractContextManager[Sequence[str]]:
    return nullcontext(())


def serve(settings: Settings, address: ListenAddress, beside: Beside = _nothing) -> None:
    """Serve on an address that is claimed, until told to stop: what is in flight then is finished, and the embedded
    database stops last."""
    with migrated(settings) as found, _shared_metrics(settings):
        for name in found.applied:
            _log.info("migrated: %s", name)
        prepare(found.service)
        hold_against_checkpoints(settings, found.service)
        _warn(found)
        key = _words_on_the_key(create_first_key(found.service)) if settings.admin_key is None else []
        here = f"Credit ledger: {address.url}  (API description: /docs)"
        os.environ[variable("database_url")] = as_url(found.service)  # worker processes find it there
        os.environ[ORIGIN] = repr(agree_on_time(found.service))
        os.environ.pop(variable("owner_url"), None)  # and have no business with this
        start = os.environ[START] = secrets.token_hex(8)
        with projecting(), beside(found.service) as links, announced(address, start, [here, *links], key):
            _serve_http(settings, address)


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


def _words_on_the_key(first_key: str | None) -> list[str]:
    if first_key is None:
        return ["Admin key: made at an earlier start; `credit-ledger keys create` makes another."]
    return [f"Admin key (shown this once): {first_key}"]


@contextmanager
def _shared_metrics(settings: Settings) -> Iterator[None]:
    """Where several workers add up their metrics; one alone keeps them in memory."""
    if settings.workers == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="credit-ledger-metrics-") as shared:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = shared
        yield


def _serve_http(settings: Settings, address: ListenAddress) -> None:
    """Worker processes on one port; one that is killed is started again.

    The server's own threads read and write HTTP, so that the Python thread is left to the ledger.
    """
    import_module(_APP)  # once for all workers, and before they are forked: there they are deaf until it is done
    server = Granian(
        f"{_APP}:from_environment",
        factory=True,
        interface=Interfaces.ASGI,
        address=str(address.ips[0]),
        port=address.port,
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
    logging.getLogger("_granian").addFilter(_is_true)
    with _plain_refusal(address):
        server.serve()


@contextmanager
def _plain_refusal(address: ListenAddress) -> Iterator[None]:
    """Somebody may take the port after it was looked at; the server tells that with a trace of its own."""
    try:
        yield
    except RuntimeError as error:
        reason, known, _ = str(error).partition(" (os error ")
        if not known:
            raise
        raise CannotListen(f"nothing can listen on port {address.port} of {address.host}: {reason}") from None


def _is_true(record: logging.LogRecord) -> bool:
    """The server says that it listens before its workers do."""
    return not record.getMessage().startswith("Listening at")
