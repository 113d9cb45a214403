"""The clock: what the machine said at the start, and from then on what its steady counter adds.

A machine's clock can be set to anything at any moment, by hand, by a time server, by a hypervisor; credits would lapse
early by it, or be spent late. The counter of seconds since the machine started cannot be set. So the machine's clock is
asked once, and afterwards only compared: what it drifts is followed a little at a time, a step is refused.

It must cost a command nothing: one look at the counter, one multiplication, one addition.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import NamedTuple

STEP = 5.0
"""Seconds between the machine's clock and ours that are drift and are followed; more is a step."""
FOLLOW_AFTER = 600.0
"""Seconds for which the database, on another machine, must agree to a step before it is followed."""

_SLEW = 0.005
"""How much faster or slower than a second a second may be while drift is followed."""
_SETTLE = 10.0
"""Seconds in which a small drift is made up for."""
_LOOK = 1.0
_ASK = 10.0
_REPEAT = 60.0
"""Seconds between two looks at the machine's clock, two questions to the database, two lines in the log."""

_COUNTER = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""On Linux it counts on while the machine sleeps."""
_log = logging.getLogger("credit_ledger.clock")


class DatabaseTime(NamedTuple):
    """What the database's clock says, in seconds since 1970, and whether it is another machine's clock than ours."""

    at: float
    elsewhere: bool


Witness = Callable[[], Awaitable[DatabaseTime | None]]
"""Asks the database; None when it does not answer."""


def seconds_since_start() -> float:
    """Seconds since the machine started, the same in all its processes; nothing sets them."""
    return time.clock_gettime(_COUNTER)


def origin_now() -> float:
    """The moment at which the machine started, by its clock of now, in seconds since 1970."""
    return time.time() - seconds_since_start()


class GuardedClock:
    """Calling it tells the time. `origin` is that of a process whose time is taken over (None: the machine's)."""

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
        """Seconds by which the machine's clock is ahead of this one and not followed; 0 while it is."""

    def __call__(self) -> datetime:
        """The time."""
        return datetime.fromtimestamp(self._base + (self._counter() - self._since) * self._rate, UTC)

    def ahead(self, other: float) -> float:
        """By how many seconds another clock is ahead of this one."""
        return other - self._base - (self._counter() - self._since) * self._rate

    def look(self) -> float:
        """Compare with the machine's clock, and follow what it drifts. Returns what is refused, in seconds, or 0."""
        ahead = self.ahead(self._machine())
        drifts = abs(ahead) <= STEP
        self._run(max(-_SLEW, min(_SLEW, ahead / _SETTLE)) if drifts else 0.0)
        self.refused = 0.0 if drifts else ahead
        return self.refused

    def follow(self) -> None:
        """Take over what the machine's clock says, however far it is."""
        self._base, self._since, self._rate, self.refused = self._machine(), self._counter(), 1.0, 0.0

    def _run(self, drift: float) -> None:
        """Go on from now at another speed: no moment is skipped, and none comes twice."""
        counter = self._counter()
        self._base += (counter - self._since) * self._rate
        self._since, self._rate = counter, 1.0 + drift


class Guard:
    """Looks after a clock beside the work: says what it refuses, and knows when to give in."""

    def __init__(self, clock: GuardedClock, witness: Witness) -> None:
        self._clock = clock
        self._witness = witness
        self._said_at: float | None = None
        self._asked_at = -_ASK
        self._agreed_at: float | None = None

    async def keep(self) -> None:
        """Look after it until cancelled."""
        while True:
            await asyncio.sleep(_LOOK)
            await self.turn(seconds_since_start())

    async def turn(self, now: float) -> None:
        """One look, at a moment of the counter."""
        refused = self._clock.look()
        if not refused:
            if self._said_at is not None:
                _log.warning("the machine's clock agrees again")
            self._said_at = self._agreed_at = None
            return
        if self._said_at is None or now - self._said_at >= _REPEAT:
            _log.error(
                "the machine's clock was set: it is %.0f s %s and is not followed. Set it right; "
                "if it is right, restart the service",
                abs(refused),
                "ahead" if refused > 0 else "behind",
            )
            self._said_at = now
        if now - self._asked_at >= _ASK:
            self._asked_at = now
            await self._hear(now, refused)

    async def _hear(self, now: float, refused: float) -> None:
        """Two witnesses on two machines who say the same for long enough are believed: then it was this one that
        stood still, as a virtual machine does while it is moved."""
        said = await self._witness()
        if said is None or not said.elsewhere or abs(self._clock.ahead(said.at) - refused) > STEP:
            self._agreed_at = None
        elif self._agreed_at is None:
            self._agreed_at = now
        elif now - self._agreed_at >= FOLLOW_AFTER:
            _log.error(
                "the database's clock says so too, for %.0f s: the step of %.0f s is followed", FOLLOW_AFTER, refused
            )
            self._clock.follow()
            self._said_at = self._agreed_at = None
