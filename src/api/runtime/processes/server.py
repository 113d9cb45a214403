"""The server: the parent process of the service, and its worker processes."""

import gc
import logging
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels

from api.components import COMPONENTS
from api.runtime.catalog import put_catalog
from api.runtime.checkpoints import check_against_checkpoints
from api.runtime.clock_agreement import ORIGIN, agree_on_time
from api.runtime.database import Database, as_url, migrated
from api.runtime.listening.announcement import START, announced
from api.runtime.listening.certificate import check_certificate
from api.runtime.listening.connections import places
from api.runtime.listening.listen_address import CannotListen, ListenAddress, bind, links_need_public_url, resolve
from api.runtime.metrics.shared_folder import sharing_metrics
from api.runtime.people.mail import where_mail_goes
from api.runtime.people.sign_in import registration_of, who_signs_in
from api.runtime.processes.children.waiting_fork import WaitingFork
from api.runtime.processes.draining import drain_before_stop
from api.runtime.processes.garbage_collection import import_without_collection
from api.runtime.processes.logs import for_the_server
from api.runtime.processes.projector import projecting
from api.runtime.processes.rate_sharing import sharing_rates
from api.runtime.processes.restarts import FOLDER, Restarts
from api.runtime.processes.secret_environment import remove
from api.runtime.processes.worker_group import grouping_workers
from api.runtime.settings import FILE, Settings, variable
from api.runtime.telemetry.telemetry import why_not
from ledger.postgres.migrations import known_migrations
from ledger.postgres.privileges import privileges
from people.api_keys import create_first_key
from projections.engine.builds import prepare

IDLE = 65
"""Seconds in which the whole head of a request must arrive, after the connection began or the last answer was sent. It
is longer than load balancers keep a connection that is idle, which is a minute, so that they close it first."""

MAX_HEAD = 32 * 1024
"""The largest head of a request, in bytes. A connection keeps no more in memory until the application takes it."""

STOP = 8
"""Seconds that open requests may take when the service stops. A client that does not read would block it for ever.
Commands that were committed are safe, whether they were answered or not."""

_APP = "api.app"
"""Imported late, because its import decides whether metrics are shared among processes."""

_log = logging.getLogger("credit_ledger.server")

Companion = Callable[[str], AbstractContextManager[Sequence[str]]]
"""Work that runs while the service serves. It gets the conninfo of the service, and returns lines to print."""


def _nothing(_: str) -> AbstractContextManager[Sequence[str]]:
    return nullcontext(())


def serve(
    settings: Settings, address: ListenAddress, companion: Companion = _nothing, *, first: WaitingFork | None = None
) -> None:
    """Serve on a claimed address until a signal ends the service. Open requests are answered before it stops, and the
    embedded database stops last. `first` is the first projector, if it waits already."""
    check_ops_address(settings)
    check_certificate(settings)
    with migrated(settings) as found, sharing_metrics(settings), sharing_rates(settings), grouping_workers(settings):
        _say_migrated(found.applied)
        prepare(found.service)
        put_catalog(settings, found.service)
        check_against_checkpoints(settings, found.service)
        _warn(found)
        if silent := why_not(os.environ):
            _log.warning("%s", silent)
        registration = registration_of(settings)
        if (mail := where_mail_goes(settings)) and registration != "off":
            _log.info("%s", mail)
        if links_need_public_url(settings):
            _log.warning("%s is not set, so the service makes no portal links", variable("public_url"))
        key = _key_lines(create_first_key(found.service)) if settings.admin_key is None else []
        here = f"Credit ledger: {address.url}  (API: /docs, pages: /dashboard)"
        _log.info("%s", who_signs_in(settings))
        remove(*(variable(name) + end for name in ("database_url", "owner_url") for end in ("", FILE)))
        os.environ[variable("database_url")] = as_url(found.service)  # worker processes find it there
        os.environ[ORIGIN] = repr(agree_on_time(found.service))
        for name in ("host", "port"):  # they may be options of the command line
            os.environ[variable(name)] = str(getattr(settings, name))
        os.environ[variable("registration")] = registration  # workers do not know whether the database is embedded
        start = os.environ[START] = secrets.token_hex(8)
        with (
            _restarts() as restarts,
            projecting(restarts, first),
            companion(found.service) as links,
            announced(address, start, [here, *links], key),
        ):
            _serve_http(settings, address)


def _say_migrated(applied: Sequence[str]) -> None:
    """Log each migration, and those of a new database as one: nobody has to know their names."""
    if len(applied) == len(known_migrations(COMPONENTS)):
        _log.info("made the tables of a new ledger (%d migrations)", len(applied))
        return
    for name in applied:
        _log.info("migrated: %s", name)


@contextmanager
def _restarts() -> Iterator[Restarts]:
    """The folder in which this process and its workers note the parts that ended."""
    with tempfile.TemporaryDirectory(prefix="credit-ledger-restarts-") as folder:
        os.environ[FOLDER] = folder
        yield Restarts(Path(folder))


def check_ops_address(settings: Settings) -> None:
    """Raise CannotListen if nothing can listen on the operators' port: every worker would end."""
    if settings.ops_port is None:
        return
    address = resolve(settings.ops_host, settings.ops_port, "ops_host")
    try:
        bind(address.ips[0], address.port, beside_others=True)
    except OSError as error:
        reason = f"nothing can listen on port {address.port} of {address.host}: {error.strerror}"
        raise CannotListen(f"{variable('ops_port')}: {reason}") from None


def _warn(found: Database) -> None:
    """Warn of disabled triggers, and of rights that the service does not need."""
    for trigger in found.enabled:
        _log.warning(
            "the trigger %s was disabled and is enabled again: meanwhile the database did not refuse changes", trigger
        )
    held = privileges(found.service, COMPONENTS)
    if not held.append_only:
        reasons = [*([found.shortfall] if found.shortfall else []), *held.could]
        _log.warning(
            "the service has rights to change recorded events: %s (see docs/operations.md, Roles)", "; ".join(reasons)
        )


def _key_lines(first_key: str | None) -> list[str]:
    if first_key is None:
        return ["Admin key: created at an earlier start. `credit-ledger keys create` creates another."]
    return [f"Admin key (shown this once): {first_key}"]


def _serve_http(settings: Settings, address: ListenAddress) -> None:
    """Run the worker processes on one port. A worker that is killed is started again.

    Threads of the server read and write HTTP, so that the Python thread is free for the ledger.
    """
    import_without_collection(_APP)  # before the fork: during the import a worker would not react to signals
    gc.freeze()  # workers neither look at what they share with this process, nor copy it
    server = Granian(
        f"{_APP}:from_environment",  # only a name: `_load_app` makes it
        interface=Interfaces.ASGI,
        address=str(address.ips[0]),
        port=address.port,
        workers=settings.workers,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        websockets=False,
        backlog=4_096,
        backpressure=places(),
        http1_settings=HTTP1Settings(header_read_timeout=IDLE * 1_000, max_buffer_size=MAX_HEAD),
        log_level=LogLevels(settings.log_level),
        log_access=False,
        log_dictconfig=for_the_server(settings.log_format),
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=STOP,
        ssl_cert=settings.tls_certificate,
        ssl_key=settings.tls_key,
    )
    drain_before_stop(server.on_startup, settings.drain_seconds)
    logging.getLogger("_granian").addFilter(_is_not_early)
    with _listen_errors(address):
        server.serve(target_loader=_load_app, wrap_loader=False)


def _load_app() -> Any:
    """The application in a worker. The server's own loader would look for its module where the service was started."""
    return import_module(_APP).from_environment()


@contextmanager
def _listen_errors(address: ListenAddress) -> Iterator[None]:
    """Report in one line if another program takes the port after the check; the server would print a traceback."""
    try:
        yield
    except RuntimeError as error:
        reason, known, _ = str(error).partition(" (os error ")
        if not known:
            raise
        raise CannotListen(f"nothing can listen on port {address.port} of {address.host}: {reason}") from None


def _is_not_early(record: logging.LogRecord) -> bool:
    """Drop the line with which the server announces that it listens, before its workers do."""
    return not record.getMessage().startswith("Listening at")
