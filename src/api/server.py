"""Starting the service: one process, or a parent that watches over several."""

import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from typing import NamedTuple
from urllib.parse import quote, urlencode

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.log import LogLevels
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from api.checkpoints import hold_against_checkpoints
from api.embedded import embedded_postgres
from api.keys import create_first_key
from api.projector import projecting
from api.settings import Settings, WrongSetting, variable
from api.timekeeping import ORIGIN, agree_on_time
from ledger.migrations import ledger_id, migrate
from ledger.privileges import privileges
from ledger.roles import SERVICE, as_service, make_login, set_up, taking_the_role
from projections.builds import prepare

EMBEDDED_LOGIN = "credit_ledger"
"""Who the service is to its own database, once that is migrated: nobody with rights of his own."""

MAX_REQUESTS = 8_192
"""Requests that a worker has in hand at once; those beyond wait at the socket."""

STOP = 8
"""Seconds that requests in hand may still take when the service stops: a client that does not read would hold it up for
ever. What was asked of the ledger is safe by then, answered or not."""

_APP = "api.app"
"""Imported late: whether metrics are shared among processes is decided at its import."""

_log = logging.getLogger("credit_ledger.server")


class Database(NamedTuple):
    """A migrated database."""

    owner: str
    """The conninfo that migrates."""
    service: str
    """The conninfo of everything else: in the role of the service, if there is one."""
    applied: list[str]
    """The migrations that were missing."""
    shortfall: str | None
    """Why the service runs with the rights of its login, or lacks some in its role: one line."""


@contextmanager
def migrated(settings: Settings) -> Iterator[Database]:
    """The database that the settings name, or our own, in the form that this program needs.

    Raises EmbeddedPostgresError, MigrationError, WrongSetting and psycopg.OperationalError.
    """
    if settings.database_url is not None:
        service = settings.database_url.get_secret_value()
        owner = settings.owner_url.get_secret_value() if settings.owner_url else service
        applied, shortfall = migrate(owner), set_up(owner)
        if settings.owner_url and ledger_id(owner) != ledger_id(service):
            raise WrongSetting(f"{variable('owner_url')} and {variable('database_url')} name two databases")
        taken = as_service(service)
        if taken != taking_the_role(service):
            shortfall = shortfall or f"it may not take the role {SERVICE}"
        yield Database(owner, taken, applied, shortfall)
        return
    if settings.owner_url is not None:
        raise WrongSetting(f"{variable('owner_url')} is set, and {variable('database_url')} is not")
    with embedded_postgres(settings.data_dir) as owner:
        applied, shortfall = migrate(owner), set_up(owner)
        make_login(owner, EMBEDDED_LOGIN)
        yield Database(owner, as_service(make_conninfo(owner, user=EMBEDDED_LOGIN)), applied, shortfall)


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The conninfo of a migrated database in the role of the service; raises what `migrated` does."""
    with migrated(settings) as found:
        yield found.service


@contextmanager
def as_it_is(settings: Settings) -> Iterator[str]:
    """The conninfo of a database in which nothing is migrated and no right is changed, for who only looks.

    Raises EmbeddedPostgresError and psycopg.OperationalError.
    """
    if settings.database_url is not None:
        yield as_service(settings.database_url.get_secret_value())
        return
    with embedded_postgres(settings.data_dir) as owner:
        yield as_service(owner)


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
    """Of what the service could do that it has no need of."""
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


def as_url(conninfo: str) -> str:
    """Connection parameters as the URL that CREDIT_LEDGER_DATABASE_URL takes."""
    if conninfo.startswith(("postgresql://", "postgres://")):
        return conninfo
    parts = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
    return f"postgresql:///{quote(parts.pop('dbname', ''))}?{urlencode(parts, quote_via=quote)}"
