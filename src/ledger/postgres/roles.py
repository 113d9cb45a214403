"""The role that the service runs as: it appends and reads, and cannot change what was appended.

One group role for all ledgers of a server, without a login of its own. What it may do in a database is written in the
files grants.sql, beside the migrations; `set_up` makes it so, and takes away what is not there. Every connection of
the service takes the role (`as_service`), so whatever it makes belongs to the role, whoever logged in.

Whose grants.sql count is handed in: the components that own tables.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import psycopg
from psycopg import pq, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ledger.postgres.components import Component, Components
from ledger.postgres.named_sql import queries

SERVICE = "credit_ledger_service"

_ROLE = sql.Identifier(SERVICE)
_SQL = queries("ledger.postgres", "sql/roles.sql")
_GRANT = re.compile(rf"^GRANT ([A-Z, ]+) ON ([A-Z]+) (\S+) TO {SERVICE};$", re.MULTILINE)
_TRIES = 5
_THERE_BY_NOW = (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation)
_IN_EACH_OTHERS_WAY = (*_THERE_BY_NOW, psycopg.errors.InternalError_, psycopg.errors.DeadlockDetected)
"""What two get who set up roles on one server at once; `tuple concurrently updated` is an internal error."""

Connection = psycopg.Connection[Any]


class Right(NamedTuple):
    """One right of the role to one thing: SELECT on TABLE ledger.events."""

    kind: str
    name: str
    privilege: str


class _Standing(NamedTuple):
    """Who logged in, whether the role is there, and whether he may take it."""

    login: str
    there: bool
    takes: bool


def wanted_rights(components: Components) -> set[Right]:
    """All that the role needs; the database, whatever it is called, is {database}."""
    found = set()
    for component in components:
        for privileges, kind, name in _GRANT.findall(_grants_sql(component)):
            found |= {Right(kind, name, privilege) for privilege in privileges.split(", ")}
    return found


def _grants_sql(component: Component) -> str:
    """Who has no tables any more has no such file."""
    file = component.sql.joinpath("grants.sql")
    return file.read_text() if file.is_file() else ""


def set_up(conninfo: str, components: Components) -> str | None:
    """Make the role if it is missing, and let it do what this program needs in this database, and no more.

    For the owner of the tables, after migrating; for anybody when there is nothing to do. Safe to run from several
    processes at once. Returns None when all is done, else one line about what this login may not do.
    """
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for _ in range(_TRIES - 1):
            try:
                return _set_up(connection, components)
            except _IN_EACH_OTHERS_WAY:
                continue  # what somebody else has done meanwhile need not be done again
        return _set_up(connection, components)


def wake_triggers(conninfo: str) -> list[str]:
    """Put on again the triggers that refuse changes and are off, and return their names with their tables.

    Whose tables they are not finds none.
    """
    with psycopg.connect(conninfo) as connection:
        connection.execute(_SQL["lock"])
        silenced = connection.execute(_SQL["silenced"]).fetchall()
        for on_table, name in silenced:
            connection.execute(sql.SQL(f"ALTER TABLE {on_table} ENABLE ALWAYS TRIGGER {name}").format())
    return [f"{name} on {on_table}" for on_table, name in silenced]


def _set_up(connection: Connection, components: Components) -> str | None:
    login = _standing(connection).login
    try:
        if not _standing(connection).there:
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(_ROLE))
    except psycopg.errors.InsufficientPrivilege:
        return f"{login} may not make the role {SERVICE}"
    _join(connection)
    for missing in _grants, _transfers:  # one by one: who may not hand over what he owns may still grant
        try:
            _carry_out(connection, partial(missing, components=components))
        except psycopg.errors.InsufficientPrivilege as error:
            return f"{login} may not give the role {SERVICE} what it needs: {error.diag.message_primary}"
    # Whoever may not grant gets a warning, and no error.
    left = [statement.as_string(connection) for statement in _grants(connection, components)]
    return f"{login} may not {'; '.join(left)}" if left else None


def _carry_out(connection: Connection, missing: Callable[[Connection], list[sql.Composed]]) -> None:
    if missing(connection):
        with connection.transaction():
            connection.execute(_SQL["lock"])
            for statement in missing(connection):
                connection.execute(statement)


def _join(connection: Connection) -> None:
    """Who made the role is not yet one who may take it, unless he is a superuser."""
    if not _standing(connection).takes:
        try:
            connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(_ROLE))
        except psycopg.errors.InsufficientPrivilege:
            return  # an owner need not: perhaps the service has a login of its own


def _standing(connection: Connection) -> _Standing:
    row = connection.execute(_SQL["standing"], {"service": SERVICE}).fetchone()
    assert row is not None
    return _Standing(*row)


def _grants(connection: Connection, components: Components) -> list[sql.Composed]:
    """The statements that are missing until the role has the rights that it needs, and no more."""
    lacking, excess = _differences(connection, components)
    names = {"database": sql.Identifier(connection.info.dbname), "role": _ROLE}
    give = [sql.SQL(f"GRANT {privilege} ON {kind} {name} TO {{role}}") for kind, name, privilege in lacking]
    take = [sql.SQL(f"REVOKE {privilege} ON {kind} {name} FROM {{role}}") for kind, name, privilege in excess]
    return [statement.format(**names) for statement in [*give, *take]]


def _differences(connection: Connection, components: Components) -> tuple[list[Right], list[Right]]:
    """The rights that the role lacks, and those that it has no need of."""
    schemas = [component.schema for component in components]
    found = connection.execute(_SQL["rights"], {"service": SERVICE, "schemas": schemas}).fetchall()
    there = {(kind, name) for kind, name, _ in found}  # a right to what is not there cannot be given
    wanted = {right for right in wanted_rights(components) if (right.kind, right.name) in there}
    granted = {Right(kind, name, privilege) for kind, name, privilege in found if privilege is not None}
    return sorted(wanted - granted), sorted(granted - wanted)


def _transfers(connection: Connection, components: Components) -> list[sql.Composed]:
    """The statements that hand over what others own of that which the service makes itself."""
    beginnings = [component.schemas_of_service for component in components if component.schemas_of_service]
    rows = connection.execute(_SQL["owned_by_others"], {"service": SERVICE, "beginnings": beginnings})
    return [sql.SQL("ALTER {} {} OWNER TO {}").format(sql.SQL(kind), sql.SQL(name), _ROLE) for kind, name in rows]


def as_service(conninfo: str, components: Components) -> str:
    """The same database in the role of the service. Without the role, where it lacks a right, or when the login may not
    take it: the conninfo as it was."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        takes = _standing(connection).takes
        lacking, _ = _differences(connection, components)
        if not takes or lacking or _transfers(connection, components):
            return conninfo
    return taking_the_role(conninfo)


def taking_the_role(conninfo: str) -> str:
    """A conninfo whose connections take the role; what else it has stays."""
    options = conninfo_to_dict(conninfo).get("options") or _default("options")
    role = f"-c role={SERVICE}"
    if str(options).endswith(role):
        return conninfo
    return make_conninfo(conninfo, options=f"{options} {role}".strip())


def _default(parameter: str) -> str:
    """What libpq takes where a conninfo says nothing; its own variables are in it."""
    found = (default.val for default in pq.Conninfo.get_defaults() if default.keyword == parameter.encode())
    return (next(found) or b"").decode()


def make_login(conninfo: str, name: str, password: str | None = None) -> bool:
    """Make a login that may take the role; one that is there already only gets the right to, and False comes back.

    The password does not reach the server, nor its log: what the server will compare it with does. Raises
    psycopg.errors.InsufficientPrivilege.
    """
    login = sql.Identifier(name)
    member = sql.SQL("GRANT {} TO {}").format(_ROLE, login)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        try:
            with connection.transaction():  # a login that may not take the role is of no use
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN {}").format(login, _with(connection, name, password)))
                connection.execute(member)
        except _THERE_BY_NOW:
            if not _is_member(connection, name):
                connection.execute(member)
            return False
    return True


def _with(connection: Connection, name: str, password: str | None) -> sql.Composable:
    if password is None:
        return sql.SQL("")
    verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
    return sql.SQL("PASSWORD {}").format(verifier.decode())


def _is_member(connection: Connection, name: str) -> bool:
    row = connection.execute("SELECT pg_has_role(%s, %s, 'MEMBER')", [name, SERVICE]).fetchone()
    return bool(row and row[0])
