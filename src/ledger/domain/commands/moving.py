"""Commands that move credits between two accounts. Each move has two halves, one for each account's stream.

The halves are decided together, one after the other: both happen or neither. The second half follows from the first.
See docs/adr/0071-moves.md.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from ledger.domain.amounts import Kind, check_amount
from ledger.domain.commands.command import check_account_id
from ledger.domain.errors import InvalidField
from ledger.domain.events import Source
from ledger.domain.texts import check_text


class MovedLot(NamedTuple):
    """What a transfer takes from one lot of the sender, and what the receiver's new lot remembers of it."""

    grant_id: str
    kind: Kind
    amount: int
    expires_at: datetime | None
    source: Source
    granted_at: datetime
    origin_account_id: str
    origin_grant_id: str
    """The grant that the credits come from in the end, and its account: a lot may have been moved before."""
    transfer_id: str = ""
    """The transfer that brought it, if it is another one than the command names: a merge may need several."""


MovedLots = tuple[MovedLot, ...]


def _check_other(account_id: str, other: str, field: str) -> None:
    check_account_id(other, field)
    if other == account_id:
        raise InvalidField(field, "must be another account: credits cannot be moved from an account to itself")


@dataclass(frozen=True, slots=True)
class SendCredits:
    """Send `amount` credits to another account; None sends all that are available."""

    account_id: str
    to_account_id: str
    amount: int | None = None
    description: str | None = None

    def __post_init__(self) -> None:
        _check_other(self.account_id, self.to_account_id, "to_account_id")
        check_text("description", self.description)
        if self.amount is not None:
            check_amount(self.amount)


@dataclass(frozen=True, slots=True)
class MergeAccount:
    """Send all credits that are available to the successor, and close the account."""

    account_id: str
    successor: str
    reason: str | None = None

    def __post_init__(self) -> None:
        _check_other(self.account_id, self.successor, "successor")
        check_text("reason", self.reason)


@dataclass(frozen=True, slots=True)
class ReceiveCredits:
    """The second half of SendCredits and MergeAccount: receive the lots that the first half took.

    Whoever has decided the first half fills in `transfer_id` and `lots`; without lots there is nothing to receive.
    """

    account_id: str
    from_account_id: str
    description: str | None = None
    transfer_id: str = ""
    lots: MovedLots = ()

    def __post_init__(self) -> None:
        check_text("description", self.description)


@dataclass(frozen=True, slots=True)
class ReverseTransfer:
    """Reverse a whole transfer: what was sent returns to its lots."""

    account_id: str
    transfer_id: str
    reason: str | None = None

    def __post_init__(self) -> None:
        check_text("reason", self.reason)


@dataclass(frozen=True, slots=True)
class SendBack:
    """The second half of ReverseTransfer: the receiver sends back all that the transfer brought."""

    account_id: str
    from_account_id: str
    transfer_id: str
    reason: str | None = None

    def __post_init__(self) -> None:
        check_text("reason", self.reason)


SECOND_HALVES = (ReceiveCredits, SendBack)
"""What only the ledger itself asks for, right behind the first half."""
