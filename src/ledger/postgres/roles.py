"""The role of the service: it appends and reads, and cannot change what was appended.

It is one group role for all ledgers of a server, and it has no login. The files grants.sql, beside the migrations, list
its rights in a database; `set_up` grants these and revokes all others. Every connection of the service takes the role
(`as_service`), so that it has no other rights, whichever login it uses. The role may make nothing but temporary tables:
a trigger or a function of its own would run in sessions of others, who may return to the rights of their logins.

The caller passes the components whose grants.sql count.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import psycopg
from psycopg import pq, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ledger.postgres.components import Component, Components
from ledger.postgres.connecting import connect
from ledger.postgres.named_sql import queries

SERVICE = "credit_ledger_service"

_ROLE = sql.Identifier(SERVICE)
_SQL = queries("ledger.postgres", "sql/roles.sql")
_GRANT = re.compile(rf"^GRANT ([A-Z, ]+) ON ([A-Z]+) (\S+) TO {SERVICE};$", re.MULTILINE)
_ON_BUILDS = {"SCHEMA": ("USAGE",), "TABLE": ("SELECT", "INSERT", "UPDATE", "DELETE")}
"""The rights on each build of a projection, as projections.make_build grants them."""
_TRIES = 5
_ALREADY_EXISTS = (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation)
_CONCURRENT_SETUP = (*_ALREADY_EXISTS, psycopg.errors.InternalError_, psycopg.errors.DeadlockDetected)
"""The errors when two processes set up roles on a server at once; `tuple concurrently updated` is an internal error."""

Connection = psycopg.Connection[Any]


class Right(NamedTuple):
    """One privilege of the role on one object, such as SELECT on TABLE ledger.events."""

    kind: str
    name: str
    privilege: str


class _RoleStatus(NamedTuple):
    """The login, whether the role exists, and whether the login may take it."""

    login: str
    there: bool
    takes: bool


def wanted_rights(components: Components) -> set[Right]:
    """All rights that the role needs. `{database}` stands for the name of the database."""
    found = set()
    for component in components:
        for privileges, kind, name in _GRANT.findall(_grants_sql(component)):
            found |= {Right(kind, name, privilege) for privilege in privileges.split(", ")}
    return found


def _grants_sql(component: Component) -> str:
    """The text of grants.sql; empty for a component that no longer has tables."""
    file = component.sql.joinpath("grants.sql")
    return file.read_text() if file.is_file() else ""


def set_up(conninfo: str, components: Components) -> str | None:
    """Make the role if it is missing, and give it exactly the rights that this program needs in this database.

    The owner of the tables calls it after migrating; any login may call it when nothing is to do. Several processes may
    run it at once. Returns None when all is done, else one line that says what this login may not do.
    """
    with connect(conninfo, autocommit=True) as connection:
        for _ in range(_TRIES - 1):
            try:
                return _set_up(connection, components)
            except _CONCURRENT_SETUP:
                continue  # another process has done part of it meanwhile
        return _set_up(connection, components)


def enable_triggers(conninfo: str) -> list[str]:
    """Enable the triggers that refuse changes and are disabled, and return their names with their tables.

    It enables only triggers on tables that the login owns.
    """
    with connect(conninfo) as connection:
        connection.execute(_SQL["lock"])
        disabled = connection.execute(_SQL["disabled_triggers"]).fetchall()
        for on_table, name in disabled:
            connection.execute(sql.SQL(f"ALTER TABLE {on_table} ENABLE ALWAYS TRIGGER {name}").format())
    return [f"{name} on {on_table}" for on_table, name in disabled]


def _set_up(connection: Connection, components: Components) -> str | None:
    login = _role_status(connection).login
    try:
        if not _role_status(connection).there:
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(_ROLE))
    except psycopg.errors.InsufficientPrivilege:
        return f"{login} may not make the role {SERVICE}"
    _grant_membership(connection)
    try:
        _carry_out(connection, partial(_grants, components=components))
    except psycopg.errors.InsufficientPrivilege as error:
        return f"{login} may not give the role {SERVICE} what it needs: {error.diag.message_primary}"
    # A login that may not grant gets a warning from the server, not an error.
    left = [statement.as_string(connection) for statement in _grants(connection, components)]
    return f"{login} may not {'; '.join(left)}" if left else None


def _carry_out(connection: Connection, missing: Callable[[Connection], list[sql.Composed]]) -> None:
    if missing(connection):
        with connection.transaction():
            connection.execute(_SQL["lock"])
            for statement in missing(connection):
                connection.execute(statement)


def _grant_membership(connection: Connection) -> None:
    """Let the login take the role: the creator of a role is not a member of it, unless it is a superuser."""
    if not _role_status(connection).takes:
        try:
            connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(_ROLE))
        except psycopg.errors.InsufficientPrivilege:
            return  # the owner need not take it: the service may have its own login


def _role_status(connection: Connection) -> _RoleStatus:
    row = connection.execute(_SQL["role_status"], {"service": SERVICE}).fetchone()
    assert row is not None
    return _RoleStatus(*row)


def _grants(connection: Connection, components: Components) -> list[sql.Composed]:
    """The statements that give the role exactly the rights that it needs; none when it has them."""
    lacking, excess = _differences(connection, components)
    names = {"database": sql.Identifier(connection.info.dbname), "role": _ROLE}
    give = [sql.SQL(f"GRANT {privilege} ON {kind} {name} TO {{role}}") for kind, name, privilege in lacking]
    take = [sql.SQL(f"REVOKE {privilege} ON {kind} {name} FROM {{role}}") for kind, name, privilege in excess]
    return [statement.format(**names) for statement in [*give, *take]]


def _differences(connection: Connection, components: Components) -> tuple[list[Right], list[Right]]:
    """The rights that the role lacks, and those that it has but does not need."""
    schemas = [component.schema for component in components]
    prefixes = {"service": SERVICE, "prefixes": _prefixes(components)}
    builds = [name for (name,) in connection.execute(_SQL["builds"], prefixes)]
    found = connection.execute(_SQL["rights"], {"service": SERVICE, "schemas": schemas + builds}).fetchall()
    there = {(kind, name) for kind, name, _ in found}  # rights on missing objects cannot be granted
    wanted = {right for right in wanted_rights(components) if (right.kind, right.name) in there}
    wanted |= {Right(*what, privilege) for what in there if _is_of(builds, *what) for privilege in _ON_BUILDS[what[0]]}
    granted = {Right(kind, name, privilege) for kind, name, privilege in found if privilege is not None}
    return sorted(wanted - granted), sorted(granted - wanted)


def _prefixes(components: Components) -> list[str]:
    return [component.builds for component in components if component.builds]


def _is_of(builds: Sequence[str], kind: str, name: str) -> bool:
    """Whether an object is one of some schemas, or a table in one. Their names need no quotation marks."""
    return kind in _ON_BUILDS and name.partition(".")[0] in builds


def as_service(conninfo: str, components: Components) -> str:
    """The conninfo with the role of the service.

    It returns the conninfo unchanged when the role is missing or lacks a right, or when the login may not take it.
    """
    with connect(conninfo, autocommit=True) as connection:
        takes = _role_status(connection).takes
        lacking, _ = _differences(connection, components)
        if not takes or lacking:
            return conninfo
    return with_service_role(conninfo)


def with_service_role(conninfo: str) -> str:
    """The conninfo with the option that makes its connections take the role; its other options stay."""
    options = conninfo_to_dict(conninfo).get("options") or _default("options")
    role = f"-c role={SERVICE}"
    if str(options).endswith(role):
        return conninfo
    return make_conninfo(conninfo, options=f"{options} {role}".strip())


def _default(parameter: str) -> str:
    """libpq's default of a parameter, which includes the environment variables of libpq."""
    found = (default.val for default in pq.Conninfo.get_defaults() if default.keyword == parameter.encode())
    return (next(found) or b"").decode()


def make_login(conninfo: str, name: str, password: str | None = None) -> bool:
    """Make a login that may take the role. An existing login only gets that right, and the result is False.

    The password itself does not reach the server or its log, only its SCRAM verifier does. Raises
    psycopg.errors.InsufficientPrivilege.
    """
    login = sql.Identifier(name)
    member = sql.SQL("GRANT {} TO {}").format(_ROLE, login)
    with connect(conninfo, autocommit=True) as connection:
        try:
            with connection.transaction():  # no login is made that may not take the role
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN {}").format(login, _password_clause(connection, name, password))
                )
                connection.execute(member)
        except _ALREADY_EXISTS:
            if not _is_member(connection, name):
                connection.execute(member)
            return False
    return True


def _password_clause(connection: Connection, name: str, password: str | None) -> sql.Composable:
    if password is None:
        return sql.SQL("")
    verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
    return sql.SQL("PASSWORD {}").format(verifier.decode())


def _is_member(connection: Connection, name: str) -> bool:
    row = connection.execute("SELECT pg_has_role(%s, %s, 'MEMBER')", [name, SERVICE]).fetchone()
    return bool(row and row[0])
