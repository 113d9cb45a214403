"""Explains returns: the credits that come back from a hold or a reversal, lot by lot, and their fate."""

from collections.abc import Iterator, Set
from datetime import datetime

from ledger.domain.holds import Fate, Return, Returns
from ledger.domain.lots import Draws, Lots
from ledger.explain.draws import out_of_order
from ledger.explain.explanation import ExplainedReturn


def explain_returns(lots: Lots, returns: Returns) -> tuple[ExplainedReturn, ...]:
    """Explain `returns`: for each, its fate, and what its lot held before and after."""
    names = {part.grant_id for part in returns}
    remaining = {lot.grant_id: lot.remaining for lot in lots if lot.grant_id in names} if names else {}
    explained = []
    for part in returns:
        before = remaining.get(part.grant_id, 0)
        after = before + part.amount if part.fate == "returned" else before
        remaining[part.grant_id] = after  # a deduction may have drawn twice from one lot: from its hold, and beyond
        grant_id, kind, amount, expires_at, fate = part
        explained.append(ExplainedReturn(grant_id, kind, expires_at, amount, fate, before, after, _why(part)))
    return tuple(explained)


def _why(part: Return) -> str:
    match part.fate:
        case "returned":
            return "returned to its lot"
        case "lapsed":
            return "its lot has expired"
        case "cancelled":
            return "its grant is closed"


def wrong_returns(expected: Draws, returns: Returns, order: str, at: datetime, closed: Set[str]) -> Iterator[str]:
    """Violations where `returns`, made at `at`, are not the beginning of `expected`, or have the wrong fate.

    `order` names the order of `expected` in words; `closed` holds the ids of the closed grants.
    """
    yield from out_of_order(expected, returns, order)
    for part in returns:
        fate = _fate(part, at, closed)
        if part.fate != fate:
            yield f"the credits of {part.grant_id} should be {fate}, but the event records {part.fate}"


def _fate(part: Return, at: datetime, closed: Set[str]) -> Fate:
    if part.grant_id in closed:
        return "cancelled"
    return "returned" if part.expires_at is None or at < part.expires_at else "lapsed"
