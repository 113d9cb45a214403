"""The whole examination, in the order in which one thing stands on another."""

import asyncio
import os
from collections.abc import Iterator

import psycopg

from api.runtime.database import unchanged_database
from api.runtime.doctor.database import migration_finding, rights_finding, server_findings
from api.runtime.doctor.finding import Finding
from api.runtime.doctor.ledger import ledger_findings
from api.runtime.doctor.machine import machine_findings
from api.runtime.doctor.service import service_finding
from api.runtime.operator_error import OperatorError
from api.runtime.settings import Settings, variable

_ADVICE = {
    "28P01": "correct the password in the URL",
    "28000": "correct the user in the URL, or pg_hba.conf of the server",
    "3D000": "create the database: docs/operations.md, Roles",
    "53300": "raise max_connections of the server, or end other programs",
    "57P03": "wait until the server has started",
}
"""What to do, by the SQLSTATE of a refused connection."""


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything, and say what was found as it is found."""
    yield from machine_findings(settings, os.environ)
    yield service_finding(settings)
    if settings.database_url is None and not (settings.data_dir / "postgres").is_dir():
        yield Finding("database", "ok", f"there is none yet in {settings.data_dir}: the first start makes it")
        return
    try:
        with unchanged_database(settings) as conninfo:
            yield from _database(settings, conninfo)
    except OperatorError as error:
        yield Finding("database", "problem", str(error))
    except psycopg.Error as error:
        yield _no_database(error)


def _database(settings: Settings, conninfo: str) -> Iterator[Finding]:
    yield from server_findings(conninfo)
    migrations = migration_finding(conninfo)
    yield migrations
    if migrations.state == "ok":
        yield rights_finding(settings, conninfo)
        yield from asyncio.run(ledger_findings(settings, conninfo))


def _no_database(error: psycopg.Error) -> Finding:
    """A database that does not answer, or refuses a question."""
    found = " ".join(str(error).split())
    known = next((advice for state, advice in _ADVICE.items() if state == error.sqlstate), None)
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return Finding("database", "problem", found, "run `credit-ledger migrate` as the owner of the tables")
    advice = known or f"start the server, or correct {variable('database_url')}"
    return Finding("database", "problem", f"it cannot be used ({found})", advice)
