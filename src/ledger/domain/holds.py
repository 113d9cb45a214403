"""Holds: credits reserved for work whose cost is not yet known, and the fate of credits that come back.

Held credits do not lapse. Credits that come back after the expiry of their lot lapse at once; credits that come back to
a closed grant are cancelled at once. Both are decided here, once, and the event carries the decision.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from ledger.domain.amounts import Kind
from ledger.domain.lots import Draws, Lot, Lots, put_all, total

MAX_OPEN_HOLDS = 10_000
DEFAULT_HOLD = timedelta(minutes=15)
SHORTEST_HOLD = timedelta(seconds=1)
LONGEST_HOLD = timedelta(days=7)

Fate = Literal["returned", "lapsed", "cancelled"]


class Return(NamedTuple):
    """Credits that come back to one lot from a hold or a reversal, and their fate."""

    grant_id: str
    kind: Kind
    amount: int
    expires_at: datetime | None
    fate: Fate


Returns = tuple[Return, ...]
Holds = dict[str, "Hold"]
"""Open holds by id, sorted by expiry. Treated as immutable: a change makes a new dict."""


@dataclass(frozen=True, slots=True)
class Hold:
    """An open hold: the draws that are left of it, in burn order."""

    hold_id: str
    draws: Draws
    expires_at: datetime
    task_id: str | None
    description: str | None
    closed_grants: frozenset[str] = frozenset()
    """Grants of these draws that were closed since: credits that come back to them are cancelled."""

    @property
    def amount(self) -> int:
        """The credits that are still held."""
        return total(self.draws)


def with_hold(holds: Holds, hold: Hold) -> Holds:
    """The holds with `hold` added or replaced, sorted by expiry."""
    if hold.hold_id not in holds and (not holds or next(reversed(holds.values())).expires_at <= hold.expires_at):
        return {**holds, hold.hold_id: hold}
    changed = {**holds, hold.hold_id: hold}
    return dict(sorted(changed.items(), key=lambda item: item[1].expires_at))


def without_hold(holds: Holds, hold_id: str) -> Holds:
    """The holds without the one with this id."""
    rest = holds.copy()
    del rest[hold_id]
    return rest


def give_back(draws: Draws, at: datetime, closed_grants: frozenset[str]) -> Returns:
    """The returns of `draws` that come back at `at`, each with its fate."""

    def fate(grant_id: str, expires_at: datetime | None) -> Fate:
        if grant_id in closed_grants:
            return "cancelled"
        return "lapsed" if expires_at is not None and expires_at <= at else "returned"

    return tuple(Return(*part, fate(part.grant_id, part.expires_at)) for part in draws)


def put_back(lots: Lots, returns: Returns) -> Lots:
    """The lots after the credits of `returns` with the fate `returned` were added."""
    back = [Lot(part.grant_id, part.kind, part.amount, part.expires_at) for part in returns if part.fate == "returned"]
    return put_all(lots, back) if back else lots


def lost(returns: Returns, kind: Kind) -> int:
    """The credits of one kind among `returns` that reached no lot."""
    return sum(part.amount for part in returns if part.kind == kind and part.fate != "returned")


def with_fate(returns: Returns, fate: Fate) -> int:
    """The credits among `returns` with one fate."""
    return sum(part.amount for part in returns if part.fate == fate)
