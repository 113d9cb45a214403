"""What an import would do, before anything is written: its first rows as commands, its totals, what would be refused.

The first rows of the file are tried on the ledger: decided by the rules of the moment, and not recorded.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from api.imports.checking import Checked
from api.imports.rating import Options, Rated, Rating, Terms, other_terms, uncollected_of
from ledger.commit.submission import Outcome, Recorded
from ledger.domain.errors import Refusal
from ledger.service import Ledger

LISTED = 10
"""The refusals and accounts that a preview lists."""
_COMPARED = 1_000
"""The accounts with the largest totals whose balances are compared, if the file has more rows than are tried."""


class Shortfall(NamedTuple):
    """An account that cannot pay all of its rows."""

    account_id: str
    rows: int
    credits: int
    available: int | None
    """None: there is no such account."""


class Uncollected(NamedTuple):
    """An account that pays for a part of its rows only."""

    account_id: str
    credits: int
    """What was tried, or the whole file, costs it."""
    uncollected: int


@dataclass(slots=True)
class Trial:
    """What the ledger would answer."""

    tried: int = 0
    recorded_before: int = 0
    """Rows that an earlier import has recorded already."""
    credits_before: int = 0
    opened: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    first_refused: list[tuple[Rated, Refusal]] = field(default_factory=list)
    short: list[Shortfall] = field(default_factory=list)
    """Accounts with too few credits for the whole file; only for a file with more rows than are tried."""
    uncollected: list[Uncollected] = field(default_factory=list)
    """Accounts from which what there is would be taken, those with the most uncollected credits first."""


async def try_rows(ledger: Ledger, options: Options, checked: Checked) -> Trial:
    """Try the first rows on the ledger. Raises Overloaded, Unavailable, and psycopg.Error."""
    rows, rating, now = checked.first, checked.rating, ledger.clock()
    terms = [rating.terms_of(rated, now) for rated in rows]
    outcomes = await _outcomes(ledger, rating, rows, terms, [])
    missing = _missing(rows, outcomes) if options.opening is not None else []
    others = [other_terms(*one) for one in zip(rows, terms, outcomes, strict=True)]
    if missing or any(others):
        terms = [other or one for other, one in zip(others, terms, strict=True)]
        outcomes = await _outcomes(ledger, rating, rows, terms, missing)
    trial = Trial(len(rows), opened=len(missing))
    for rated, outcome in zip(rows, outcomes, strict=True):
        if isinstance(outcome, Refusal):
            trial.refused[outcome.code] += 1
            if len(trial.first_refused) < LISTED:
                trial.first_refused.append((rated, outcome))
        elif outcome.replayed:
            trial.recorded_before += 1
            trial.credits_before += rated.amount
    if checked.tally.deducted > len(rows):
        trial.short = await _shortfalls(ledger, options, checked)
    if options.on_shortfall == "available":
        _take_available(trial, rows, outcomes)
    return trial


def _take_available(trial: Trial, rows: Sequence[Rated], outcomes: Sequence[Outcome]) -> None:
    """Tell what would be uncollected: by the trial of all rows, or by the totals of a longer file."""
    found = _uncollected(rows, outcomes)
    for one in trial.short:
        if one.available is not None:
            found[one.account_id] = Uncollected(one.account_id, one.credits, one.credits - one.available)
    trial.short = [one for one in trial.short if one.available is None]
    trial.uncollected = sorted(found.values(), key=lambda one: -one.uncollected)


def _uncollected(rows: Sequence[Rated], outcomes: Sequence[Outcome]) -> dict[str, Uncollected]:
    """What each account that falls short would pay for the rows that were tried, without those recorded before."""
    costs: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    for rated, outcome in zip(rows, outcomes, strict=True):
        if isinstance(outcome, Recorded) and not outcome.replayed:
            costs[rated.account_id] += rated.amount
            missing[rated.account_id] += uncollected_of(outcome)
    return {
        account_id: Uncollected(account_id, costs[account_id], amount)
        for account_id, amount in missing.items()
        if amount
    }


async def _outcomes(
    ledger: Ledger, rating: Rating, rows: Sequence[Rated], terms: Sequence[Terms], missing: Sequence[str]
) -> list[Outcome]:
    """What the ledger would answer if the missing accounts were opened before."""
    openings = [one for account_id in missing for one in rating.opening(account_id)()]
    deductions = [rating.deduction(rated, one)() for rated, one in zip(rows, terms, strict=True)]
    found = await ledger.dry_run([*openings, *deductions], atomic=False) if rows else []
    return found[len(openings) :]


def _missing(rows: Sequence[Rated], outcomes: Sequence[Recorded | Refusal]) -> list[str]:
    """The accounts that do not exist, in the order of the file."""
    pairs = zip(rows, outcomes, strict=True)
    return list(
        dict.fromkeys(
            rated.account_id
            for rated, outcome in pairs
            if isinstance(outcome, Refusal) and outcome.code == "account_not_found"
        )
    )


async def _shortfalls(ledger: Ledger, options: Options, checked: Checked) -> list[Shortfall]:
    """The accounts that cannot pay for the whole file, of those with the largest totals."""
    given = options.opening
    start = None if given is None else given.signup + given.subscription + given.permanent
    largest = sorted(checked.accounts.items(), key=lambda item: -item[1].credits)[:_COMPARED]
    short = []
    for account_id, (rows, credits) in largest:
        found = await ledger.account_at(account_id)
        available = start if found is None else found.account.balance.available
        if available is None or available < credits:
            short.append(Shortfall(account_id, rows, credits, available))
    return short
