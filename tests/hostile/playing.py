"""Plays a hostile service role against every command of the program, and says what came of it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg.conninfo import make_conninfo

from api.runtime.database import as_url
from tests.commands import command
from tests.hostile.statements import MARK, statements
from tests.service import service_here

OWNER, LOGIN = "maker", "app"
COMMANDS = (
    ["migrate"],
    ["keys", "list"],
    ["rebuild"],
    ["check", "--all"],
    ["checkpoints", "sign"],
    ["verify"],
)


class Played(NamedTuple):
    """How many statements were tried, how many of them succeeded, and what became the attacker's."""

    tried: int
    through: int
    won: list[str]
    """What ran with the rights of the owner; empty when nothing did."""


@contextmanager
def a_ledger(whole: str, name: str) -> Iterator[str]:
    """A database of the owner on a bare server, migrated, with the login of the service; the URL of the owner."""
    with psycopg.connect(make_conninfo(whole, dbname="postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {OWNER} LOGIN CREATEROLE".encode())
        connection.execute(f"CREATE DATABASE {name} OWNER {OWNER}".encode())
        owner = make_conninfo(whole, dbname=name, user=OWNER)
        try:
            made = command(owner, "migrate", "--service-login", LOGIN)
            assert made.status == 0, made
            yield owner
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
            roles = connection.execute("SELECT rolname FROM pg_roles WHERE rolname !~ '^(pg_|postgres)'").fetchall()
            connection.execute(f"DROP ROLE {', '.join(role for (role,) in roles)}".encode())


def play(owner: str, used: str, folder: Path) -> Played:
    """Try all statements as the login of the service; then run the program on the URL `used`."""
    hostile = make_conninfo(owner, user=LOGIN)
    with psycopg.connect(hostile, autocommit=True) as connection:
        tried, through = 0, 0
        for statement in statements(OWNER, LOGIN, connection.info.dbname):
            tried += 1
            try:
                connection.execute(statement.encode(), prepare=False)
            except psycopg.Error:
                continue
            through += 1
        _run_everything(owner, used, folder)  # while the session, with its temporary objects, is open
    return Played(tried, through, _won(owner))


def _run_everything(owner: str, used: str, folder: Path) -> None:
    settings = {"CREDIT_LEDGER_DATA_DIR": str(folder), "CREDIT_LEDGER_OWNER_URL": as_url(owner)}
    for words in COMMANDS:
        done = command(used, *words, settings=settings)
        assert done.status in {0, 3}, (words, done)
    with service_here(used, folder, settings={"CREDIT_LEDGER_DATA_DIR": str(folder)}) as service:
        account = service.open_account(permanent=5)
        assert service.get(f"/v1/accounts/{account}/balance").json()["total"] == 5
        assert "could" in json.dumps(service.get("/readyz").json())


def _won(owner: str) -> list[str]:
    """What the attacker has now: the mark, rights of the owner, or anything permanent of its own."""
    with psycopg.connect(owner) as connection:
        marked = connection.execute("SELECT has_table_privilege('public', 'ledger.events', %s)", [MARK]).fetchone()
        member = connection.execute("SELECT pg_has_role(%s, %s, 'MEMBER')", [LOGIN, OWNER]).fetchone()
        owned = connection.execute(
            "SELECT relname FROM pg_class WHERE relowner::regrole::text IN ('app', 'credit_ledger_service')"
            " AND relpersistence <> 't' UNION ALL"
            " SELECT nspname FROM pg_namespace WHERE nspowner::regrole::text IN ('app', 'credit_ledger_service')"
            " AND nspname !~ '^pg_(toast_)?temp_'"
        ).fetchall()
    assert marked is not None
    assert member is not None
    won = ["a trap ran with the rights of the owner"] if marked[0] else []
    won += [f"{LOGIN} is a member of {OWNER}"] if member[0] else []
    return won + [f"it owns {name}" for (name,) in owned]
