"""The end of people in a process of the service: what of a user is in the ledger and in billing, and who looks."""

import asyncio
import logging

import psycopg

from billing.changes.receipts import Receipts
from billing.inbox.inbox import Inbox
from ledger.commit.submission import Overloaded, Submission, Unavailable
from ledger.domain.commands import EraseTexts
from ledger.service import Ledger
from ledger.store import Metadata, fingerprint
from people.sign_in.deletion import AT_ONCE, Deletions

INTERVAL = 60.0
"""Seconds between two looks for people whose time has come."""
_log = logging.getLogger("credit_ledger.people")


async def erase_account(ledger: Ledger, account_id: str) -> None:
    """Make the texts of an account unreadable, and drop what providers sent about it. One that was never opened has
    none. Raises Unavailable, Overloaded and psycopg.Error."""
    key = f"erase:{account_id}"
    erasure = Submission(EraseTexts(account_id), Metadata("people", "erase", key, key), fingerprint([key]))
    await ledger.execute(erasure)
    await Inbox(ledger.log).erase(account_id)
    await Receipts(ledger.log).erase(account_id)


class Erasing:
    """Erases those for whom it was asked, when their seven days are over."""

    def __init__(self, deletions: Deletions) -> None:
        self._deletions = deletions

    async def run(self) -> None:
        """Look every minute until cancelled. Every process looks: the first one erases."""
        while True:
            await self._look()
            await asyncio.sleep(INTERVAL)

    async def _look(self) -> None:
        try:
            while await self._deletions.erase_due() == AT_ONCE:
                pass
        except (psycopg.Error, Unavailable, Overloaded) as error:
            _log.warning("people could not be erased yet: %s", str(error).strip() or type(error).__name__)
