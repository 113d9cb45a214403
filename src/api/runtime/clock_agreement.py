"""Clock agreement: the clocks of the machine and of its database must agree before the service starts.

The parent process reads both and passes the result to its workers. A worker that is started again later uses the time
of the service, even if the clock of the machine has been changed.
"""

import logging
import os

from api.runtime.operator_error import OperatorError
from ledger.clock import GuardedClock, origin_now, seconds_since_start
from ledger.postgres.connecting import connect
from ledger.postgres.named_sql import queries

ORIGIN = "CREDIT_LEDGER_CLOCK_ORIGIN"
"""The variable that tells workers when the machine started, in seconds since 1970. It is not a setting."""
MAX_OFFSET = 60.0
"""The largest offset between the clocks of the machine and of the database with which a service starts, in seconds."""

_log = logging.getLogger("credit_ledger.clock")


class ClocksDisagree(OperatorError):
    """The clocks differ too much. The message has the offset, but it is not known which clock is wrong."""


def agree_on_time(conninfo: str) -> float:
    """The time at which the machine started, in seconds since 1970. Raises ClocksDisagree."""
    with connect(conninfo, autocommit=True) as connection:
        before = seconds_since_start()
        row = connection.execute(queries("ledger.store")["database_time"]).fetchone()
        after = seconds_since_start()
        newest = connection.execute(queries("api.runtime")["newest_recorded"]).fetchone()
    assert row is not None
    origin = origin_now()
    offset = origin + (before + after) / 2 - row[0]
    if abs(offset) > MAX_OFFSET + (after - before) / 2:
        raise ClocksDisagree(
            f"the machine's clock is {_offset_text(offset)} the database's. Credits expire by the clock: "
            "correct the wrong clock, then start again"
        )
    if newest is not None and (late := newest[0].timestamp() - origin - after) > MAX_OFFSET:
        _log.error("the newest event was recorded %.0f s in the future: check the clock of the machine", late)
    return origin


def _offset_text(seconds: float) -> str:
    return f"{abs(seconds):.0f} seconds {'ahead of' if seconds > 0 else 'behind'}"


def agreed_clock() -> GuardedClock:
    """The clock of a worker process, or of a process without a parent."""
    origin = os.environ.get(ORIGIN)
    return GuardedClock(None if origin is None else float(origin))
