"""Two journals and the credits that move between them: both halves of a move, or none of them."""

from datetime import datetime

from ledger.domain.commands import Command, MergeAccount, ReceiveCredits, ReverseTransfer, SendBack, SendCredits
from ledger.domain.decisions.moving import received_by
from ledger.domain.errors import Refusal
from ledger.domain.events import CreditsSent, Events, Granted
from tests.domain.journal import Journal

Moved = tuple[Events, Events]


def second_half(command: Command, sender: Journal) -> Command:
    """What follows from a first half, before it is decided. Raises StopIteration for a transfer that never was."""
    match command:
        case SendCredits():
            return ReceiveCredits(command.to_account_id, command.account_id, command.description)
        case MergeAccount():
            return ReceiveCredits(command.successor, command.account_id, command.reason)
        case ReverseTransfer():
            sent = (e for e in sender.events if isinstance(e, CreditsSent) and e.transfer_id == command.transfer_id)
            return SendBack(next(sent).to_account_id, command.account_id, command.transfer_id, command.reason)
        case _:
            raise TypeError(command)


def move(command: Command, sender: Journal, receiver: Journal) -> Moved | Refusal:
    """Carry out a move at one moment. A refusal of either half leaves both journals as they were."""
    sender.now = receiver.now = _moment(sender, receiver)
    second = second_half(command, sender)
    before = list(sender.events), sender.account
    try:
        first_events = sender.carry_out(command)
        if isinstance(second, ReceiveCredits):
            second = with_lots(second, first_events, sender)
        return first_events, receiver.carry_out(second)
    except Refusal as refusal:
        sender.events, sender.account = before
        return refusal


def with_lots(command: ReceiveCredits, first: Events, sender: Journal) -> ReceiveCredits:
    """The second half with what the first half sent."""
    grants = {event.grant_id: event for event in sender.events if isinstance(event, Granted)}
    sent = [event for event in first if isinstance(event, CreditsSent)]
    return received_by(command, sent, grants) if sent else command


def _moment(*journals: Journal) -> datetime:
    return max(
        moment
        for journal in journals
        for moment in (journal.now, journal.account.recorded_at if journal.account else journal.now)
    )
