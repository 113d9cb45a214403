"""The shape of an explanation: what an event did to each lot and hold, why, and whether the rules agree.

Everything in it is read off the event and the account before it. Sentences are for people; whoever wants to compute
takes the fields beside them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from ledger.domain.account import Account
from ledger.domain.amounts import Balance, Kind
from ledger.domain.holds import Fate

MOST_PASSED_OVER = 10
"""Lots that were not drawn and are named, for each reason; the others are counted."""

Rule = Literal["only_lot", "subscription_first", "earliest_expiry", "oldest_grant", "as_held"]
"""What gave a lot its place: the rule between it and its neighbour in the burn order, or the hold that drew before."""
Reason = Literal["not_needed", "held", "expired", "skipped"]
"""Why a lot was not drawn. `skipped`: for no reason; the burn order has it before one that was."""


class DrawTold(NamedTuple):
    """What an event took from one lot, or (`hold_id`) from what a hold had drawn of it; all in credits."""

    grant_id: str
    kind: Kind
    expires_at: datetime | None
    hold_id: str | None
    before: int
    amount: int
    after: int
    rule: Rule | None
    why: str


class PassedOver(NamedTuple):
    """A lot, or the held part of one, that a draw did not touch: `amount` credits, and why."""

    grant_id: str
    kind: Kind
    expires_at: datetime | None
    amount: int
    reason: Reason
    hold_id: str | None
    why: str


class ReturnTold(NamedTuple):
    """Credits that came back, what became of them, and what their lot had before and after, in credits."""

    grant_id: str
    kind: Kind
    expires_at: datetime | None
    amount: int
    fate: Fate
    before: int
    after: int
    why: str


class LotTold(NamedTuple):
    """The one lot that a grant, a void or an expiry is about: its credits before and after."""

    grant_id: str
    kind: Kind
    expires_at: datetime | None
    before: int
    after: int


class HoldTold(NamedTuple):
    """The one hold that an event is about: the credits in it before and after; 0 after is its end."""

    hold_id: str
    expires_at: datetime
    before: int
    after: int


class Details(NamedTuple):
    """What differs from event to event."""

    why: tuple[str, ...] = ()
    draws: tuple[DrawTold, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    passed_over_count: int = 0
    returns: tuple[ReturnTold, ...] = ()
    lot: LotTold | None = None
    hold: HoldTold | None = None
    violations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """One event, explained.

    `violations` say where the event is not what the rules make of the account before it; there are none in a sound
    stream. `after` is the account after the event, None when nobody could go on from it.
    """

    version: int
    type: str
    recorded_at: datetime
    effective_at: datetime | None
    sentence: str
    details: Details
    before: Balance
    balance: Balance
    violations: tuple[str, ...]
    after: Account | None

    @property
    def sound(self) -> bool:
        """Whether the event is what the rules make of it."""
        return not self.violations
