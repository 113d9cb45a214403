"""Lots: what remains of each grant, kept in burn order, and the draws that deductions and holds make on them.

Burn order: subscription before permanent; within a kind the earliest `expires_at` first (none is last); then the
oldest grant. A tuple of lots is always sorted so, and a lot with nothing left is not in it. Nothing here knows what
time it is: lots that have lapsed were taken out before (see settle.py).
"""

from bisect import insort
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from ledger.amounts import Kind
from ledger.errors import DrawsLimitExceeded

MAX_OPEN_LOTS = 10_000
MAX_DRAWS = 1_000
"""Draws that one deduction, hold or capture may make."""

_NEVER = datetime.max.replace(tzinfo=UTC)


class Lot(NamedTuple):
    """What remains of one grant and is neither held nor spent, in credits."""

    grant_id: str
    kind: Kind
    remaining: int
    expires_at: datetime | None


class Draw(NamedTuple):
    """The part of a deduction or hold that one lot pays. It keeps the lot's expiry, so that it can go back later."""

    grant_id: str
    kind: Kind
    amount: int
    expires_at: datetime | None


Lots = tuple[Lot, ...]
Draws = tuple[Draw, ...]


def burn_order(lot: Lot) -> tuple[bool, datetime, int]:
    """The sort key of the burn order; the grant's stream version makes it unique."""
    return lot.kind == "permanent", lot.expires_at or _NEVER, int(lot.grant_id[4:])


def draw(lots: Lots, amount: int) -> Draws:
    """Cover `amount` from `lots` in burn order; the caller has made sure that they hold enough.

    Raises DrawsLimitExceeded when that would take more than MAX_DRAWS lots.
    """
    draws = []
    missing = amount
    for grant_id, kind, remaining, expires_at in lots:
        part = remaining if remaining < missing else missing
        draws.append(Draw(grant_id, kind, part, expires_at))
        missing -= part
        if not missing:
            return tuple(draws)
        if len(draws) == MAX_DRAWS:
            break
    raise DrawsLimitExceeded(MAX_DRAWS, amount - missing)


def take(lots: Lots, draws: Draws) -> Lots:
    """The lots after `draws` were taken from them: they are the head of the burn order, all but the last used up."""
    if not draws:
        return lots
    last = len(draws) - 1
    lot = lots[last]
    rest = lot.remaining - draws[last].amount
    return (Lot(lot.grant_id, lot.kind, rest, lot.expires_at), *lots[last + 1 :]) if rest else lots[last + 1 :]


def first_expiry_after(lots: Lots, draws: Draws) -> datetime | None:
    """When the next lot lapses once `draws` were taken from `lots`."""
    last = len(draws) - 1
    if lots[last].remaining > draws[last].amount:
        return lots[last].expires_at
    return lots[last + 1].expires_at if last + 1 < len(lots) else None


def put(lots: Lots, lot: Lot) -> Lots:
    """The lots after the credits of `lot` came in, merged with what is left of the same grant."""
    merged = list(lots)
    for index, present in enumerate(merged):
        if present.grant_id == lot.grant_id:
            merged[index] = present._replace(remaining=present.remaining + lot.remaining)
            return tuple(merged)
    insort(merged, lot, key=burn_order)
    return tuple(merged)


def without(lots: Lots, grant_id: str) -> Lots:
    """The lots without the one of `grant_id`."""
    return tuple(lot for lot in lots if lot.grant_id != grant_id)


def cancel(lots: Lots, grant_id: str, amount: int) -> Lots:
    """The lots after `amount` of one grant was cancelled."""
    left = remaining_of(lots, grant_id) - amount
    return tuple(
        lot._replace(remaining=left) if lot.grant_id == grant_id else lot
        for lot in lots
        if left or lot.grant_id != grant_id
    )


def remaining_of(lots: Lots, grant_id: str) -> int:
    """What remains of one grant, in credits; 0 when its lot is used up."""
    return next((lot.remaining for lot in lots if lot.grant_id == grant_id), 0)


def first_expiry(lots: Lots) -> datetime | None:
    """When the next lot lapses. Only the first lot in burn order can be it: permanent credits never lapse."""
    return lots[0].expires_at if lots else None


def total(draws: Iterable[Draw], kind: Kind | None = None) -> int:
    """The credits of `draws`, of one kind or of both."""
    return sum([part.amount for part in draws if kind is None or part.kind == kind])


def head(draws: Draws, amount: int) -> Draws:
    """The first `amount` credits of `draws`, in their order."""
    parts = []
    for part in draws:
        if not amount:
            break
        size = min(part.amount, amount)
        parts.append(part._replace(amount=size))
        amount -= size
    return tuple(parts)


def tail(draws: Draws, skipped: int) -> Draws:
    """What is left of `draws` when its first `skipped` credits are taken off."""
    parts = []
    for part in draws:
        size = min(part.amount, skipped)
        skipped -= size
        if part.amount > size:
            parts.append(part._replace(amount=part.amount - size))
    return tuple(parts)
