"""When usage occurred: it may be recorded later than that, within bounds.

The time changes no balance: credits are taken when the deduction is recorded. Usage and days can be asked by it.
"""

from datetime import datetime, timedelta

from ledger.domain.errors import OccurredAtOutOfBounds

EARLY = timedelta(minutes=5)
"""How far the clock of a caller may be ahead of that of the ledger."""


def check_occurred(occurred_at: datetime, at: datetime, back_dating: timedelta) -> None:
    """Raise OccurredAtOutOfBounds unless usage that is recorded `at` a moment may have occurred then."""
    earliest, latest = at - back_dating, at + EARLY
    if not earliest <= occurred_at <= latest:
        raise OccurredAtOutOfBounds(occurred_at, earliest, latest)
