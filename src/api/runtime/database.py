"""The database that a command works on: the one of the settings or our own, migrated or as it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import quote, urlencode

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from api.components import COMPONENTS
from api.runtime.embedded import embedded_postgres
from api.runtime.embedded_restart import kept_running
from api.runtime.settings import Settings, WrongSetting, variable
from ledger.postgres.migrations import migrate
from ledger.postgres.roles import SERVICE, as_service, make_login, set_up, taking_the_role, wake_triggers
from ledger.postgres.sessions import SharedSessions, require_own_sessions
from ledger.store import ledger_id_of

EMBEDDED_LOGIN = "credit_ledger"
"""Who the service is to its own database, once that is migrated: nobody with rights of his own."""


class Database(NamedTuple):
    """A migrated database."""

    owner: str
    """The conninfo that migrates."""
    service: str
    """The conninfo of everything else: in the role of the service, if there is one."""
    applied: list[str]
    """The migrations that were missing."""
    woken: list[str]
    """The triggers that refuse changes and were off: `never_changed on ledger.events`."""
    shortfall: str | None
    """Why the service runs with the rights of its login, or lacks some in its role: one line."""


@contextmanager
def migrated(settings: Settings) -> Iterator[Database]:
    """The database that the settings name, or our own, in the form that this program needs.

    Raises EmbeddedPostgresError, MigrationError, WrongSetting and psycopg.OperationalError.
    """
    if settings.database_url is not None:
        service = _with_own_sessions("database_url", settings.database_url)
        owner = _with_own_sessions("owner_url", settings.owner_url) if settings.owner_url else service
        applied, woken, shortfall = migrate(owner, COMPONENTS), wake_triggers(owner), set_up(owner, COMPONENTS)
        if settings.owner_url and ledger_id_of(owner) != ledger_id_of(service):
            raise WrongSetting(f"{variable('owner_url')} and {variable('database_url')} name two databases")
        taken = as_service(service, COMPONENTS)
        if taken != taking_the_role(service):
            shortfall = shortfall or f"it may not take the role {SERVICE}"
        yield Database(owner, taken, applied, woken, shortfall)
        return
    if settings.owner_url is not None:
        raise WrongSetting(f"{variable('owner_url')} is set, and {variable('database_url')} is not")
    with embedded_postgres(settings.data_dir) as owner, kept_running(settings.data_dir):
        applied, woken, shortfall = migrate(owner, COMPONENTS), wake_triggers(owner), set_up(owner, COMPONENTS)
        make_login(owner, EMBEDDED_LOGIN)
        yield Database(
            owner, as_service(make_conninfo(owner, user=EMBEDDED_LOGIN), COMPONENTS), applied, woken, shortfall
        )


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The conninfo of a migrated database in the role of the service; raises what `migrated` does."""
    with migrated(settings) as found:
        yield found.service


@contextmanager
def as_it_is(settings: Settings) -> Iterator[str]:
    """The conninfo of a database in which nothing is migrated and no right is changed, for who only looks.

    Raises EmbeddedPostgresError, WrongSetting and psycopg.OperationalError.
    """
    if settings.database_url is not None:
        yield as_service(_with_own_sessions("database_url", settings.database_url), COMPONENTS)
        return
    with embedded_postgres(settings.data_dir) as owner, kept_running(settings.data_dir):
        yield as_service(owner, COMPONENTS)


def _with_own_sessions(setting: str, url: SecretStr) -> str:
    """The conninfo of a setting. Raises WrongSetting where a connection pooler is in the way."""
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
