"""Postings: an event as a double entry in journal accounts that Beancount and hledger can read.

Postings are a pure function of the event, which carries every decision. Each lot has a journal account, and one below
it for its held credits. Grants, deductions, expiries, voids and payments have journal accounts of their own. Signs are
those of the holder: credits that remain are positive.

    Assets:Account-ada:Subscription:Grant-3         the remaining credits of a grant
    Assets:Account-ada:Subscription:Grant-3:Held    its held credits
    Income:Granted:Topup:Account-ada                grants, by source
    Expenses:Spent:Account-ada                      deductions less reversals
    Expenses:Lapsed:Account-ada, Expenses:Voided:Account-ada
    Expenses:Paid:Account-ada, Equity:Paid:Account-ada    money, in minor units of its currency
    Equity:Transfers:Account-ada                    credits sent less received; with all accounts together, 0

Some events have an amount in two places. The postings use both, so an event that contradicts itself makes a double
entry that does not balance.
"""

import re
from collections import defaultdict
from typing import NamedTuple, assert_never

from ledger.domain.amounts import Kind
from ledger.domain.events import (
    AccountClosed,
    AccountFrozen,
    AccountOpened,
    AccountReopened,
    AccountUnfrozen,
    AccountUpdated,
    AllowanceSet,
    CreditsDeducted,
    CreditsExpired,
    CreditsGranted,
    CreditsHeld,
    CreditsReceived,
    CreditsSent,
    CreditsSentBack,
    DeductionReversed,
    DisputeRecorded,
    Event,
    GrantExpiryChanged,
    GrantStarted,
    GrantVoided,
    HoldCaptured,
    HoldExpired,
    HoldExtended,
    HoldReleased,
    LimitsSet,
    PaymentRecorded,
    PaymentRefunded,
    SubscriptionRecorded,
    TextsErased,
    TransferReversed,
    UsageMetered,
)
from ledger.domain.holds import Fate, Returns
from ledger.domain.lots import Draws
from ledger.explain.money import Currencies

CREDIT = "CREDIT"
"""The commodity of credits. Money has others."""

UNCOLLECTED = "UNCOLLECTED"
"""The commodity of memo accounts: credits that were asked for and never moved. No sum of credits includes them."""

_PLAIN = re.compile(r"[A-Za-z0-9]")
_DASH_WITHIN = re.compile(r"-[A-Za-z0-9]")
_CURRENCY = re.compile(r"[A-Z]{3}")


class Posting(NamedTuple):
    """One line of a double entry: an amount, in whole units of a commodity, that is added to a journal account."""

    account: str
    amount: int
    commodity: str = CREDIT


Postings = tuple[Posting, ...]


def encoded(name: str) -> str:
    """A text as a part of a journal account's name, with the characters that both tools allow.

    ASCII letters, digits and single dashes stay. Any other character becomes its code point between dashes: `ada@home`
    becomes `ada--40-home`. The text can be read back, so different texts have different names.
    """
    parts = []
    for place, character in enumerate(name):
        # A dash stays where it cannot look like the beginning of a code point.
        plain = _PLAIN.match(character) or _DASH_WITHIN.match(name, place)
        parts.append(character if plain else f"--{ord(character):x}-")
    return "".join(parts)


def commodity_of(currency: str) -> str:
    """The commodity of a currency's minor units: EUR-MINOR for EUR; a name that is no such code is written in hex."""
    return f"{currency}-MINOR" if _CURRENCY.fullmatch(currency) else f"MINOR-{currency.encode().hex().upper()}"


class Accounts:
    """The names of the journal accounts of one ledger account."""

    def __init__(self, account_id: str) -> None:
        holder = f"Account-{encoded(account_id)}"
        self.all = f"Assets:{holder}"
        self.kinds: dict[Kind, str] = {
            "subscription": f"{self.all}:Subscription",
            "permanent": f"{self.all}:Permanent",
        }
        self.spent = f"Expenses:Spent:{holder}"
        self.paid = f"Expenses:Paid:{holder}"
        self.money = f"Equity:Paid:{holder}"
        self.transfers = f"Equity:Transfers:{holder}"
        self.uncollected = f"Equity:Memo:Uncollected:{holder}"
        self.clawbacks = f"Equity:Memo:Clawbacks:{holder}"
        self.contra = f"Equity:Memo:Contra:{holder}"
        self._holder = holder
        self._lost: dict[Fate, str] = {"lapsed": f"Expenses:Lapsed:{holder}", "cancelled": f"Expenses:Voided:{holder}"}

    def is_asset(self, account: str) -> bool:
        """Whether a journal account is one of lots."""
        return account.startswith(self.all)

    def lot(self, kind: Kind, grant_id: str) -> str:
        """The account of a lot. The account of its held credits is below it."""
        return f"{self.kinds[kind]}:Grant-{encoded(grant_id.removeprefix('grt_'))}"

    def held(self, kind: Kind, grant_id: str) -> str:
        """The account of the held credits of a lot."""
        return f"{self.lot(kind, grant_id)}:Held"

    def granted(self, source: str) -> str:
        """The account that grants of a source come from."""
        return f"Income:Granted:{source.capitalize()}:{self._holder}"

    def fate(self, kind: Kind, grant_id: str, fate: Fate) -> str:
        """The account that credits of a grant with this fate go to."""
        return self.lot(kind, grant_id) if fate == "returned" else self._lost[fate]


class _Sums:
    """The sums that one event adds to journal accounts, in the order of their first use."""

    def __init__(self) -> None:
        self._sums: defaultdict[tuple[str, str], int] = defaultdict(int)

    def add(self, account: str, amount: int, commodity: str = CREDIT) -> "_Sums":
        self._sums[account, commodity] += amount
        return self

    def postings(self) -> Postings:
        return tuple(Posting(account, amount, unit) for (account, unit), amount in self._sums.items() if amount)


def postings_of(accounts: Accounts, event: Event, currencies: Currencies) -> Postings:
    """The postings of an event: none, or two and more with the sum 0.

    `currencies` has the currency of each earlier payment of the account, because a refund does not name its currency.
    """
    return _sums(accounts, event, currencies).postings()


def _sums(accounts: Accounts, event: Event, currencies: Currencies) -> _Sums:
    sums = _Sums()
    match event:
        case CreditsGranted() if event.effective_at is not None:
            return sums  # its credits come in when it starts
        case CreditsGranted() | GrantStarted():
            sums.add(accounts.granted(event.source), -event.amount)
            return sums.add(accounts.lot(event.kind, event.grant_id), event.amount)
        case CreditsDeducted():
            _taken(sums, accounts, event.draws).add(accounts.spent, event.amount)
            return _noted(sums, accounts, accounts.uncollected, event.uncollected)
        case CreditsHeld():
            return _held(_taken(sums, accounts, event.draws), accounts, event.draws)
        case HoldCaptured():
            _taken(_unheld(sums, accounts, event.from_hold), accounts, event.from_lots)
            _back_from_hold(sums.add(accounts.spent, event.amount), accounts, event.returns)
            return _noted(sums, accounts, accounts.uncollected, event.uncollected)
        case HoldReleased() | HoldExpired():
            return _back_from_hold(sums, accounts, event.returns)
        case DeductionReversed():
            _back(sums.add(accounts.spent, -event.amount), accounts, event.returns)
            return _noted(sums, accounts, accounts.uncollected, -(event.waived or 0))
        case GrantVoided():
            _noted(sums, accounts, accounts.clawbacks, event.uncollected)
            return sums if event.coming else _lost(sums, accounts, event, "cancelled")
        case CreditsExpired():
            return _lost(sums, accounts, event, "lapsed")
        case CreditsSent() | CreditsSentBack():
            return _taken(sums, accounts, event.draws).add(accounts.transfers, event.amount)
        case CreditsReceived():
            sums.add(accounts.transfers, -event.amount)
            return sums.add(accounts.lot(event.kind, event.grant_id), event.amount)
        case TransferReversed():
            return _back(sums.add(accounts.transfers, -event.amount), accounts, event.returns)
        case GrantExpiryChanged():
            sums.add(accounts.fate(event.kind, event.grant_id, "lapsed"), -event.reinstated)
            return sums.add(accounts.lot(event.kind, event.grant_id), event.reinstated)
        case PaymentRecorded():
            return _paid(sums, accounts, event.amount_minor, event.currency) if event.status == "paid" else sums
        case PaymentRefunded():
            return _paid(sums, accounts, -event.amount_minor, currencies[event.provider, event.payment_id])
        case DisputeRecorded():
            _held(_taken(sums, accounts, event.draws), accounts, event.draws)
            _back_from_hold(sums, accounts, event.returns)
            lost = event.amount_minor if event.state == "lost" else 0
            return _paid(sums, accounts, -lost, currencies[event.provider, event.payment_id]) if lost else sums
        case AccountOpened() | HoldExtended() | SubscriptionRecorded():
            return sums
        case (
            AccountUpdated() | AccountFrozen() | AccountUnfrozen() | AccountClosed() | AccountReopened() | TextsErased()
        ):
            return sums
        case LimitsSet() | AllowanceSet() | UsageMetered():
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


def _noted(sums: _Sums, accounts: Accounts, memo: str, uncollected: int | None) -> _Sums:
    """Note what is uncollected in a memo account and its contra account: no credit moves, and a claim has two sides."""
    amount = uncollected or 0
    return sums.add(memo, -amount, UNCOLLECTED).add(accounts.contra, amount, UNCOLLECTED)


def _paid(sums: _Sums, accounts: Accounts, amount_minor: int, currency: str) -> _Sums:
    commodity = commodity_of(currency)
    return sums.add(accounts.money, -amount_minor, commodity).add(accounts.paid, amount_minor, commodity)
