"""The lines of a history for people: each has a style for terminals, and columns align within each event."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import zip_longest
from typing import Literal, NamedTuple

from ledger.domain.account import Account
from ledger.domain.amounts import Balance, Kind
from ledger.explain.explanation import (
    ExplainedDraw,
    ExplainedHold,
    ExplainedLot,
    ExplainedReturn,
    Explanation,
    PassedOver,
)
from ledger.explain.sentences import instant

Style = Literal["bold", "", "dim", "bold red", "bold green"]
Row = tuple[str, ...]
_INDENT = "    "


class Line(NamedTuple):
    """One line, and its style on a terminal."""

    text: str
    style: Style = ""


def event_lines(explained: Explanation, position: int | None) -> Iterator[Line]:
    """The lines of one event. An event without a position is not recorded."""
    if position is None:
        moment = instant(explained.effective_at or explained.recorded_at)
        yield Line(f"-  {moment}  {explained.type}, not recorded by then", "bold")
    else:
        moment = instant(explained.recorded_at)
        yield Line(f"{explained.version}  {moment}  {explained.type}, position {position}", "bold")
    yield Line(_INDENT + _shown(explained.sentence))
    yield from (Line(_INDENT + _shown(reason), "dim") for reason in explained.details.why)
    yield from (Line(_INDENT + _shown(row)) for row in _aligned(_rows(explained)))
    yield Line(f"{_INDENT}balance  {_balance(explained.before, explained.balance)}")
    yield from (Line(f"{_INDENT}NOT SOUND: {_shown(violation)}", "bold red") for violation in explained.violations)
    yield Line("")


def account_lines(account: Account, title: str) -> Iterator[Line]:
    """The lines of an account: its balance, its open lots in burn order, its coming grants, its open holds."""
    yield Line(title, "bold")
    yield Line(f"{_INDENT}balance  {_balance(account.balance, account.balance)}")
    if account.standing != "active":
        yield Line(f"{_INDENT}the account is {account.standing}")
    rows = [("lot", lot.grant_id, _nature(lot.kind, lot.expires_at), f"{lot.remaining:,}") for lot in account.lots]
    rows += [
        (
            "coming",
            one.grant_id,
            f"{_nature(one.kind, one.expires_at)}, from {instant(one.effective_at)}",
            f"{one.amount:,}",
        )
        for one in account.coming
    ]
    rows += [("hold", hold.hold_id, _held_until(hold.expires_at), f"{hold.amount:,}") for hold in account.holds]
    rows += [("hold", held.hold_id, _held_until(None), f"{held.amount:,}") for held in account.disputed]
    yield from (Line(_INDENT + row) for row in _aligned(rows))


def _rows(explained: Explanation) -> Iterator[Row]:
    """What the event did to lots and to the hold."""
    details = explained.details
    if details.lot is not None:
        yield _lot(details.lot)
    yield from map(_draw, details.draws)
    yield from map(_passed_over, details.passed_over)
    others = details.passed_over_count - len(details.passed_over)
    if others > 0:
        yield "left", f"and {others:,} more"
    yield from map(_return, details.returns)
    if details.hold is not None:
        yield _hold(details.hold)
    for count in details.counts:
        yield "limit", count.why.removeprefix("limit ")


def _lot(lot: ExplainedLot) -> Row:
    change = lot.after - lot.before
    sum_ = f"{lot.before:,} {'-' if change < 0 else '+'} {abs(change):,} = {lot.after:,}"
    return "lot", lot.grant_id, _nature(lot.kind, lot.expires_at), sum_


def _draw(part: ExplainedDraw) -> Row:
    sum_ = f"{part.before:,} - {part.amount:,} = {part.after:,}"
    return "drawn", part.grant_id, _nature(part.kind, part.expires_at), sum_, part.why


def _passed_over(part: PassedOver) -> Row:
    return "left", part.grant_id, _nature(part.kind, part.expires_at), f"{part.amount:,}", part.why


def _return(part: ExplainedReturn) -> Row:
    back = part.fate == "returned"
    sum_ = f"{part.before:,} + {part.amount:,} = {part.after:,}" if back else f"{part.amount:,} {part.fate}"
    return "back", part.grant_id, _nature(part.kind, part.expires_at), sum_, part.why


def _hold(hold: ExplainedHold) -> Row:
    return "hold", hold.hold_id, _held_until(hold.expires_at), _moved(hold.before, hold.after)


def _held_until(expires_at: datetime | None) -> str:
    return "until its dispute ends" if expires_at is None else f"until {instant(expires_at)}"


def _nature(kind: Kind, expires_at: datetime | None) -> str:
    if expires_at is not None:
        return f"{kind} until {instant(expires_at)}"
    return kind if kind == "permanent" else f"{kind}, no expiry"


def _balance(before: Balance, after: Balance) -> str:
    total, available = _moved(before.total, after.total), _moved(before.available, after.available)
    kinds = f"subscription {_moved(before.subscription, after.subscription)}"
    kinds += f", permanent {_moved(before.permanent, after.permanent)}"
    return f"total {total} ({kinds}), held {_moved(before.held, after.held)}, available {available}"


def _moved(before: int, after: int) -> str:
    return f"{before:,}" if before == after else f"{before:,} -> {after:,}"


def _aligned(rows: Iterable[Row]) -> Iterator[str]:
    """The text of rows with aligned columns. The last column is not padded."""
    kept = list(rows)
    widths = [max(map(len, column)) for column in zip_longest(*(row[:-1] for row in kept), fillvalue="")]
    widths[:1] = [len("balance")]
    for row in kept:
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        yield "  ".join([*cells, row[-1]])


def _shown(text: str) -> str:
    """A text without control characters, which could move a terminal's cursor: callers choose ids."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
