"""Lots: what remains of each grant, in burn order, and the draws that deductions and holds make from them.

Burn order: subscription before permanent; within a kind the earliest `expires_at` first (None is last); then the oldest
grant. A tuple of lots is always in this order, and a lot with nothing left is not in it. This module does not know the
time: the caller has removed the lots that have lapsed (see expiry.py).
"""

from bisect import bisect
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from ledger.domain.amounts import Kind
from ledger.domain.errors import DrawsLimitExceeded

MAX_OPEN_LOTS = 10_000
MAX_DRAWS = 1_000
"""The largest number of draws of one deduction, hold or capture."""

_NEVER = datetime.max.replace(tzinfo=UTC)


class Lot(NamedTuple):
    """What remains of one grant and is neither held nor spent, in credits."""

    grant_id: str
    kind: Kind
    remaining: int
    expires_at: datetime | None


class Draw(NamedTuple):
    """The part of a deduction or hold that one lot pays. It keeps the lot's expiry, for when it comes back."""

    grant_id: str
    kind: Kind
    amount: int
    expires_at: datetime | None


Lots = tuple[Lot, ...]
Draws = tuple[Draw, ...]


def burn_order(lot: Lot) -> tuple[bool, datetime, int]:
    """The sort key of the burn order. The version of the grant makes it unique."""
    return lot.kind == "permanent", lot.expires_at or _NEVER, int(lot.grant_id[4:])


def draw(lots: Lots, amount: int, most: int = MAX_DRAWS) -> Draws:
    """Draw `amount` from `lots` in burn order. The caller has checked that they hold enough.

    Raises DrawsLimitExceeded when that takes more than `most` lots.
    """
    draws = []
    missing = amount
    for grant_id, kind, remaining, expires_at in lots:
        part = remaining if remaining < missing else missing
        draws.append(Draw(grant_id, kind, part, expires_at))
        missing -= part
        if not missing:
            return tuple(draws)
        if len(draws) == most:
            break
    raise DrawsLimitExceeded(MAX_DRAWS, amount - missing)


def take(lots: Lots, draws: Draws) -> Lots:
    """The lots after `draws` were taken from them."""
    if len(draws) == 1 and lots[0].grant_id == draws[0].grant_id:  # the usual case, without a scan of all lots
        grant_id, kind, remaining, expires_at = lots[0]
        rest = remaining - draws[0].amount
        return (Lot(grant_id, kind, rest, expires_at), *lots[1:]) if rest else lots[1:]
    taken = {part.grant_id: part.amount for part in draws}
    return tuple(
        lot._replace(remaining=lot.remaining - taken[lot.grant_id]) if lot.grant_id in taken else lot
        for lot in lots
        if lot.remaining != taken.get(lot.grant_id)
    )


def first_expiry_after(lots: Lots, draws: Draws) -> datetime | None:
    """When the next lot lapses after `draws`, which were just made in burn order, are taken from `lots`."""
    last = len(draws) - 1
    if lots[last].remaining > draws[last].amount:
        return lots[last].expires_at
    return lots[last + 1].expires_at if last + 1 < len(lots) else None


def put(lots: Lots, lot: Lot) -> Lots:
    """The lots with a new one inserted in burn order."""
    place = bisect(lots, burn_order(lot), key=burn_order)
    return (*lots[:place], lot, *lots[place:])


def put_all(lots: Lots, more: Iterable[Lot]) -> Lots:
    """The lots after the credits of `more` were added, each merged with what is left of its grant."""
    merged = {lot.grant_id: lot for lot in lots}
    for lot in more:
        present = merged.get(lot.grant_id)
        remaining = lot.remaining + (present.remaining if present else 0)
        merged[lot.grant_id] = lot._replace(remaining=remaining)
    return tuple(sorted(merged.values(), key=burn_order))


def without(lots: Lots, grant_id: str) -> Lots:
    """The lots without that of one grant."""
    if lots[0].grant_id == grant_id:  # lots lapse in burn order
        return lots[1:]
    return tuple(lot for lot in lots if lot.grant_id != grant_id)


def cancel(lots: Lots, grant_id: str, amount: int) -> Lots:
    """The lots after `amount` credits of one grant were cancelled."""
    left = remaining_of(lots, grant_id) - amount
    return tuple(
        lot._replace(remaining=left) if lot.grant_id == grant_id else lot
        for lot in lots
        if left or lot.grant_id != grant_id
    )


def remaining_of(lots: Lots, grant_id: str) -> int:
    """What remains of one grant, in credits; 0 when it has no open lot."""
    return next((lot.remaining for lot in lots if lot.grant_id == grant_id), 0)


def first_expiry(lots: Lots) -> datetime | None:
    """When the next lot lapses. It can only be the first lot in burn order, because permanent lots never lapse."""
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
    """What is left of `draws` without their first `skipped` credits."""
    parts = []
    for part in draws:
        size = min(part.amount, skipped)
        skipped -= size
        if part.amount > size:
            parts.append(part._replace(amount=part.amount - size))
    return tuple(parts)
