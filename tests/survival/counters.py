"""The limits of one account with their counters, counted again from what events say, as plainly as can be.

It shares no code with the ledger. Windows are those that events state, and each is looked at: it has to be one that its
period can have. Whatever an event says of counters is worked out once more before it is believed.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

Data = dict[str, Any]
Count = list[Any]
"""A counter after an event: the limit, the value, what is used, of what amount, until when."""
LARGEST = 2**53 - 1
SIGNS = ("each", "only", "unit", "period")
"""What a limit counts by: one that changes any of it begins anew."""
LONGEST = {"hour": 2, "day": 3 * 24, "week": 9 * 24, "month": 33 * 24, "year": 368 * 24}
"""Hours."""
INSTANT = timedelta(microseconds=1)


class Counter(NamedTuple):
    """What is used in one window."""

    used: int
    until: datetime | None


class Part(NamedTuple):
    """What an event counted, at its version: it goes back to the same counters, in the same windows."""

    version: int
    counts: list[Count]
    credits: int
    quantity: int


class Told(NamedTuple):
    """One counter after an event."""

    limit_id: str
    value: str | None
    used: int
    amount: int
    until: datetime | None


@dataclass(slots=True)
class Rule:
    """One limit."""

    said: Data
    since: int
    """The version with which its counters began."""
    counters: dict[str | None, Counter] = field(default_factory=dict)

    def amount(self, value: str | None) -> int:
        """What a value may use."""
        return int(self.said["allowances"].get(value, self.said["amount"]))

    def open_counter(self, value: str | None, at: datetime) -> Counter | None:
        """The counter of a value, if its window has not ended."""
        found = self.counters.get(value)
        return found if found is not None and (found.until is None or at < found.until) else None

    def change(self, credits: int, quantity: int, metric: str | None) -> int:
        """How much of a use it counts."""
        return credits if self.said["unit"] == "credits" else quantity if self.said["unit"] == metric else 0


@dataclass(slots=True)
class Counters:
    """All limits of an account."""

    rules: dict[str, Rule] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    """Of the event that is looked at."""

    def replace(self, data: Data, version: int, at: datetime) -> None:
        """All limits of one source are replaced."""
        before = self.rules
        rules = {name: rule for name, rule in before.items() if rule.said["source"] != data["source"]}
        for said in data["limits"]:
            name, old = said["limit_id"], before.get(said["limit_id"])
            if name in rules or said["source"] != data["source"]:
                self.complaints.append(f"takes {name} from another source")
            goes_on = old is not None and all(old.said.get(sign) == said.get(sign) for sign in SIGNS)
            if goes_on != (name in data["kept"]):
                self.complaints.append(f"says that {name} {'begins anew' if goes_on else 'goes on'}")
            rules[name] = Rule(said, version)
            if old is not None and goes_on:
                rules[name] = Rule(said, old.since, old.counters)
        self.rules = rules
        for count in data.get("counts", ()):
            one = told_of(count)
            rule = rules[one.limit_id]
            if one.limit_id in data["kept"] or one.amount != rule.amount(one.value):
                self.complaints.append(f"begins {one.limit_id} at {one}")
            self._look_at_window(rule, one.until, at)
            self._put(one)

    def allow(self, data: Data) -> None:
        """One value gets an amount of its own, or no longer has one."""
        rule = self.rules[data["limit_id"]]
        if not rule.said["each"]:
            self.complaints.append(f"allows {data['value']} something of {data['limit_id']}, which is for all")
        allowances = {name: amount for name, amount in rule.said["allowances"].items() if name != data["value"]}
        if "amount" in data:
            allowances[data["value"]] = data["amount"]
        rule.said = rule.said | {"allowances": allowances}

    def use(self, usage: Data, credits: int, quantity: int, at: datetime, stated: list[Count]) -> list[Told]:
        """The counters that a use moves; `stated` are those that its event has, of which new windows are taken."""
        windows = {(one.limit_id, one.value): one.until for one in map(told_of, stated)}
        found = []
        for name, rule in self.rules.items():
            said = rule.said
            change = rule.change(credits, quantity, usage.get("metric"))
            if not change or any(usage.get(sign, value) != value for sign, value in said["only"].items()):
                continue
            unnamed = [sign for sign in (*said["only"], *said["each"]) if sign not in usage]
            if unnamed and said["hard"]:
                self.complaints.append(f"does not name its {unnamed[0]}, by which {name} counts")
            if unnamed:
                continue
            value = str(usage[said["each"][0]]) if said["each"] else None
            counter = rule.open_counter(value, at)
            if counter is None:
                counter = Counter(0, windows.get((name, value)))
                self._look_at_window(rule, counter.until, at)
            used = counter.used + change
            if said["hard"] and used > rule.amount(value):
                self.complaints.append(f"passes {name} of {value}: {used} of {rule.amount(value)}")
            found.append(Told(name, value, min(used, LARGEST), rule.amount(value), counter.until))
        return found

    def give_back(self, parts: list[Part], at: datetime) -> list[Told]:
        """The counters to which parts of earlier uses go back."""
        found: dict[tuple[str, str | None], Told] = {}
        for part in parts:
            for count in map(told_of, part.counts):
                rule = self.rules.get(count.limit_id)
                if rule is None or rule.since >= part.version:
                    continue  # it began later, and has not counted this
                counter = rule.open_counter(count.value, at)
                back = part.credits if rule.said["unit"] == "credits" else part.quantity
                if not back or counter is None or counter.until != count.until:
                    continue
                key = count.limit_id, count.value
                used = found[key].used if key in found else counter.used
                found[key] = Told(*key, max(used - back, 0), rule.amount(count.value), counter.until)
        return list(found.values())

    def take(self, wanted: list[Told], stated: list[Count]) -> None:
        """Move the counters, as the event says if it is right."""
        told = [told_of(count) for count in stated]
        if told != wanted:
            self.complaints.append(f"counts {_text(told)}, and it had to be {_text(wanted)}")
        for one in told:
            self._put(one)

    def _put(self, one: Told) -> None:
        self.rules[one.limit_id].counters[one.value] = Counter(one.used, one.until)

    def _look_at_window(self, rule: Rule, until: datetime | None, at: datetime) -> None:
        period = rule.said.get("period")
        if not _can_be(period, until, at):
            self.complaints.append(f"opens a window of {rule.said['limit_id']} until {until}, and it is {period}")


def quantity_of(usage: Data) -> int:
    """One unit of the metric that usage names, unless it says how many."""
    return int(usage.get("quantity", 1)) if "metric" in usage else 0


def reversed_parts(parts: list[Part], before: int, amount: int) -> list[Part]:
    """What of a deduction's parts goes back with `amount` credits, after the first `before` credits did."""
    credits = [place for place, part in enumerate(parts) for _ in range(part.credits)]
    units = [place for place, part in enumerate(parts) for _ in range(part.quantity)]
    first, last = len(units) * before // len(credits), len(units) * (before + amount) // len(credits)
    back, things = credits[before : before + amount], units[first:last]
    return [part._replace(credits=back.count(place), quantity=things.count(place)) for place, part in enumerate(parts)]


def _can_be(period: Data | None, until: datetime | None, at: datetime) -> bool:
    """Whether a window that is opened at a moment may end then."""
    if period is None or until is None:
        return period is None and until is None
    if "seconds" in period:
        return until == at + timedelta(seconds=period["seconds"])
    local, before = (moment.astimezone(ZoneInfo(period["zone"])) for moment in (until, until - INSTANT))
    if not at < until <= at + timedelta(hours=LONGEST[period["every"]]):
        return False
    if local.date() == before.date():
        return bool(period["every"] == "hour" and local.minute == 0)
    match period["every"]:
        case "week":
            return bool(local.isoweekday() == period["starts"])
        case "month":
            is_last = (local + timedelta(days=1)).month != local.month
            return bool(local.day == period["starts"] or (is_last and local.day < period["starts"]))
        case "year":
            return (local.month, local.day) == (1, 1)
        case _:
            return True


def told_of(count: Count) -> Told:
    """One counter as an event states it."""
    limit_id, value, used, amount, until = count
    return Told(limit_id, value, used, amount, None if until is None else datetime.fromisoformat(until))


def _text(told: list[Told]) -> str:
    parts = [f"{one.limit_id}/{one.value} {one.used} of {one.amount} until {one.until}" for one in told]
    return ", ".join(parts) or "nothing"
