"""A second reading of the stream, from the events alone: what was given, and where every credit of it is now.

The laws are checked on this, so that a mistake in the account's own folding cannot excuse itself.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from ledger.domain.events import (
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
    Granted,
    GrantExpiryChanged,
    GrantStarted,
    GrantVoided,
    HoldCaptured,
    HoldExpired,
    HoldReleased,
    TransferReversed,
)
from ledger.domain.holds import Returns
from ledger.domain.lots import Draws


@dataclass
class Purse:
    """Everything that the events say, in totals; `open` is what is neither spent nor held, grant by grant.

    `coming` is what is left of grants that have not started.
    """

    grants: dict[str, Granted] = field(default_factory=dict)
    open: dict[str, int] = field(default_factory=dict)
    coming: dict[str, int] = field(default_factory=dict)
    held: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    granted: int = 0
    spent: int = 0
    reversed: int = 0
    lapsed: int = 0
    cancelled: int = 0
    moved_in: int = 0
    moved_out: int = 0

    def add(self, event: Event) -> None:
        """Count one more event."""
        match event:
            case CreditsGranted():
                self.grants[event.grant_id] = event
                (self.open if event.effective_at is None else self.coming)[event.grant_id] = event.amount
                self.granted += event.amount
            case CreditsReceived():
                self.grants[event.grant_id] = event
                self.open[event.grant_id] = event.amount
                self.moved_in += event.amount
            case CreditsSent() | CreditsSentBack():
                self._take(event.draws)
                self.moved_out += event.amount
            case TransferReversed():
                self.moved_in += event.amount
                self._put(event.returns)
            case GrantStarted():
                self.open[event.grant_id] = self.coming.pop(event.grant_id)
            case CreditsDeducted():
                self._take(event.draws)
                self.spent += event.amount
            case CreditsHeld():
                self._take(event.draws)
                self.held[event.hold_id] += event.amount
            case HoldCaptured():
                self._take(event.from_lots)
                self.held[event.hold_id] -= sum(part.amount for part in event.from_hold)
                self.spent += event.amount
                self._leave(event.hold_id, event.returns)
            case HoldReleased() | HoldExpired():
                self._leave(event.hold_id, event.returns)
            case DisputeRecorded() if event.hold_id is not None:
                self._take(event.draws)
                self.held[event.hold_id] += sum(part.amount for part in event.draws)
                self._leave(event.hold_id, event.returns)
            case DeductionReversed():
                self.reversed += event.amount
                self._put(event.returns)
            case GrantVoided() if event.coming:
                self.coming[event.grant_id] -= event.amount
                self.cancelled += event.amount
            case GrantVoided():
                self.open[event.grant_id] = self.open.get(event.grant_id, 0) - event.amount
                self.cancelled += event.amount
            case CreditsExpired():
                self.open[event.grant_id] -= event.amount
                self.lapsed += event.amount
            case GrantExpiryChanged():
                self.grants[event.grant_id] = replace(self.grants[event.grant_id], expires_at=event.expires_at)
                self.open[event.grant_id] = self.open.get(event.grant_id, 0) + event.reinstated
                self.lapsed -= event.reinstated
            case _:
                pass

    def spendable(self, at: datetime) -> list[tuple[Granted, int]]:
        """The grants that have something open at a moment, in the order of their versions."""
        return [
            (grant, self.open[grant.grant_id])
            for grant in self.grants.values()
            if self.open.get(grant.grant_id) and (grant.expires_at is None or at < grant.expires_at)
        ]

    def _take(self, draws: Draws) -> None:
        for part in draws:
            self.open[part.grant_id] -= part.amount

    def _leave(self, hold_id: str, returns: Returns) -> None:
        self.held[hold_id] -= sum(part.amount for part in returns)
        self._put(returns)

    def _put(self, returns: Returns) -> None:
        for part in returns:
            match part.fate:
                case "returned":
                    self.open[part.grant_id] += part.amount
                case "lapsed":
                    self.lapsed += part.amount
                case "cancelled":
                    self.cancelled += part.amount


def purse_of(events: Iterable[Event]) -> Purse:
    """The purse after some events."""
    purse = Purse()
    for event in events:
        purse.add(event)
    return purse
