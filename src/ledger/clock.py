"""The ledger's clock. It reads the machine's clock once, at the start, and then goes by a counter of seconds.

A machine's clock can be set at any moment, by hand, by a time server or by a hypervisor. If the ledger followed it,
credits would lapse too early or be spent too late. The counter of seconds since the machine started cannot be set. So
the machine's clock is read once and afterwards only compared with the ledger's clock. A small offset is corrected
gradually; a large one, a step, is refused.

Reading the time must cost a command almost nothing: one read of the counter, one multiplication, one addition.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import NamedTuple

STEP = 5.0
"""The largest offset, in seconds, that is corrected gradually. A larger offset is a step."""
FOLLOW_AFTER = 600.0
"""Seconds for which the clock of a database on another machine must confirm a step before it is followed."""

_SLEW = 0.005
"""By how much a second of the ledger's clock may be longer or shorter while an offset is corrected."""
_CORRECT_WITHIN = 10.0
"""Seconds in which a small offset is corrected."""
_COMPARE_EVERY = 1.0
_ASK_EVERY = 10.0
_LOG_EVERY = 60.0
"""Seconds between two comparisons with the machine's clock, two queries to the database, two lines in the log."""

_COUNTER = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""On Linux this counter also counts while the machine sleeps."""
_log = logging.getLogger("credit_ledger.clock")


class DatabaseTime(NamedTuple):
    """The time of the database's clock, in seconds since 1970, and whether it is another machine's clock than ours."""

    at: float
    elsewhere: bool


AskDatabaseTime = Callable[[], Awaitable[DatabaseTime | None]]
"""Asks the database for its time; None when the database does not answer."""


def seconds_since_start() -> float:
    """Seconds since the machine started. The counter is the same in all processes, and nobody can set it."""
    return time.clock_gettime(_COUNTER)


def origin_now() -> float:
    """When the machine started, in seconds since 1970, according to the machine's clock at this moment."""
    return time.time() - seconds_since_start()


class GuardedClock:
    """A clock: call it to get the time. `origin` is when the machine started, as another process determined it; None
    reads the machine's clock."""

    def __init__(
        self,
        origin: float | None = None,
        *,
        machine: Callable[[], float] = time.time,
        counter: Callable[[], float] = seconds_since_start,
    ) -> None:
        self._machine = machine
        self._counter = counter
        self._since = counter()
        self._base = machine() if origin is None else origin + self._since
        self._rate = 1.0
        self.refused = 0.0
        """The offset of the machine's clock from this one, in seconds, when it is refused; else 0."""

    def __call__(self) -> datetime:
        """The time, in UTC."""
        return datetime.fromtimestamp(self._base + (self._counter() - self._since) * self._rate, UTC)

    def offset_of(self, other: float) -> float:
        """By how many seconds another clock is ahead of this one; `other` is its time in seconds since 1970."""
        return other - self._base - (self._counter() - self._since) * self._rate

    def compare(self) -> float:
        """Compare with the machine's clock and begin to correct a small offset. Returns the refused offset, or 0."""
        offset = self.offset_of(self._machine())
        small = abs(offset) <= STEP
        self._set_rate(1.0 + max(-_SLEW, min(_SLEW, offset / _CORRECT_WITHIN)) if small else 1.0)
        self.refused = 0.0 if small else offset
        return self.refused

    def follow(self) -> None:
        """Take over the time of the machine's clock, whatever the offset."""
        self._base, self._since, self._rate, self.refused = self._machine(), self._counter(), 1.0, 0.0

    def _set_rate(self, rate: float) -> None:
        """From now on, run at another rate. The time is continuous: no moment is skipped or repeated."""
        counter = self._counter()
        self._base += (counter - self._since) * self._rate
        self._since, self._rate = counter, rate


class ClockGuard:
    """Compares a clock with the machine's in the background, logs refused steps, and follows confirmed ones."""

    def __init__(self, clock: GuardedClock, database_time: AskDatabaseTime) -> None:
        self._clock = clock
        self._database_time = database_time
        self._logged_at: float | None = None
        self._asked_at = -_ASK_EVERY
        self._confirmed_at: float | None = None

    async def run(self) -> None:
        """Compare once a second until cancelled."""
        while True:
            await asyncio.sleep(_COMPARE_EVERY)
            await self.check(seconds_since_start())

    async def check(self, now: float) -> None:
        """Compare once. `now` is the reading of the counter."""
        refused = self._clock.compare()
        if not refused:
            if self._logged_at is not None:
                _log.warning("the machine's clock agrees again")
            self._logged_at = self._confirmed_at = None
            return
        if self._logged_at is None or now - self._logged_at >= _LOG_EVERY:
            _log.error(
                "the machine's clock was set: it is %.0f s %s and is not followed. Set it right; "
                "if it is right, restart the service",
                abs(refused),
                "ahead" if refused > 0 else "behind",
            )
            self._logged_at = now
        if now - self._asked_at >= _ASK_EVERY:
            self._asked_at = now
            await self._ask_database(now, refused)

    async def _ask_database(self, now: float, refused: float) -> None:
        """Follow the step when the clocks of two machines have agreed on it for long enough.

        Then it was the counter that stood still, as it does while a virtual machine is moved.
        """
        found = await self._database_time()
        if found is None or not found.elsewhere or abs(self._clock.offset_of(found.at) - refused) > STEP:
            self._confirmed_at = None
        elif self._confirmed_at is None:
            self._confirmed_at = now
        elif now - self._confirmed_at >= FOLLOW_AFTER:
            _log.error(
                "the database's clock has confirmed a step of %.0f s for %.0f s: it is followed", refused, FOLLOW_AFTER
            )
            self._clock.follow()
            self._logged_at = self._confirmed_at = None
