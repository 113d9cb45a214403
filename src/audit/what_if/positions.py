"""Where in the log a moment is. Times grow along the log, but for a clock that was set, so single events may lie."""

from datetime import datetime, timedelta

from ledger.store import Feed, decode_uncounted, read

SLACK = timedelta(hours=1)
"""By how much the times of neighbouring events may differ: a span is read from so much earlier to so much later."""
_NEIGHBOURS = 25
"""The events of which the middle time counts."""


async def positions_of(feed: Feed, begin: datetime, end: datetime, upto: int) -> tuple[int, int]:
    """The positions after which, and up to which, all events are that were recorded from a moment on and before
    another. Raises UnreadableEvent."""
    first = await _last_before(feed, begin - SLACK, upto)
    last = await _last_before(feed, end + SLACK, upto)
    return first, min(last + _NEIGHBOURS, upto)


async def _last_before(feed: Feed, at: datetime, upto: int) -> int:
    """The last position at which events were recorded before a moment, found by bisection; 0 if there is none."""
    low, high = 0, upto
    while low < high:
        middle = (low + high + 1) // 2
        rows = await feed.rows(middle - 1, upto, _NEIGHBOURS)
        times = sorted(one.event.recorded_at for one in read(rows, decode_uncounted))
        if times[len(times) // 2] < at:
            low = middle
        else:
            high = middle - 1
    return low
