"""Holds: credits reserved for work whose cost is not yet known, and the fate of credits that come back.

What open disputes of payments hold is apart from the holds of callers: it has no expiry, and nobody captures, releases
or extends it. Held credits do not lapse. Credits that come back after the expiry of their lot lapse at once; credits
that come back to a closed grant are cancelled at once. Both are decided here, once, and the event carries the decision.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain
from operator import itemgetter
from typing import Literal, NamedTuple

from ledger.domain.amounts import Kind
from ledger.domain.limits import Counts
from ledger.domain.lots import Draws, Lot, Lots, put_all, total
from ledger.domain.sorted_runs import Place, Runs, in_runs, inserted, place_of, removed, replaced, value_from
from ledger.domain.usage import Usage, quantity_of

MAX_OPEN_HOLDS = 10_000
DEFAULT_HOLD = timedelta(minutes=15)
SHORTEST_HOLD = timedelta(seconds=1)
LONGEST_HOLD = timedelta(days=7)
LONGEST_LIFE = timedelta(days=30)
"""From when a hold is placed to the latest end that extensions may give it, where no setting says otherwise."""

Fate = Literal["returned", "lapsed", "cancelled"]


class Return(NamedTuple):
    """Credits that come back to one lot from a hold or a reversal, and their fate."""

    grant_id: str
    kind: Kind
    amount: int
    expires_at: datetime | None
    fate: Fate


Returns = tuple[Return, ...]


@dataclass(frozen=True, slots=True)
class Hold:
    """An open hold: the draws that are left of it, in burn order."""

    hold_id: str
    draws: Draws
    expires_at: datetime
    placed_at: datetime
    task_id: str | None
    description: str | None
    closed_grants: frozenset[str] = frozenset()
    """Grants of these draws that were closed since: credits that come back to them are cancelled."""
    usage: Usage | None = None
    """What it was placed for. Its quantity is what is not yet captured."""
    counts: Counts | None = None
    """Where limits counted it when it was placed."""

    @property
    def amount(self) -> int:
        """The credits that are still held."""
        return total(self.draws)

    @property
    def quantity(self) -> int:
        """The units of its metric that are not yet captured."""
        return quantity_of(self.usage) if self.usage is not None else 0

    @property
    def version(self) -> int:
        """The version of the event that placed it."""
        return _number(self.hold_id)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Holds:
    """The open holds of an account, those that expire first before the others. A change makes new holds, like Lots."""

    runs: Runs[Hold] = ()
    _ends: Runs[tuple[int, datetime]] = ()
    """The number of each hold with its expiry, by which `runs` are sorted."""
    _draws: Runs[tuple[int, int]] = ()
    """The number of each grant from which they draw, with the number of the hold."""
    grants: int = 0
    """The number of grants from which they draw."""

    @classmethod
    def of(cls, holds: Iterable[Hold]) -> "Holds":
        """Some holds, in any order."""
        all_holds = tuple(holds)
        ends = in_runs([(_number(hold.hold_id), hold.expires_at) for hold in all_holds], itemgetter(0))
        pairs = {(_number(part.grant_id), _number(hold.hold_id)) for hold in all_holds for part in hold.draws}
        grants = len({grant for grant, _ in pairs})
        return cls(in_runs(all_holds, _by_end), ends, in_runs(pairs, _itself), grants)

    def __iter__(self) -> Iterator[Hold]:
        return chain.from_iterable(self.runs)

    def __len__(self) -> int:
        return sum(map(len, self.runs))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Holds) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"Holds.of({list(self)})"

    def __contains__(self, hold_id: object) -> bool:
        return isinstance(hold_id, str) and self.get(hold_id) is not None

    def __getitem__(self, hold_id: str) -> Hold:
        """The open hold with this id. Raises KeyError."""
        hold = self.get(hold_id)
        if hold is None:
            raise KeyError(hold_id)
        return hold

    def get(self, hold_id: str) -> Hold | None:
        """The open hold with this id; None when there is none. The id may be any text."""
        place = self._place(hold_id)
        return None if place is None else self.runs[place.run][place.at]

    @property
    def first(self) -> Hold | None:
        """The hold that expires first."""
        return self.runs[0][0] if self.runs else None

    def _place(self, hold_id: str) -> Place | None:
        digits = hold_id[4:]
        number = int(digits) if digits.isascii() and digits.isdecimal() else 0
        end = value_from(self._ends, number, itemgetter(0))
        if end is None or end[0] != number:
            return None
        place = place_of(self.runs, (end[1], number), _by_end)
        return place if self.runs[place.run][place.at].hold_id == hold_id else None

    def with_hold(self, hold: Hold) -> "Holds":
        """The holds with `hold` added, or in place of the one with its id."""
        if hold.hold_id in self:
            return self.without(hold.hold_id).with_hold(hold)
        number, draws, grants = _number(hold.hold_id), self._draws, self.grants
        for grant in {_number(part.grant_id) for part in hold.draws}:
            grants += not _is_drawn(draws, grant)
            draws = inserted(draws, (grant, number), _itself)
        ends = inserted(self._ends, (number, hold.expires_at), itemgetter(0))
        return Holds(inserted(self.runs, hold, _by_end), ends, draws, grants)

    def without(self, hold_id: str) -> "Holds":
        """The holds without the one with this id. Raises KeyError."""
        place = self._place(hold_id)
        if place is None:
            raise KeyError(hold_id)
        number = _number(hold_id)
        draws, grants = self._draws, self.grants
        for grant in {_number(part.grant_id) for part in self.runs[place.run][place.at].draws}:
            draws = removed(draws, place_of(draws, (grant, number), _itself))
            grants -= not _is_drawn(draws, grant)
        ends = removed(self._ends, place_of(self._ends, number, itemgetter(0)))
        return Holds(removed(self.runs, place), ends, draws, grants)

    def closing(self, grant_id: str) -> "Holds":
        """The holds after a grant was closed: what comes back to it from them is cancelled."""
        holds, grant = self, _number(grant_id)
        for hold in self._drawing_from(grant):
            if grant_id in hold.closed_grants:  # no hold draws from a closed grant, so all were told before
                break
            holds = holds._with(replace(hold, closed_grants=hold.closed_grants | {grant_id}))
        return holds

    def with_expiry(self, grant_id: str, expires_at: datetime | None) -> "Holds":
        """The holds after the lot of a grant got another expiry: what comes back to it lapses then."""
        holds = self
        for hold in self._drawing_from(_number(grant_id)):
            holds = holds._with(replace(hold, draws=_with_expiry(hold.draws, grant_id, expires_at)))
        return holds

    def without_texts(self) -> "Holds":
        """The holds without their descriptions."""
        runs = tuple([tuple([replace(hold, description=None) for hold in run]) for run in self.runs])
        return Holds(runs, self._ends, self._draws, self.grants)

    def drawn_grants(self) -> set[str]:
        """The ids of the grants from which they draw."""
        return {part.grant_id for hold in self for part in hold.draws}

    def _drawing_from(self, grant: int) -> Iterator[Hold]:
        number = 0
        while (pair := value_from(self._draws, (grant, number), _itself)) is not None and pair[0] == grant:
            yield self[f"hld_{pair[1]}"]
            number = pair[1] + 1

    def _with(self, hold: Hold) -> "Holds":
        """The holds with `hold` in place of the one with its id, with the same lots and the same expiry."""
        place = self._place(hold.hold_id)
        assert place is not None
        return Holds(replaced(self.runs, place, hold), self._ends, self._draws, self.grants)


NO_HOLDS = Holds()


def _number(name: str) -> int:
    """The version in the id of a grant or hold."""
    return int(name[4:])


def _by_end(hold: Hold) -> tuple[datetime, int]:
    return hold.expires_at, _number(hold.hold_id)


def _itself(pair: tuple[int, int]) -> tuple[int, int]:
    return pair


def _is_drawn(draws: Runs[tuple[int, int]], grant: int) -> bool:
    pair = value_from(draws, (grant, 0), _itself)
    return pair is not None and pair[0] == grant


class Awaited(NamedTuple):
    """Credits of a grant that has not started, which an open dispute will hold as soon as it does."""

    grant_id: str
    amount: int


@dataclass(frozen=True, slots=True)
class Disputed:
    """What one open dispute of a payment holds, a draw for each grant. `awaits` is of grants that have not started."""

    hold_id: str
    payment_id: str
    provider: str
    dispute_id: str
    amount_minor: int
    draws: Draws
    awaits: tuple[Awaited, ...] = ()
    closed_grants: frozenset[str] = frozenset()
    """Grants of these draws that were closed since: credits that come back to them are cancelled."""

    @property
    def amount(self) -> int:
        """The credits that it holds."""
        return total(self.draws)

    def held_of(self, grant_id: str) -> int:
        """The credits of one grant that it holds."""
        return sum([part.amount for part in self.draws if part.grant_id == grant_id])

    def changed(self, draws: Draws, returns: Returns, awaits: tuple[Awaited, ...]) -> "Disputed":
        """The same after `draws` were added and `returns` came back. What it awaits is `awaits` from now on."""
        parts = {part.grant_id: part for part in self.draws}
        for more in draws:
            parts[more.grant_id] = more._replace(amount=more.amount + self.held_of(more.grant_id))
        for back in returns:
            part = parts[back.grant_id]
            parts[back.grant_id] = part._replace(amount=part.amount - back.amount)
        return replace(self, draws=tuple([part for part in parts.values() if part.amount]), awaits=awaits)


@dataclass(frozen=True, slots=True)
class DisputedCredits:
    """What the open disputes of an account hold, in the order in which they were opened."""

    all: tuple[Disputed, ...] = ()

    def __iter__(self) -> Iterator[Disputed]:
        return iter(self.all)

    def __bool__(self) -> bool:
        return bool(self.all)

    def get(self, hold_id: str | None) -> Disputed | None:
        """What is held under this id; None when no open dispute holds it."""
        return next((one for one in self.all if one.hold_id == hold_id), None)

    def of_payment(self, provider: str, payment_id: str) -> tuple[Disputed, ...]:
        """What the open disputes of one payment hold."""
        return tuple([one for one in self.all if (one.provider, one.payment_id) == (provider, payment_id)])

    def with_one(self, disputed: Disputed) -> "DisputedCredits":
        """These and what a new dispute holds."""
        return DisputedCredits((*self.all, disputed))

    def without(self, hold_id: str) -> "DisputedCredits":
        """These without what is held under this id. Raises KeyError."""
        if self.get(hold_id) is None:
            raise KeyError(hold_id)
        return DisputedCredits(tuple([one for one in self.all if one.hold_id != hold_id]))

    def changed(self, hold_id: str, draws: Draws, returns: Returns, awaits: tuple[Awaited, ...]) -> "DisputedCredits":
        """These with another amount held under this id. Raises KeyError."""
        if self.get(hold_id) is None:
            raise KeyError(hold_id)
        changed = [one.changed(draws, returns, awaits) if one.hold_id == hold_id else one for one in self.all]
        return DisputedCredits(tuple(changed))

    def closing(self, grant_id: str) -> "DisputedCredits":
        """These after a grant was closed: what comes back to it is cancelled."""
        return DisputedCredits(
            tuple(
                [
                    replace(one, closed_grants=one.closed_grants | {grant_id}) if one.held_of(grant_id) else one
                    for one in self.all
                ]
            )
        )

    def with_expiry(self, grant_id: str, expires_at: datetime | None) -> "DisputedCredits":
        """These after the lot of a grant got another expiry."""
        return DisputedCredits(
            tuple([replace(one, draws=_with_expiry(one.draws, grant_id, expires_at)) for one in self.all])
        )

    def drawn_grants(self) -> set[str]:
        """The ids of the grants from which they hold credits."""
        return {part.grant_id for one in self.all for part in one.draws}


NOTHING_DISPUTED = DisputedCredits()


def _with_expiry(draws: Draws, grant_id: str, expires_at: datetime | None) -> Draws:
    return tuple([part._replace(expires_at=expires_at) if part.grant_id == grant_id else part for part in draws])


def lots_expire_at(draws: Draws, end: datetime) -> datetime | None:
    """When the first lot of some draws lapses, if that is by `end`: credits that come back from then on are lost.

    None when the lots outlive a hold that ends then.
    """
    first = min([part.expires_at for part in draws if part.expires_at is not None], default=None)
    return first if first is not None and first <= end else None


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
