"""Starting the service: one process, or a parent that watches over several."""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

import uvicorn
from psycopg.conninfo import conninfo_to_dict

from api.embedded import embedded_postgres
from api.keys import create_first_key
from api.settings import Settings, variable
from ledger.migrations import migrate

_log = logging.getLogger("credit_ledger.server")


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The database that the settings name, or our own."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    with embedded_postgres(settings.data_dir) as conninfo:
        yield conninfo


def serve(settings: Settings) -> None:
    """Serve until told to stop: what is in flight then is finished, and the embedded database stops last."""
    with database(settings) as conninfo:
        for name in migrate(conninfo):
            _log.info("migrated: %s", name)
        _announce(settings, create_first_key(conninfo) if settings.admin_key is None else None)
        if settings.workers == 1:
            _serve_alone(settings, conninfo)
        else:
            _serve_together(settings, conninfo)


def _announce(settings: Settings, first_key: str | None) -> None:
    if first_key is not None:
        print(f"Admin key (shown this once): {first_key}")
    elif settings.admin_key is None:
        print("Admin key: made at an earlier start; `credit-ledger keys create` makes another.")
    if settings.port:
        print(f"Credit ledger: http://{settings.host}:{settings.port}  (API description: /docs)", flush=True)


def _serve_alone(settings: Settings, conninfo: str) -> None:
    from api.app import create_app

    uvicorn.run(create_app(settings, conninfo), **_options(settings))


def _serve_together(settings: Settings, conninfo: str) -> None:
    """Several processes on one port and one database; any of them may be killed and is started again."""
    with tempfile.TemporaryDirectory(prefix="credit-ledger-metrics-") as shared:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = shared
        os.environ[variable("database_url")] = as_url(conninfo)
        uvicorn.run("api.app:from_environment", factory=True, workers=settings.workers, **_options(settings))


def as_url(conninfo: str) -> str:
    """Connection parameters as the URL that CREDIT_LEDGER_DATABASE_URL takes."""
    if conninfo.startswith(("postgresql://", "postgres://")):
        return conninfo
    parts = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
    return f"postgresql:///{quote(parts.pop('dbname'))}?{urlencode(parts)}"


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "host": settings.host,
        "port": settings.port,
        "loop": "uvloop",
        "http": "httptools",
        "log_level": settings.log_level,
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": 10,
    }
