"""Compares the functions, triggers and rules of the schema `ledger` with what its migrations made.

The server keeps the body of a function as it was written, so the migration files say what it must be. A trigger that is
disabled or missing is found with the privileges (privileges.py).
"""

import re
from collections.abc import Iterable
from functools import cache

from ledger.postgres.components import Component
from ledger.postgres.migrations import known_migrations
from ledger.postgres.named_sql import queries

BODIES = queries("ledger.postgres", "sql/roles.sql")["bodies"]
"""The statement that reads what `differences` compares: kind, name and text of each object."""
MIGRATED = "SELECT name FROM ledger.migrations WHERE component = 'ledger'"
"""The statement that reads the names of the migrations that a database has."""
_OWNER = Component("ledger", "ledger.store", "ledger")
_FUNCTION = re.compile(
    r"^CREATE (?:OR REPLACE )?FUNCTION (ledger\.\w+)\(.*?\bAS \$\$(.*?)\$\$;", re.DOTALL | re.MULTILINE
)
_TRIGGER = re.compile(r"CREATE TRIGGER (\w+) BEFORE ([A-Z ]+) ON (\S+)\s+(.*?\(\));?$", re.DOTALL | re.MULTILINE)


@cache
def made(names: frozenset[str] | None = None) -> dict[tuple[str, str], str]:
    """The text of each function and trigger that migrations made, by kind and name. The last definition counts.

    `names` are those of the migrations that a database has; None means all.
    """
    found: dict[tuple[str, str], str] = {}
    for migration in known_migrations([_OWNER]):
        if names is not None and migration.name not in names:
            continue
        found |= {("function", name): body for name, body in _FUNCTION.findall(migration.sql)}
        for match in _TRIGGER.finditer(migration.sql):
            found["trigger", f"{match[1]} on {match[3]}"] = _trigger(match[0])
    return found


def differences(rows: Iterable[tuple[str, str, str]], names: frozenset[str] | None = None) -> list[str]:
    """What of the rows of BODIES differs from the migrations, and which functions are missing: a sentence for each.

    `names` are those of the migrations that the database has; None means all.
    """
    expected = made(names)
    wrong = []
    there = set()
    for kind, name, text in rows:
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
    events = " OR ".join(sorted(match[2].split(" OR ")))
    return f"{match[1]} {events} {match[3]} {' '.join(match[4].split())}"
