"""What stops a command becomes one line on stderr and an exit status, in this file and nowhere else.

A command does its work inside `reported`. It names its own exceptions, and the status for those that every command can
meet: no database, a wrong setting, a database that this program cannot migrate, Ctrl-C. An exception that no command
names is a fault of the program and passes with its traceback.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, NoReturn

import typer

from api.runtime.operator_error import OperatorError

FAILED, WRONG_OPTION, NOT_DONE, INTERRUPTED = 1, 2, 3, 130
"""Exit statuses. NOT_DONE is for the commands that use 1 for a result, such as a difference that `check` found."""


class Failure(NamedTuple):
    """The end of a command that an exception stopped: its exit status, and the line made of the exception."""

    status: int = FAILED
    line: Callable[[Any], str] = str


Failures = Mapping[type[BaseException], Failure]


def interrupted(advice: str) -> Failure:
    """The end of a command that Ctrl-C stopped, with what to do next."""
    return Failure(INTERRUPTED, lambda _: f"interrupted; {advice}")


@contextmanager
def reported(own: Failures | None = None, *, otherwise: int = FAILED) -> Iterator[None]:
    """End the program with one line and a status for an exception of `own`, or one that every command can meet.

    `otherwise` is the status for the exceptions that every command can meet. Raises SystemExit.
    """
    try:
        yield
    except SystemExit:
        raise
    except BaseException as error:
        failures = {**_common(otherwise), **(own or {})}
        known = next((kind for kind in type(error).__mro__ if kind in failures), None)
        if known is None:
            raise
        failure = failures[known]
        fail(failure.line(error), failure.status)


def fail(line: str, status: int = FAILED) -> NoReturn:
    """End the program with a line and a status. Raises SystemExit."""
    warn(line)
    raise SystemExit(status)


def warn(line: str) -> None:
    """Print a line for the operator on stderr."""
    typer.echo(f"credit-ledger: {line}", err=True)


def _common(status: int) -> dict[type[BaseException], Failure]:
    import psycopg  # late: help needs no database

    from ledger.postgres.migrations import MigrationError

    return {
        OperatorError: Failure(status),
        MigrationError: Failure(status),
        psycopg.OperationalError: Failure(status, lambda error: f"the database cannot be reached: {_message(error)}"),
        psycopg.errors.InsufficientPrivilege: Failure(
            status, lambda error: f"the database login lacks a right: {_message(error)}"
        ),
        KeyboardInterrupt: Failure(INTERRUPTED, lambda _: "interrupted"),
    }


def _message(error: Exception) -> str:
    """One line: libpq breaks its sentences."""
    return " ".join(str(error).split())
