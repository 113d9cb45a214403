"""Moves of credits between two accounts: both halves as one atomic unit, and what became of each.

The caller's idempotency key belongs to the first half, on the account that was asked. The second half has a key that is
made from it, so that both answer again after any crash. See docs/adr/0071-moves.md.
"""

from hashlib import blake2b
from typing import NamedTuple

from ledger.commit.submission import Recorded, Submission
from ledger.domain.commands import Command, MergeAccount, ReceiveCredits, ReverseTransfer, SendBack, SendCredits
from ledger.domain.errors import AccountNotFound, BatchRefused, NotFound, Refusal, TransferNotFound
from ledger.domain.events import CreditsSent
from ledger.service import Ledger
from ledger.store.feed import read
from ledger.store.records.receipts import fingerprint

_MOST_DIGITS = 19
"""A version has fewer digits."""
NO_BODY = fingerprint(())
"""The body of a second half is that of the first."""


class Moved(NamedTuple):
    """The outcomes of both halves. A second half that had nothing to do has no events."""

    first: Recorded
    second: Recorded


async def move(ledger: Ledger, first: Submission, *, dry_run: bool = False) -> Moved | Refusal:
    """Carry out a move: its first half, and the second, which follows from it; or none of them, and the refusal.

    With `dry_run`, what they would be. Raises Overloaded or Unavailable.
    """
    try:
        halves = [first, await _second_half(ledger, first)]
    except NotFound as unknown:
        return unknown
    outcomes = await (ledger.dry_run(halves, atomic=True) if dry_run else ledger.execute_together(halves))
    for outcome in outcomes:
        if isinstance(outcome, Refusal):  # then both are
            return outcome.cause if isinstance(outcome, BatchRefused) else outcome
    return Moved(*[outcome for outcome in outcomes if isinstance(outcome, Recorded)])


async def _second_half(ledger: Ledger, first: Submission) -> Submission:
    """Raises AccountNotFound and TransferNotFound."""
    command, sender = first.command, first.account_id
    second: Command
    match command:
        case SendCredits():
            second = ReceiveCredits(command.to_account_id, sender, command.description)
        case MergeAccount():
            second = ReceiveCredits(command.successor, sender, command.reason)
        case ReverseTransfer():
            sent = await _transfer_of(ledger, sender, command.transfer_id)
            second = SendBack(sent.to_account_id, sender, command.transfer_id, command.reason)
        case _:
            raise TypeError(f"{type(command).__name__} moves nothing")
    operation = "send_back" if isinstance(second, SendBack) else "receive"
    key = None if first.receipt is None else key_of_second(sender, first.receipt)
    metadata = first.metadata._replace(operation=operation, idempotency_key=key)
    return Submission(second, metadata, NO_BODY)


def key_of_second(sender: str, receipt: str) -> str:
    """The key of a second half. Keys are unique only within a sender, so it is made from the sender too."""
    return blake2b(f"{len(sender)}:{sender}:{receipt}".encode(), digest_size=32).hexdigest()


async def _transfer_of(ledger: Ledger, account_id: str, transfer_id: str) -> CreditsSent:
    """The transfer that an account has sent. An event never changes, so that it need not be read under the lock."""
    number = transfer_id.removeprefix("trf_")
    found = None
    if number.isascii() and number.isdecimal() and len(number) < _MOST_DIGITS and int(number):
        rows = await ledger.stream(account_id, int(number) - 1, 1)
        found = next((one.event for one in read(rows)), None)
    if isinstance(found, CreditsSent) and found.transfer_id == transfer_id:
        return found
    if await ledger.current.newest_event(account_id) is None:
        raise AccountNotFound(account_id)
    raise TransferNotFound(transfer_id)
