"""Rates: how many times a second something may happen, with a burst of one second's worth."""


class Rate:
    """A token bucket. Time is handed in, in seconds of any steady clock."""

    __slots__ = ("_at", "_per_second", "_tokens")

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._tokens = max(per_second, 1.0)
        self._at: float | None = None

    def take(self, now: float) -> float:
        """Take a turn and return 0.0, or return the seconds to wait for one."""
        if self._at is not None:
            refilled = self._tokens + (now - self._at) * self._per_second
            self._tokens = min(refilled, max(self._per_second, 1.0))
        self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._per_second
