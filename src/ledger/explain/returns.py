"""Returns, explained: credits that come back from a hold or a reversal, to which lots, and what became of them."""

from collections.abc import Iterator, Set
from datetime import datetime

from ledger.domain.holds import Fate, Return, Returns
from ledger.domain.lots import Draws, Lots
from ledger.explain.draws import out_of_order
from ledger.explain.explanation import ReturnTold


def returns_told(lots: Lots, returns: Returns) -> tuple[ReturnTold, ...]:
    """What came back, lot by lot."""
    names = {part.grant_id for part in returns}
    remaining = {lot.grant_id: lot.remaining for lot in lots if lot.grant_id in names} if names else {}
    told = []
    for part in returns:
        before = remaining.get(part.grant_id, 0)
        after = before + part.amount if part.fate == "returned" else before
        remaining[part.grant_id] = after  # a deduction may have drawn twice from one lot: held, and beyond
        grant_id, kind, amount, expires_at, fate = part
        told.append(ReturnTold(grant_id, kind, expires_at, amount, fate, before, after, _why(part)))
    return tuple(told)


def _why(part: Return) -> str:
    match part.fate:
        case "returned":
            return "back to its lot"
        case "lapsed":
            return "its lot has expired"
        case "cancelled":
            return "its grant is closed"


def wrong_returns(expected: Draws, returns: Returns, order: str, at: datetime, closed: Set[str]) -> Iterator[str]:
    """Where `returns`, made at a moment, are not the front of `expected`, or have not met the fate that they should."""
    yield from out_of_order(expected, returns, order)
    for part in returns:
        fate = _fate(part, at, closed)
        if part.fate != fate:
            yield f"what comes back to {part.grant_id} should have been {fate}, and is {part.fate}"


def _fate(part: Return, at: datetime, closed: Set[str]) -> Fate:
    if part.grant_id in closed:
        return "cancelled"
    return "returned" if part.expires_at is None or at < part.expires_at else "lapsed"
