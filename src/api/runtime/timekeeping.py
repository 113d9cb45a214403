"""What time it is, agreed on before anything is served: the machine and its database must mean the same moment.

The service's parent process asks both, and hands the answer to its workers; one that is started again later takes over
the time of the service, whatever the machine's clock says by then.
"""

import logging
import os

import psycopg

from api.runtime.operator_error import OperatorError
from ledger.clock import GuardedClock, origin_now, seconds_since_start
from ledger.postgres.named_sql import queries

ORIGIN = "CREDIT_LEDGER_CLOCK_ORIGIN"
"""The variable in which workers find when the machine started, in seconds since 1970. It is no setting."""
MOST_APART = 60.0
"""Seconds between the clocks of the machine and of the database with which a service still starts."""

_log = logging.getLogger("credit_ledger.clock")


class ClocksDisagree(OperatorError):
    """One clock is wrong, and nobody can know which; the message says by how much."""


def agree_on_time(conninfo: str) -> float:
    """When the machine started, in seconds since 1970. Raises ClocksDisagree."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        before = seconds_since_start()
        row = connection.execute(queries("ledger.store")["database_time"]).fetchone()
        after = seconds_since_start()
        newest = connection.execute(queries("api.runtime")["newest_recorded"]).fetchone()
    assert row is not None
    origin = origin_now()
    apart = origin + (before + after) / 2 - row[0]
    if abs(apart) > MOST_APART + (after - before) / 2:
        raise ClocksDisagree(
            f"the machine's clock is {_words(apart)} the database's. Credits expire by the clock: "
            "set the wrong one right, then start again"
        )
    if newest is not None and (late := newest[0].timestamp() - origin - after) > MOST_APART:
        _log.error("the newest event was recorded %.0f s after now: is the machine's clock right?", late)
    return origin


def _words(seconds: float) -> str:
    return f"{abs(seconds):.0f} seconds {'ahead of' if seconds > 0 else 'behind'}"


def agreed_clock() -> GuardedClock:
    """The clock of a worker process, or of whoever serves without a parent."""
    origin = os.environ.get(ORIGIN)
    return GuardedClock(None if origin is None else float(origin))
