"""The proof that a copy is the ledger: signed checkpoints, the chain of every account, and what accounts add up to."""

import asyncio

from api.components import COMPONENTS
from api.runtime.checkpoints import checkpoint_keys
from api.runtime.settings import Settings
from api.server_move.errors import CannotMove, NotEqual
from audit.verify.online import Trusting, verify_ledger
from audit.verify.report import HOLDS, CannotVerify
from ledger.progress import Progress
from ledger.proof.checkpointer import Checkpointer
from ledger.proof.evidence import CheckpointMismatch
from ledger.proof.files import FolderBusy
from ledger.proof.notes import BadNote
from ledger.proof.signing_key import KeyMissing
from ledger.proof.tree import HoleInLog
from ledger.store import EventLog, UnreadableEvent
from projections.checks.check import check_accounts
from projections.checks.refold import connect
from projections.checks.roster import sample

SAMPLE, BATCH = 100, 50
"""Accounts that are folded again, and how many at once."""
_UNSIGNED = (CheckpointMismatch, HoleInLog, UnreadableEvent, BadNote, KeyMissing, FolderBusy, OSError)


def sign(settings: Settings, conninfo: str) -> int:
    """Sign a checkpoint of the whole log, and return its size: 0 for an empty log. Raises CannotMove."""
    try:
        return asyncio.run(_sign(settings, conninfo))
    except _UNSIGNED as problem:
        raise CannotMove(f"no checkpoint of the ledger can be signed: {problem}") from problem


async def _sign(settings: Settings, conninfo: str) -> int:
    log = EventLog(conninfo, readers=1)
    await log.open()
    try:
        async with log.connection() as connection:
            keys = await checkpoint_keys(connection, settings)
        newest = await Checkpointer(log, keys, lambda: True, seconds=0, events=1).sign()
        return newest.size if newest else 0
    finally:
        await log.close()


def prove(settings: Settings, conninfo: str, signed: int, progress: Progress) -> int:
    """Verify the whole log against its checkpoints, and fold some accounts again. Returns how many.

    `signed` is the size of the newest checkpoint; there is nothing to verify if it is 0. Raises NotEqual.
    """
    if signed:
        asyncio.run(_verify(settings, conninfo, progress))
    return asyncio.run(_fold_again(conninfo, progress))


async def _verify(settings: Settings, conninfo: str, progress: Progress) -> None:
    try:
        report = await verify_ledger(conninfo, Trusting(settings.checkpoints, components=COMPONENTS), progress)
    except CannotVerify as problem:
        raise NotEqual(f"the copy cannot be verified: {problem}") from problem
    if report.status != HOLDS:
        raise NotEqual(f"the copy does not verify: {'; '.join(report.as_text().splitlines()[:2])}")


async def _fold_again(conninfo: str, progress: Progress) -> int:
    async with await connect(conninfo) as connection:
        accounts = await sample(connection, SAMPLE)
        progress.begin("checking", len(accounts), "accounts")
        for start in range(0, len(accounts), BATCH):
            checked = await check_accounts(connection, accounts[start : start + BATCH])
            if checked.differences:
                raise NotEqual(f"the balances are not what the events add up to: {checked.differences[0].text}")
            progress.reach(start + checked.accounts)
    return len(accounts)
