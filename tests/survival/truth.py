"""The true time of what was recorded, by a clock that nobody steps. Pure, as the verdict is.

The log says when each event was recorded; the verdict holds expiries against that. Here that is held against when it
was asked for and answered: if both hold, no credit was spent after its expiry or lost before it, by the true time.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from tests.survival.attempts import Attempt
from tests.survival.log import Row

DUE = {"CreditsExpired": "lapsed", "HoldExpired": "lapsed", "GrantStarted": "started"}
"""What takes effect at a moment of its own, and what it is called."""


def untimely(
    rows: Sequence[Row], attempts: Sequence[Attempt], true_time: Callable[[float], datetime], tolerance: timedelta
) -> Iterator[str]:
    """What was recorded at another moment than it was done at, and what lapsed before its time.

    `true_time` says which moment a time of an attempt was.
    """
    answered = {each.request_id: each for each in attempts if each.outcome == "ok" and each.status == 201}
    for row in rows:
        attempt = answered.get(row.metadata["request_id"])
        if attempt is None:
            continue
        sent, told = true_time(attempt.sent_at), true_time(attempt.answered_at)
        if not sent - tolerance <= row.recorded_at <= told + tolerance:
            yield f"{row.name} was recorded at {row.recorded_at}, and was asked for at {sent} and answered at {told}"
    latest: datetime | None = None
    for row in reversed(rows):  # whatever stands before an answered event was recorded before that answer
        attempt = answered.get(row.metadata["request_id"])
        if attempt is not None:
            told = true_time(attempt.answered_at)
            latest = told if latest is None else min(latest, told)
        if row.topic in DUE and latest is not None:
            at = datetime.fromisoformat(row.data["effective_at"])
            if at > latest + tolerance:
                yield f"{row.name} {DUE[row.topic]} by {latest}, and its time was {at}"
