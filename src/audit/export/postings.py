"""Postings: an event as a double entry, in accounts that Beancount and hledger can read.

A pure function of the event, which carries every decision. A lot is an account, and so is what is held of it; what
came in and what went out are accounts of their own. The numbers are those of the holder: what is left is positive.

    Assets:Account-ada:Subscription:Grant-3         what remains of a grant
    Assets:Account-ada:Subscription:Grant-3:Held    what is held of it
    Income:Granted:Topup:Account-ada                granted, by source
    Expenses:Spent:Account-ada                      deducted, less what was reversed
    Expenses:Lapsed:Account-ada, Expenses:Voided:Account-ada
    Expenses:Paid:Account-ada, Equity:Paid:Account-ada    money, in minor units of its currency

Amounts that an event says twice are taken from both places: an event that does not agree with itself makes a double
entry that does not balance.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple, assert_never

from ledger.domain.amounts import Kind
from ledger.domain.events import (
    AccountClosed,
    AccountFrozen,
    AccountOpened,
    AccountUnfrozen,
    CreditsDeducted,
    CreditsExpired,
    CreditsGranted,
    CreditsHeld,
    DeductionReversed,
    Event,
    GrantVoided,
    HoldCaptured,
    HoldExpired,
    HoldExtended,
    HoldReleased,
    PaymentRecorded,
    PaymentRefunded,
    TextsErased,
)
from ledger.domain.holds import Fate, Returns
from ledger.domain.lots import Draws

CREDIT = "CREDIT"
"""The commodity of everything but money."""

_PLAIN = re.compile(r"[A-Za-z0-9]")
_DASH_WITHIN = re.compile(r"-[A-Za-z0-9]")
_CURRENCY = re.compile(r"[A-Z]{3}")


class Posting(NamedTuple):
    """One line of a double entry: what is added to an account, in whole units of a commodity."""

    account: str
    amount: int
    commodity: str = CREDIT


Postings = tuple[Posting, ...]


def written(name: str) -> str:
    """Any text as a part of an account's name: letters and digits of ASCII and single dashes, as both tools allow it.

    A character that is anything else is its code point between dashes: `ada@home` is `ada--40-home`. It can be
    read back, so no two texts are written alike.
    """
    parts = []
    for place, character in enumerate(name):
        # A dash stands for itself where what follows cannot make it look like the beginning of a code point.
        plain = _PLAIN.match(character) or _DASH_WITHIN.match(name, place)
        parts.append(character if plain else f"--{ord(character):x}-")
    return "".join(parts)


def commodity_of(currency: str) -> str:
    """Minor units of a currency as a commodity: EUR is EUR-MINOR; what is no code of three letters is its bytes."""
    return f"{currency}-MINOR" if _CURRENCY.fullmatch(currency) else f"MINOR-{currency.encode().hex().upper()}"


class Accounts:
    """The names of the accounts of one holder."""

    def __init__(self, account_id: str) -> None:
        holder = f"Account-{written(account_id)}"
        self.all = f"Assets:{holder}"
        self.kinds: dict[Kind, str] = {
            "subscription": f"{self.all}:Subscription",
            "permanent": f"{self.all}:Permanent",
        }
        self.spent = f"Expenses:Spent:{holder}"
        self.paid = f"Expenses:Paid:{holder}"
        self.money = f"Equity:Paid:{holder}"
        self._holder = holder
        self._lost: dict[Fate, str] = {"lapsed": f"Expenses:Lapsed:{holder}", "cancelled": f"Expenses:Voided:{holder}"}

    def is_asset(self, account: str) -> bool:
        """Whether an account is one of lots and not one of what came in or went out."""
        return account.startswith(self.all)

    def lot(self, kind: Kind, grant_id: str) -> str:
        """What remains of a grant; below it is what is held of it."""
        return f"{self.kinds[kind]}:Grant-{written(grant_id.removeprefix('grt_'))}"

    def held(self, kind: Kind, grant_id: str) -> str:
        """What is held of a grant."""
        return f"{self.lot(kind, grant_id)}:Held"

    def granted(self, source: str) -> str:
        """Where grants of a source come from."""
        return f"Income:Granted:{source.capitalize()}:{self._holder}"

    def fate(self, kind: Kind, grant_id: str, fate: Fate) -> str:
        """Where credits of a grant end that meet this fate."""
        return self.lot(kind, grant_id) if fate == "returned" else self._lost[fate]


class _Sums:
    """What one event adds to each account, in the order in which they are met."""

    def __init__(self) -> None:
        self._sums: defaultdict[tuple[str, str], int] = defaultdict(int)

    def add(self, account: str, amount: int, commodity: str = CREDIT) -> "_Sums":
        self._sums[account, commodity] += amount
        return self

    def postings(self) -> Postings:
        return tuple(Posting(account, amount, unit) for (account, unit), amount in self._sums.items() if amount)


def postings_of(accounts: Accounts, event: Event, currencies: Mapping[str, str]) -> Postings:
    """The postings of an event: none, or two and more that add up to nothing.

    `currencies` are those of the account's earlier payments by their ids: a refund does not name its own.
    """
    return _sums(accounts, event, currencies).postings()


def _sums(accounts: Accounts, event: Event, currencies: Mapping[str, str]) -> _Sums:
    sums = _Sums()
    match event:
        case CreditsGranted():
            sums.add(accounts.granted(event.source), -event.amount)
            return sums.add(accounts.lot(event.kind, event.grant_id), event.amount)
        case CreditsDeducted():
            return _taken(sums, accounts, event.draws).add(accounts.spent, event.amount)
        case CreditsHeld():
            return _held(_taken(sums, accounts, event.draws), accounts, event.draws)
        case HoldCaptured():
            _taken(_unheld(sums, accounts, event.from_hold), accounts, event.from_lots)
            return _back_from_hold(sums.add(accounts.spent, event.amount), accounts, event.returns)
        case HoldReleased() | HoldExpired():
            return _back_from_hold(sums, accounts, event.returns)
        case DeductionReversed():
            return _back(sums.add(accounts.spent, -event.amount), accounts, event.returns)
        case GrantVoided():
            return _lost(sums, accounts, event, "cancelled")
        case CreditsExpired():
            return _lost(sums, accounts, event, "lapsed")
        case PaymentRecorded():
            return _paid(sums, accounts, event.amount_minor, event.currency) if event.status == "paid" else sums
        case PaymentRefunded():
            return _paid(sums, accounts, -event.amount_minor, currencies[event.payment_id])
        case AccountOpened() | HoldExtended():
            return sums
        case AccountFrozen() | AccountUnfrozen() | AccountClosed() | TextsErased():
            return sums
    assert_never(event)


def _taken(sums: _Sums, accounts: Accounts, draws: Draws) -> _Sums:
    for part in draws:
        sums.add(accounts.lot(part.kind, part.grant_id), -part.amount)
    return sums


def _held(sums: _Sums, accounts: Accounts, draws: Draws) -> _Sums:
    for part in draws:
        sums.add(accounts.held(part.kind, part.grant_id), part.amount)
    return sums


def _unheld(sums: _Sums, accounts: Accounts, draws: Draws) -> _Sums:
    for part in draws:
        sums.add(accounts.held(part.kind, part.grant_id), -part.amount)
    return sums


def _back(sums: _Sums, accounts: Accounts, returns: Returns) -> _Sums:
    for part in returns:
        sums.add(accounts.fate(part.kind, part.grant_id, part.fate), part.amount)
    return sums


def _back_from_hold(sums: _Sums, accounts: Accounts, returns: Returns) -> _Sums:
    for part in returns:
        sums.add(accounts.held(part.kind, part.grant_id), -part.amount)
    return _back(sums, accounts, returns)


def _lost(sums: _Sums, accounts: Accounts, event: GrantVoided | CreditsExpired, fate: Fate) -> _Sums:
    sums.add(accounts.lot(event.kind, event.grant_id), -event.amount)
    return sums.add(accounts.fate(event.kind, event.grant_id, fate), event.amount)


def _paid(sums: _Sums, accounts: Accounts, amount_minor: int, currency: str) -> _Sums:
    commodity = commodity_of(currency)
    return sums.add(accounts.money, -amount_minor, commodity).add(accounts.paid, amount_minor, commodity)
