"""Revenue by month and currency: whole minor units that add up, from exact moves of money."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from fractions import Fraction
from typing import NamedTuple

from audit.revenue.worth import Move, What


class Month(NamedTuple):
    """The money of one currency in one month (UTC), in minor units.

    deferred = deferred_before + paid - spent - breakage - returned, and revenue = spent + breakage - (back - returned):
    of the money that went `back`, the part that was not deferred any more had been revenue.
    """

    month: str
    currency: str
    paid: int
    back: int
    spent: int
    breakage: int
    returned: int
    deferred: int
    revenue: int


class MonthSums:
    """The money of each currency and month, exactly. It keeps sums, and no moves."""

    def __init__(self) -> None:
        self._money: defaultdict[tuple[str, str, What], Fraction] = defaultdict(Fraction)

    def add(self, move: Move) -> None:
        """Add a move to its month."""
        self._money[move.currency, f"{move.at.astimezone(UTC):%Y-%m}", move.what] += move.money

    def months(self, more: Iterable[Move] = ()) -> list[Month]:
        """The months from the first move of each currency to its last one, sorted; those without a move too. Some
        moves more are a part of the answer, and of no later one.

        Sums are rounded where they stand since the beginning, half to even, and a month is the difference of two such
        sums: so months add up to whole years and to the whole, and no rounding is ever lost.
        """
        whole = MonthSums()
        whole._money.update(self._money)
        for move in more:
            whole.add(move)
        found = [one for currency, of in whole._by_currency().items() for one in _of_currency(currency, of)]
        return sorted(found, key=lambda one: (one.month, one.currency))

    def _by_currency(self) -> dict[str, dict[str, dict[What, Fraction]]]:
        found: dict[str, dict[str, dict[What, Fraction]]] = {}
        for (currency, month, what), money in self._money.items():
            found.setdefault(currency, {}).setdefault(month, {})[what] = money
        return found


def months(moves: Iterable[Move]) -> list[Month]:
    """The months of some moves. See MonthSums."""
    return MonthSums().months(moves)


_WHATS: tuple[What, ...] = ("paid", "back", "spent", "breakage", "returned")


def _of_currency(currency: str, of: Mapping[str, Mapping[What, Fraction]]) -> Iterator[Month]:
    sums: defaultdict[What, Fraction] = defaultdict(Fraction)
    before = dict.fromkeys(_WHATS, 0)
    for month in _span(min(of), max(of)):
        for what, money in of.get(month, {}).items():
            sums[what] += money
        deferred = round(sums["paid"] - sums["spent"] - sums["breakage"] - sums["returned"])
        now: dict[What, int] = {what: round(sums[what]) for what in _WHATS}
        now["spent"] = now["paid"] - deferred - now["breakage"] - now["returned"]  # takes what the rounding leaves
        each = {what: now[what] - before[what] for what in _WHATS}
        revenue = each["spent"] + each["breakage"] - each["back"] + each["returned"]
        yield Month(month, currency, **each, deferred=deferred, revenue=revenue)
        before = now


def _span(first: str, last: str) -> Iterator[str]:
    """The names of all months from the first to the last one."""
    at = datetime.strptime(first, "%Y-%m").replace(tzinfo=UTC)
    while (name := f"{at:%Y-%m}") <= last:
        yield name
        at = at.replace(year=at.year + at.month // 12, month=at.month % 12 + 1)
