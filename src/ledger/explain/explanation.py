"""The parts of an explanation: what an event did to each lot and hold, why, and whether it agrees with the rules.

All of it is read from the event and the account before it. Sentences are for people; programs read the other fields.
The parts that are frozen dataclasses are answered and written as they are.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from ledger.domain.account import Account
from ledger.domain.amounts import Balance, Kind
from ledger.domain.holds import Fate

MOST_PASSED_OVER = 10
"""The largest number of lots passed over that are listed for each reason; the rest are counted."""

Rule = Literal[
    "only_lot", "subscription_first", "earliest_expiry", "oldest_grant", "as_held", "as_received", "as_disputed"
]
"""What gives a lot its place: the rule that separates it from its neighbour in burn order, or the earlier hold or
transfer, or the dispute of what it was bought with."""
Reason = Literal["not_needed", "held", "expired", "skipped"]
"""Why a lot was not drawn. `skipped`: against the burn order, because a lot after it was drawn."""


@dataclass(frozen=True, slots=True)
class ExplainedDraw:
    """One draw of an event, in credits: from a lot or, when `hold_id` is set, from what a hold had drawn of the lot."""

    grant_id: str
    kind: Kind
    expires_at: datetime | None
    hold_id: Annotated[str | None, Field(description="the hold that had drawn it before; null: drawn from the lot")]
    before: int
    amount: int
    after: Annotated[int, Field(description="before - amount")]
    rule: Annotated[Rule | None, Field(description="what gave it its place; null: there is no such open lot")]
    why: str


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A lot, or the held part of a lot, that an event did not draw from: `amount` credits, and why."""

    grant_id: str
    kind: Kind
    expires_at: datetime | None
    amount: int
    reason: Annotated[Reason, Field(description="`skipped`: against the burn order; such an event is not sound")]
    hold_id: str | None
    why: str


@dataclass(frozen=True, slots=True)
class ExplainedReturn:
    """Credits that came back to one lot: their fate, and the credits of the lot before and after."""

    grant_id: str
    kind: Kind
    expires_at: datetime | None
    amount: int
    fate: Annotated[Fate, Field(description="only `returned` credits are in the lot after")]
    before: int
    after: int
    why: str


@dataclass(frozen=True, slots=True)
class ExplainedLot:
    """The one lot that a grant, a void or an expiry changes: its credits before and after."""

    grant_id: str
    kind: Kind
    expires_at: datetime | None
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class ExplainedHold:
    """The one hold that an event changes: its credits before and after. The hold has ended when `after` is 0."""

    hold_id: str
    expires_at: Annotated[datetime | None, Field(description="null: a dispute holds the credits until it ends")]
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class ExplainedCount:
    """A counter of a limit that an event moves: what was used before and after, in the unit of the limit."""

    limit_id: str
    value: Annotated[str | None, Field(description="whose counter it is, where the limit counts for each value")]
    unit: str
    before: Annotated[int, Field(description="used in the window before; 0 where the event opens a new one")]
    change: int
    after: Annotated[int, Field(description="before + change")]
    amount: Annotated[int, Field(description="what the limit allows")]
    until: Annotated[datetime | None, Field(description="when the window ends; null: never")]
    why: str


@dataclass(frozen=True, slots=True)
class ExplainedTransfer:
    """The other account of a transfer, and what the transfer is there."""

    transfer_id: str
    account_id: Annotated[str, Field(description="the other account")]
    version: Annotated[int | None, Field(description="the event of the other account, if it is known")]
    grant_id: Annotated[str | None, Field(description="of a received lot: the grant of the other account")]


class Details(NamedTuple):
    """The part of an explanation that depends on the type of the event."""

    why: tuple[str, ...] = ()
    draws: tuple[ExplainedDraw, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    passed_over_count: int = 0
    returns: tuple[ExplainedReturn, ...] = ()
    lot: ExplainedLot | None = None
    hold: ExplainedHold | None = None
    violations: tuple[str, ...] = ()
    counts: tuple[ExplainedCount, ...] = ()
    transfer: ExplainedTransfer | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation of one event.

    `violations` say where the event differs from what the rules make of the account before it; a sound event has none.
    `after` is the account after the event; None when the event cannot be applied.
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
        """Whether the event agrees with the rules."""
        return not self.violations
