"""Limits once more, as plainly as they can be said: a list of moves, and clocks that are watched every quarter hour.

It shares no code with the ledger. A counter is not kept: it is added up from all moves in its window, each time.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from ledger.domain import commands as c
from ledger.domain.periods import TimedPeriod

LARGEST = 9_007_199_254_740_991
QUARTER = timedelta(minutes=15)
DAY = timedelta(days=1)

Period = Any
"""What a command says of windows."""
Usage = dict[str, Any]


class Refused(Exception):
    """The product says no: the code, and the numbers that go with it."""

    def __init__(self, code: str, **facts: object) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts


@dataclass
class Move:
    """Something that was counted, or given back, in one window of one value."""

    value: str | None
    until: datetime | None
    change: int


@dataclass
class Kept:
    """One limit for as long as it counts the same; another one with its id begins anew."""

    limit: c.NewLimit
    source: str
    allowances: dict[str, int]
    moves: list[Move] = field(default_factory=list)

    def amount(self, value: str | None) -> int:
        return self.allowances.get(value, self.limit.amount) if value is not None else self.limit.amount

    def used(self, value: str | None, until: datetime | None) -> int:
        used = 0
        for move in self.moves:
            if (move.value, move.until) == (value, until):
                used = min(max(used + move.change, 0), LARGEST)
        return used

    def window(self, value: str | None, at: datetime) -> tuple[bool, datetime | None]:
        """Whether a window of this value is open, and its end; a new one is opened by the first use."""
        for move in self.moves:
            if move.value == value and (move.until is None or at < move.until):
                return True, move.until
        return False, end_of_window(self.limit.period, at)

    def told(self, value: str | None, at: datetime) -> dict[str, Any]:
        """The limit as a refusal tells it."""
        limit, (is_open, until) = self.limit, self.window(value, at)
        used = self.used(value, until) if is_open else 0
        period = limit.period
        return {
            "limit_id": limit.limit_id,
            "source": self.source,
            "each": {limit.each[0]: value} if limit.each else {},
            "only": dict(limit.only),
            "unit": limit.unit,
            "amount": self.amount(value),
            "used": used,
            "headroom": max(self.amount(value) - used, 0),
            "over": max(used - self.amount(value), 0),
            "hard": limit.hard,
            "period": period and {name: getattr(period, name) for name in period.__slots__},
            "resets_at": until if is_open or not isinstance(period, TimedPeriod) else None,
        }


Place = tuple[Kept, str | None, datetime | None]
"""Where something was counted: the limit, the value, the window."""
Told = tuple[str, str | None, int, int, datetime | None]
"""A counter after a command: the limit, the value, what is used, of what amount, until when."""


@dataclass
class Piece:
    """What was counted together: where, and how many credits and units of the metric."""

    places: list[Place]
    credits: int
    quantity: int


class Counting:
    """All limits of one account."""

    def __init__(self) -> None:
        self.limits: list[Kept] = []

    # Setting ------------------------------------------------------------------------------------------------------

    def replace(self, command: c.SetLimits, at: datetime) -> dict[str, Any]:
        for limit in command.limits:
            for other in self.limits:
                if other.limit.limit_id == limit.limit_id and other.source != command.source:
                    raise Refused("validation_failed")
        others = [kept for kept in self.limits if kept.source != command.source]
        if len(others) + len(command.limits) > 50:
            raise Refused("limits_limit_exceeded", limit=50)
        before, own, told = {kept.limit.limit_id: kept for kept in self.limits}, [], list[Told]()
        goes_on = []
        for limit in command.limits:
            old = before.get(limit.limit_id)
            allowances = dict(limit.allowances or {})
            if limit.allowances is None and old is not None and old.limit.each == limit.each:
                allowances = old.allowances
            kept = Kept(limit, command.source, allowances)
            if old is not None and self._same(old.limit, limit):
                kept.moves = old.moves
                goes_on.append(limit.limit_id)
            elif limit.used is not None:
                begun: dict[Any, int] = limit.used if isinstance(limit.used, dict) else {None: limit.used}  # type: ignore[dict-item]
                for value, used in begun.items():
                    until = end_of_window(limit.period, at)
                    kept.moves.append(Move(value, until, used))
                    told.append((limit.limit_id, value, used, kept.amount(value), until))
            if old is not None and limit.limit_id in goes_on:  # what was counted before is found by the limit itself
                old.limit, old.source, old.allowances = kept.limit, kept.source, kept.allowances
                kept = old
            own.append(kept)
        self.limits = others + own
        ids = [limit.limit_id for limit in command.limits]
        return {"source": command.source, "limits": ids, "kept": goes_on, "counts": in_order(told)}

    def _same(self, one: c.NewLimit, other: c.NewLimit) -> bool:
        if (one.each, one.unit, one.period) != (other.each, other.unit, other.period):
            return False
        return dict(one.only) == dict(other.only)

    def allow(self, command: c.SetAllowance) -> dict[str, Any]:
        found = [kept for kept in self.limits if kept.limit.limit_id == command.limit_id]
        if not found:
            raise Refused("limit_not_found")
        if not found[0].limit.each:
            raise Refused("validation_failed")
        allowances = found[0].allowances
        if command.amount is not None and command.value not in allowances and len(allowances) >= 1_000:
            raise Refused("allowances_limit_exceeded", limit=1_000)
        if command.amount is None:
            found[0].allowances.pop(command.value, None)
        else:
            found[0].allowances[command.value] = command.amount
        return {"limit_id": command.limit_id, "value": command.value, "amount": command.amount}

    # Counting -----------------------------------------------------------------------------------------------------

    def count(
        self, usage: Usage, credits: int, quantity: int, at: datetime, available: int, required: int
    ) -> tuple[list[Told], list[Place]]:
        """Count a use, unless some limit does not let it through."""
        moving, missing = [], []
        for kept in self.limits:
            limit = kept.limit
            change = credits if limit.unit == "credits" else quantity if usage.get("metric") == limit.unit else 0
            if change == 0 or any(name in usage and usage[name] != value for name, value in limit.only):
                continue
            unnamed = [name for name in [*sorted(dict(limit.only)), *limit.each] if name not in usage]
            if not unnamed:
                moving.append((kept, usage[limit.each[0]] if limit.each else None, change))
            elif limit.hard:
                missing.append({"field": f"usage.{unnamed[0]}", "limit_id": limit.limit_id})
        if missing:
            raise Refused("usage_required", **missing[0])
        self._refuse(moving, at, available, required)
        is_open = self.open_counters(at)
        new = [value for kept, value, _ in moving if (kept.limit.limit_id, value) not in is_open]
        if len(is_open) + len(new) > 10_000:
            raise Refused("counters_limit_exceeded", limit=10_000)
        told, places = [], []
        for kept, value, change in moving:
            _, until = kept.window(value, at)
            kept.moves.append(Move(value, until, change))
            places.append((kept, value, until))
            told.append((kept.limit.limit_id, value, kept.used(value, until), kept.amount(value), until))
        return in_order(told), places

    def _refuse(self, moving: list[tuple[Kept, str | None, int]], at: datetime, available: int, required: int) -> None:
        facts = [(kept.told(value, at), change) for kept, value, change in moving]
        refusing = [(one, change) for one, change in facts if one["hard"] and one["used"] + change > one["amount"]]
        if not refusing:
            return
        least = min(one["headroom"] for one, _ in refusing)
        binding, change = next((one, change) for one, change in refusing if one["headroom"] == least)
        if required > available and available <= least:
            return  # the balance has the least room, and refuses by itself
        raise Refused(
            "limit_reached",
            required=change,
            headroom=least,
            shortfall=change - least,
            available=available,
            binding=binding,
            limits=[binding, *(one for one, _ in facts if one is not binding)],
        )

    def give_back(self, pieces: list[Piece], at: datetime) -> list[Told]:
        """Take out what comes back, wherever it was counted. Only open windows are worth telling."""
        touched = []
        for piece in pieces:
            for kept, value, until in piece.places:
                back = piece.credits if kept.limit.unit == "credits" else piece.quantity
                if not back:
                    continue
                kept.moves.append(Move(value, until, -back))
                if kept in self.limits and (until is None or at < until):
                    touched.append((kept, value, until))
        told = {
            (kept.limit.limit_id, value): (
                kept.limit.limit_id,
                value,
                kept.used(value, until),
                kept.amount(value),
                until,
            )
            for kept, value, until in touched
        }
        return in_order(list(told.values()))

    def open_counters(self, at: datetime) -> set[tuple[str, str | None]]:
        """The limits and values that were counted in windows that are open."""
        return {
            (kept.limit.limit_id, move.value)
            for kept in self.limits
            for move in kept.moves
            if move.until is None or at < move.until
        }

    def now(self, at: datetime) -> dict[tuple[str, str | None], tuple[int, datetime | None]]:
        """What is used of every limit and value in the windows that are open."""
        return {
            (kept.limit.limit_id, move.value): (kept.used(move.value, move.until), move.until)
            for kept in self.limits
            for move in kept.moves
            if move.until is None or at < move.until
        }


def in_order(told: list[Told]) -> list[Told]:
    """Counters in an order that both sides can name."""
    return sorted(told, key=lambda one: (one[0], one[1] or ""))


def quantity_in(usage: Usage) -> int:
    """One unit of the metric that usage names, unless it says how many."""
    return int(usage.get("quantity", 1)) if "metric" in usage else 0


# Clocks ---------------------------------------------------------------------------------------------------------------


def end_of_window(period: Period, at: datetime) -> datetime | None:
    """The end of the window that holds a moment, found by watching the clock."""
    if period is None:
        return None
    if isinstance(period, TimedPeriod):
        return at + timedelta(seconds=period.seconds)
    minute = at.astimezone(UTC).minute // 15 * 15
    return _next_label(period.every, period.zone, period.starts, at.replace(minute=minute, second=0, microsecond=0))


@cache
def _next_label(every: str, zone: str, starts: int, quarter: datetime) -> datetime:
    now = quarter
    while True:
        after = now + QUARTER
        if begins(every, starts, now.astimezone(ZoneInfo(zone)), after.astimezone(ZoneInfo(zone))):
            return after
        now = after


def begins(every: str, starts: int, before: datetime, after: datetime) -> bool:
    """Whether a window begins between two looks at a local clock."""
    if every == "hour":
        return after.minute == 0 or after.date() != before.date()
    if after.date() <= before.date():
        return False
    day = before.date() + DAY
    while day <= after.date():
        if is_first(every, starts, day):
            return True
        day += DAY
    return False


def is_first(every: str, starts: int, day: date) -> bool:
    """Whether a window begins with a day."""
    if every == "week":
        return day.isoweekday() == starts
    if every == "month":
        is_last = (day + DAY).day == 1
        return day.day == starts or (is_last and day.day < starts)
    if every == "year":
        return (day.month, day.day) == (1, 1)
    return True
