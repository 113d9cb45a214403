"""The journal of an account: its events as double entries, with the accounts that they open and the balances to assert.

What is asserted of credits does not come from the postings. At the end of each day it is the balance that the day's
last event carries; at the end of all it is what the domain's own folding says of every lot and hold. So whoever reads
the journal adds up the postings, and finds out whether they are what the ledger decided.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import NamedTuple

from audit.export.postings import CREDIT, Accounts, Postings, postings_of
from ledger.domain.account import Account, evolve
from ledger.domain.amounts import Kind
from ledger.domain.events import CreditsGranted, Event, PaymentRecorded
from ledger.store import Logged, UnreadableEvent


class Opened(NamedTuple):
    """An account of the journal begins. It holds one commodity alone, or (None) money of any currency."""

    day: date
    account: str
    commodity: str | None
    account_id: str | None = None
    """On the first one of a holder: who that is."""


class Moved(NamedTuple):
    """An event with what it moves."""

    logged: Logged
    postings: Postings

    @property
    def day(self) -> date:
        """The day (UTC) on which it was recorded."""
        return _day(self.logged.event.recorded_at)


class Closing(NamedTuple):
    """At the end of a day (UTC) an account holds so much, all that is below it included."""

    day: date
    account: str
    amount: int
    commodity: str = CREDIT


Line = Opened | Moved | Closing


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()


@dataclass(slots=True)
class Journal:
    """Takes the events of one account in their order, and says what they make of it, line by line.

    It keeps what the account has open, and the names of all its grants and payments.
    """

    account_id: str
    _names: Accounts = field(init=False)
    _account: Account | None = None
    _kinds: dict[str, Kind] = field(default_factory=dict)
    _currencies: dict[str, str] = field(default_factory=dict)
    _opened: set[str] = field(default_factory=set)
    _flows: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        self._names = Accounts(self.account_id)

    def add(self, logged: Logged) -> list[Line]:
        """The lines up to an event and of the event itself. Raises UnreadableEvent for one that cannot follow."""
        try:
            return self._add(logged)
        except Exception as problem:  # a fold has no guards of its own: damaged events may fail in any way
            raise UnreadableEvent(logged.position, problem) from problem

    def _add(self, logged: Logged) -> list[Line]:
        event, before = logged.event, self._account
        self._account = evolve(before, event)
        self._remember(event)
        moved = Moved(logged, postings_of(self._names, event, self._currencies))
        lines: list[Line] = []
        if before is None:
            lines += self._begin(moved.day)
        elif _day(before.recorded_at) != moved.day:
            lines += self._end_of_day(before)
        if moved.postings:
            lines += [*self._open(moved), moved]
        return lines

    def _remember(self, event: Event) -> None:
        match event:
            case CreditsGranted():
                self._kinds[event.grant_id] = event.kind
            case PaymentRecorded():
                self._currencies[event.payment_id] = event.currency

    def _begin(self, day: date) -> list[Line]:
        names = self._names
        kinds = [Opened(day, account, CREDIT) for account in names.kinds.values()]
        self._opened |= {names.all, *names.kinds.values()}
        return [Opened(day, names.all, CREDIT, self.account_id), *kinds]

    def _open(self, moved: Moved) -> list[Line]:
        """The accounts that are met for the first time. Outside of assets the sums of all postings are kept."""
        lines: list[Line] = []
        for account, amount, commodity in moved.postings:
            if account not in self._opened:
                self._opened.add(account)
                lines.append(Opened(moved.day, account, commodity if commodity == CREDIT else None))
            if not self._names.is_asset(account):
                self._flows[account, commodity] += amount
        return lines

    def _end_of_day(self, account: Account) -> list[Line]:
        day, balance = _day(account.recorded_at), account.balance
        return [
            Closing(day, self._names.kinds["subscription"], balance.subscription),
            Closing(day, self._names.kinds["permanent"], balance.permanent),
        ]

    def close(self) -> list[Line]:
        """The balances at the end: of the account, of every lot that it ever had, and of what came in and went out."""
        account = self._account
        if account is None:
            return []
        day = _day(account.recorded_at)
        lines = [*self._end_of_day(account), Closing(day, self._names.all, account.balance.total)]
        remaining, held = _remaining(account), _held(account)
        for grant_id, kind in self._kinds.items():
            lot = remaining.get(grant_id, 0) + held.get(grant_id, 0)
            lines.append(Closing(day, self._names.lot(kind, grant_id), lot))
            if (name := self._names.held(kind, grant_id)) in self._opened:
                lines.append(Closing(day, name, held.get(grant_id, 0)))
        return lines + [Closing(day, name, amount, unit) for (name, unit), amount in self._flows.items()]


def _remaining(account: Account) -> dict[str, int]:
    return {lot.grant_id: lot.remaining for lot in account.lots}


def _held(account: Account) -> dict[str, int]:
    held: defaultdict[str, int] = defaultdict(int)
    for hold in account.holds.values():
        for part in hold.draws:
            held[part.grant_id] += part.amount
    return held
