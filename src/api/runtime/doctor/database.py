"""What the database is like: whether it answers, is durable and migrated, what its logins may do, and its clock."""

from collections.abc import Iterator

import psycopg
from psycopg.conninfo import make_conninfo

from api.components import COMPONENTS
from api.runtime.clock_agreement import MAX_OFFSET
from api.runtime.database import EMBEDDED_LOGIN
from api.runtime.doctor.finding import Finding, State, listed
from api.runtime.settings import Settings, variable
from ledger.clock import origin_now, seconds_since_start
from ledger.postgres.connecting import connect
from ledger.postgres.migrations import (
    OLDEST_SERVER,
    MigrationError,
    known_migrations,
    pending_migrations,
)
from ledger.postgres.named_sql import queries
from ledger.postgres.privileges import privileges
from ledger.postgres.roles import SERVICE, with_service_role

_SQL = queries("api.runtime", "sql/doctor.sql")
_TIME = queries("ledger.store")["database_time"]
_NOTICEABLE = 5.0
"""Seconds between the clocks that a running service does not follow at once."""
_MANY = 0.9
"""The part of all connections above which further ones may be refused."""


def server_findings(conninfo: str) -> Iterator[Finding]:
    """Look at the server. Raises psycopg.Error."""
    with connect(conninfo, autocommit=True) as connection:
        row = connection.execute(_SQL["server"]).fetchone()
        assert row is not None
        version, standby, read_only, unsafe, most, used = row
        yield _version(version)
        if standby or read_only:
            found = "it is a standby" if standby else "it accepts no changes (default_transaction_read_only)"
            advice = f"let {variable('database_url')} name the primary, with target_session_attrs=read-write"
            yield Finding("database", "problem", found, advice)
        yield _durability(unsafe)
        yield _connections(most, used)
        yield _clock(connection)


def _version(number: int) -> Finding:
    found = f"PostgreSQL {number // 10_000}.{number % 10_000}"
    if number < OLDEST_SERVER:
        return Finding("database", "problem", found, "use PostgreSQL 15 or later")
    return Finding("database", "ok", found)


def _durability(unsafe: list[str]) -> Finding:
    if unsafe:
        found = f"an acknowledged command can be lost ({listed(unsafe)})"
        return Finding("durability", "problem", found, "turn these settings of the server on")
    return Finding("durability", "ok", "what is acknowledged is on disk")


def _connections(most: int, used: int) -> Finding:
    found = f"{used} of {most} connections are in use"
    if used > most * _MANY:
        return Finding("connections", "warning", found, "raise max_connections, or end other programs")
    return Finding("connections", "ok", found)


def _clock(connection: psycopg.Connection) -> Finding:
    before = seconds_since_start()
    row = connection.execute(_TIME).fetchone()
    after = seconds_since_start()
    assert row is not None
    apart = origin_now() + (before + after) / 2 - row[0]
    found = f"the clocks of the machine and the database are {abs(apart):.1f} s apart"
    if abs(apart) <= _NOTICEABLE:
        return Finding("clock", "ok", found)
    state: State = "problem" if abs(apart) > MAX_OFFSET else "warning"
    return Finding("clock", state, found, "correct the wrong one: credits expire by the clock")


def migration_finding(conninfo: str) -> Finding:
    """Whether the database has the tables of this program. Raises psycopg.Error."""
    known = known_migrations(COMPONENTS)
    advice = "stop the service, make a backup, then run `credit-ledger migrate` as the owner, or start the service"
    try:
        with connect(conninfo, autocommit=True) as connection:
            pending = pending_migrations(connection, known)
    except MigrationError as error:
        return Finding("migrations", "problem", str(error))
    if pending is None:
        return Finding("migrations", "warning", "there is no ledger in the database", "the first start makes it")
    if pending:
        return Finding("migrations", "warning", f"the database lacks {listed([str(one) for one in pending])}", advice)
    return Finding("migrations", "ok", f"all {len(known)} are applied")


def rights_finding(settings: Settings, conninfo: str) -> Finding:
    """Whether the service may only append and read. Raises psycopg.Error."""
    if settings.database_url is None:
        conninfo = with_service_role(make_conninfo(conninfo, user=EMBEDDED_LOGIN))
    found = privileges(conninfo, COMPONENTS)
    if found.append_only:
        return Finding("rights", "ok", f"{found.session_user}, as {found.current_user}, appends and reads")
    if found.current_user != SERVICE:
        advice = f"run `credit-ledger migrate` as the owner, and let {found.session_user} take the role {SERVICE}"
        return Finding("rights", "warning", f"the service runs with the rights of {found.session_user}", advice)
    could = f"{found.session_user} could change what is recorded ({listed(found.could)})"
    return Finding("rights", "warning", could, "give the service a login of its own: docs/operations.md, Roles")
