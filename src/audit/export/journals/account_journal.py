"""The journal of an account: its events as transactions, the journal accounts that they open, and balance assertions.

An assertion about credits does not come from the postings. At the end of a day it is the balance in the last event of
the day; at the end of the journal it is what `evolve` computes for every lot and hold. A program that reads the journal
adds up the postings, and so finds out whether they agree with what the ledger decided.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import NamedTuple

from audit.export.journals.postings import CREDIT, UNCOLLECTED, Accounts, Postings, postings_of
from ledger.domain.account import Account, evolve
from ledger.domain.amounts import Kind
from ledger.domain.events import CreditsGranted, CreditsReceived, Event, GrantStarted, PaymentRecorded
from ledger.explain.money import Currencies, add_currency
from ledger.store import Logged, UnreadableEvent


class AccountOpening(NamedTuple):
    """A journal account begins. It holds one commodity, or (None) money of any currency."""

    day: date
    account: str
    commodity: str | None
    account_id: str | None = None
    """The ledger's account, on the first journal account of each ledger account."""


class Transaction(NamedTuple):
    """An event with its postings."""

    logged: Logged
    postings: Postings

    @property
    def day(self) -> date:
        """The day (UTC) on which the event was recorded."""
        return _day(self.logged.event.recorded_at)


class BalanceAssertion(NamedTuple):
    """The balance of a journal account at the end of a day (UTC), with all accounts below it."""

    day: date
    account: str
    amount: int
    commodity: str = CREDIT


Line = AccountOpening | Transaction | BalanceAssertion


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()


@dataclass(slots=True)
class Journal:
    """Turns the events of one account, in their order, into lines of a journal.

    It keeps the account's open lots and holds, and the names of all its grants that started, and of its payments.
    """

    account_id: str
    _names: Accounts = field(init=False)
    _account: Account | None = None
    _kinds: dict[str, Kind] = field(default_factory=dict)
    _currencies: Currencies = field(default_factory=dict)
    _opened: set[str] = field(default_factory=set)
    _flows: defaultdict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        self._names = Accounts(self.account_id)

    def add(self, logged: Logged) -> list[Line]:
        """The lines for an event and what comes before it. Raises UnreadableEvent for one that does not follow."""
        try:
            return self._add(logged)
        except Exception as problem:  # evolve has no guards: a damaged event may fail in any way
            raise UnreadableEvent(logged.position, logged.account_id, problem) from problem

    def _add(self, logged: Logged) -> list[Line]:
        event, before = logged.event, self._account
        self._account = evolve(before, event)
        self._keep_names(event)
        transaction = Transaction(logged, postings_of(self._names, event, self._currencies))
        lines: list[Line] = []
        if before is None:
            lines += self._begin(transaction.day)
        elif _day(before.recorded_at) != transaction.day:
            lines += self._end_of_day(before)
        if transaction.postings:
            lines += [*self._open(transaction), transaction]
        return lines

    def _keep_names(self, event: Event) -> None:
        match event:
            case CreditsGranted(effective_at=None) | GrantStarted() | CreditsReceived():
                self._kinds[event.grant_id] = event.kind
            case PaymentRecorded():
                add_currency(self._currencies, event)

    def _begin(self, day: date) -> list[Line]:
        names = self._names
        kinds = [AccountOpening(day, account, CREDIT) for account in names.kinds.values()]
        self._opened |= {names.all, *names.kinds.values()}
        return [AccountOpening(day, names.all, CREDIT, self.account_id), *kinds]

    def _open(self, transaction: Transaction) -> list[Line]:
        """The openings of new journal accounts. For accounts other than assets it adds up the postings."""
        lines: list[Line] = []
        for account, amount, commodity in transaction.postings:
            if account not in self._opened:
                self._opened.add(account)
                only = commodity if commodity in (CREDIT, UNCOLLECTED) else None
                lines.append(AccountOpening(transaction.day, account, only))
            if not self._names.is_asset(account):
                self._flows[account, commodity] += amount
        return lines

    def _end_of_day(self, account: Account) -> list[Line]:
        day, balance = _day(account.recorded_at), account.balance
        return [
            BalanceAssertion(day, self._names.kinds["subscription"], balance.subscription),
            BalanceAssertion(day, self._names.kinds["permanent"], balance.permanent),
        ]

    def close(self) -> list[Line]:
        """The assertions at the end: of the account, of every lot that it ever had, and of every other account."""
        account = self._account
        if account is None:
            return []
        day = _day(account.recorded_at)
        lines = [*self._end_of_day(account), BalanceAssertion(day, self._names.all, account.balance.total)]
        remaining, held = _remaining(account), _held(account)
        for grant_id, kind in self._kinds.items():
            lot = remaining.get(grant_id, 0) + held.get(grant_id, 0)
            lines.append(BalanceAssertion(day, self._names.lot(kind, grant_id), lot))
            if (name := self._names.held(kind, grant_id)) in self._opened:
                lines.append(BalanceAssertion(day, name, held.get(grant_id, 0)))
        return lines + [BalanceAssertion(day, name, amount, unit) for (name, unit), amount in self._flows.items()]


def _remaining(account: Account) -> dict[str, int]:
    return {lot.grant_id: lot.remaining for lot in account.lots}


def _held(account: Account) -> dict[str, int]:
    held: defaultdict[str, int] = defaultdict(int)
    for hold in (*account.holds, *account.disputed):
        for part in hold.draws:
            held[part.grant_id] += part.amount
    return held
