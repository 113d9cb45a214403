"""The database of a process: that of the settings or the embedded one, migrated or unchanged."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import quote, urlencode

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from api.components import COMPONENTS
from api.runtime.embedded.lifetime import embedded_postgres, embedded_postgres_alone
from api.runtime.embedded.restart import kept_running
from api.runtime.settings import Settings, WrongSetting, variable
from ledger.postgres.migrations import migrate
from ledger.postgres.roles import SERVICE, as_service, enable_triggers, make_login, set_up, with_service_role
from ledger.postgres.sessions import SharedSessions, require_own_sessions
from ledger.store import ledger_id_of
from projections.engine.builds import define

EMBEDDED_LOGIN = "credit_ledger"
"""The login of the service to the embedded database after the migration. It has no rights of its own."""


class Database(NamedTuple):
    """A migrated database."""

    owner: str
    """The conninfo for migrations."""
    service: str
    """The conninfo for everything else: in the role of the service, if there is one."""
    applied: list[str]
    """The migrations that were applied."""
    enabled: list[str]
    """The triggers against changes that were disabled, and are enabled again: `never_changed on ledger.events`."""
    shortfall: str | None
    """One line: why the service runs with the rights of its login, or lacks some in its role."""


@contextmanager
def migrated(settings: Settings) -> Iterator[Database]:
    """The database of the settings, or the embedded one, with all migrations and rights that this program needs.

    Raises EmbeddedPostgresError, MigrationError, WrongSetting and psycopg.OperationalError.
    """
    if settings.database_url is not None:
        service = _with_own_sessions("database_url", settings.database_url)
        owner = _with_own_sessions("owner_url", settings.owner_url) if settings.owner_url else service
        applied, enabled, shortfall = _set_up(owner)
        if settings.owner_url and ledger_id_of(owner) != ledger_id_of(service):
            raise WrongSetting(f"{variable('owner_url')} and {variable('database_url')} name two databases")
        taken = as_service(service, COMPONENTS)
        if taken != with_service_role(service):
            shortfall = shortfall or f"its login may not take the role {SERVICE}"
        yield Database(owner, taken, applied, enabled, shortfall)
        return
    if settings.owner_url is not None:
        raise WrongSetting(f"{variable('owner_url')} is set, and {variable('database_url')} is not")
    with embedded_postgres(settings.data_dir) as owner, kept_running(settings.data_dir):
        yield _embedded(owner)


@contextmanager
def embedded_alone(settings: Settings) -> Iterator[Database]:
    """The embedded database, migrated, while no other process uses it and none may: for a move to a server.

    Raises EmbeddedPostgresError, MigrationError and psycopg.OperationalError.
    """
    with embedded_postgres_alone(settings.data_dir) as owner:
        yield _embedded(owner)


def _embedded(owner: str) -> Database:
    applied, enabled, shortfall = _set_up(owner)
    make_login(owner, EMBEDDED_LOGIN)
    service = as_service(make_conninfo(owner, user=EMBEDDED_LOGIN), COMPONENTS)
    return Database(owner, service, applied, enabled, shortfall)


def _set_up(owner: str) -> tuple[list[str], list[str], str | None]:
    """Migrate, enable triggers, set up the role of the service, and define the builds of projections."""
    applied, enabled, shortfall = migrate(owner, COMPONENTS), enable_triggers(owner), set_up(owner, COMPONENTS)
    define(owner)
    return applied, enabled, shortfall


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The conninfo of a migrated database in the role of the service; raises what `migrated` does."""
    with migrated(settings) as found:
        yield found.service


@contextmanager
def unchanged_database(settings: Settings) -> Iterator[str]:
    """The conninfo of a database in which no migration is applied and no right is changed, for commands that only read.

    Raises EmbeddedPostgresError, WrongSetting and psycopg.OperationalError.
    """
    if settings.database_url is not None:
        yield as_service(_with_own_sessions("database_url", settings.database_url), COMPONENTS)
        return
    with embedded_postgres(settings.data_dir) as owner, kept_running(settings.data_dir):
        yield as_service(owner, COMPONENTS)


def _with_own_sessions(setting: str, url: SecretStr) -> str:
    """The conninfo of a setting. Raises WrongSetting if it leads to a connection pooler that shares sessions."""
    conninfo = url.get_secret_value()
    try:
        require_own_sessions(conninfo)
    except SharedSessions as error:
        raise WrongSetting(f"{variable(setting)}: {error}") from error
    return conninfo


def as_url(conninfo: str) -> str:
    """Connection parameters as the URL that CREDIT_LEDGER_DATABASE_URL takes."""
    if conninfo.startswith(("postgresql://", "postgres://")):
        return conninfo
    parts = {name: str(value) for name, value in conninfo_to_dict(conninfo).items()}
    return f"postgresql:///{quote(parts.pop('dbname', ''))}?{urlencode(parts, quote_via=quote)}"
