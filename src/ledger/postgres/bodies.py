"""Compares the functions, triggers and rules in the schemas of components with what their migrations made.

The server keeps the body of a function as it was written, so the migration files say what it must be. A trigger that is
disabled or missing is found with the privileges (privileges.py).
"""

import re
from functools import cache
from typing import Any

from psycopg import AsyncConnection, Connection

from ledger.postgres.components import Component, Components
from ledger.postgres.migrations import known_migrations
from ledger.postgres.named_sql import queries

LOG = (Component("ledger", "ledger.store", "ledger"),)
"""The component of the log alone."""
_BODIES = queries("ledger.postgres", "sql/roles.sql")["bodies"]
_MIGRATED = "SELECT component, name FROM ledger.migrations"
_FUNCTION = re.compile(r"^CREATE (?:OR REPLACE )?FUNCTION (\w+\.\w+)\(.*?\bAS \$\$(.*?)\$\$;", re.DOTALL | re.MULTILINE)
_TRIGGER = re.compile(
    r"CREATE TRIGGER (\w+) (BEFORE|AFTER) ([\w, ]+?) ON (\S+)\s+(.*?\(\));?$", re.DOTALL | re.MULTILINE
)


Bodies = list[tuple[str, str, str]]
"""The kind, name and text of each function, trigger and rule in the schemas of components."""


def read_bodies(connection: Connection[Any], components: Components) -> Bodies:
    """What there is in a database. Raises psycopg.Error."""
    return connection.execute(_BODIES, {"schemas": _schemas(components)}).fetchall()


async def read_bodies_async(connection: AsyncConnection[Any], components: Components) -> Bodies:
    """The same on an asynchronous connection."""
    return await (await connection.execute(_BODIES, {"schemas": _schemas(components)})).fetchall()


async def read_migrated(connection: AsyncConnection[Any]) -> frozenset[tuple[str, str]]:
    """The migrations that a database has: their components and names. Raises psycopg.Error."""
    return frozenset(await (await connection.execute(_MIGRATED)).fetchall())


def _schemas(components: Components) -> list[str]:
    return [component.schema for component in components]


@cache
def made(components: Components, migrated: frozenset[tuple[str, str]] | None) -> dict[tuple[str, str], str]:
    """The text of each function and trigger that migrations made, by kind and name. The last definition counts.

    `migrated` are the migrations that a database has; None means all.
    """
    found: dict[tuple[str, str], str] = {}
    for migration in known_migrations(components):
        if migrated is not None and (migration.component, migration.name) not in migrated:
            continue
        found |= {("function", name): body for name, body in _FUNCTION.findall(migration.sql)}
        for match in _TRIGGER.finditer(migration.sql):
            found["trigger", f"{match[1]} on {match[4]}"] = _trigger(match[0])
    return found


def differences(
    bodies: Bodies, components: Components, migrated: frozenset[tuple[str, str]] | None = None
) -> list[str]:
    """What differs from the migrations, and which functions are missing: a sentence for each.

    `migrated` are the migrations that the database has; None means all.
    """
    expected = made(components, migrated)
    wrong = []
    there = set()
    for kind, name, text in bodies:
        there.add((kind, name))
        if (kind, name) not in expected:
            wrong.append(f"no migration made the {kind} {name}")
        elif expected[kind, name] != (_trigger(text) if kind == "trigger" else text):
            wrong.append(f"the {kind} {name} is not as the migrations made it")
    missing = [name for kind, name in expected.keys() - there if kind == "function"]
    return sorted(wrong + [f"the function {name} is missing" for name in missing])


def _trigger(definition: str) -> str:
    """A definition of a trigger in one form: its events are sorted, and words are separated by one space."""
    match = _TRIGGER.fullmatch(definition.strip())
    if match is None:
        return definition
    events = " OR ".join(sorted(match[3].split(" OR ")))
    return f"{match[1]} {match[2]} {events} {match[4]} {' '.join(match[5].split())}"
