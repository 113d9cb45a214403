"""Answers commands whose idempotency keys were used before, from the receipts of those keys, without deciding them.

A command is decided as if its key were new, and the append function finds out that it is not. That is quick when keys
are used once. Whoever sends a batch again would pay for thousands of decisions that are thrown away, so once several
keys turn out to be used, the receipts of what is not yet decided are looked up first. Openings are decided
all the same: whether a repeated one is refused depends on the account.
"""

import asyncio
from collections.abc import Sequence

from ledger.commit.account_loader import error_for_callers
from ledger.commit.account_queues import AccountQueues, QueueSet
from ledger.commit.admission import AdmissionControl
from ledger.commit.submission import Outcome, Submission, Unavailable
from ledger.postgres.errors import LOST
from ledger.store.log import EventLog
from ledger.store.reader import Executed
from ledger.store.records.chain import UnreadableEvent

SEVERAL = 3
"""The number of used keys from which on receipts are looked up first."""
_LARGE = 1_000
"""A batch with as many commands is worth a look at a few of its keys before anything is decided."""
_SAMPLE = 16
_ROUNDS = 20
"""The number of times that receipts are looked up for those that came meanwhile."""


class ReceiptLookup:
    """Reads the receipts of submissions."""

    def __init__(self, log: EventLog, admission: AdmissionControl) -> None:
        self._log = log
        self._admission = admission

    async def answer_used(self, submissions: Sequence[Submission]) -> list[Submission]:
        """Answer those whose keys were used, with their followers, and return the others. Openings have been decided.

        When the receipts cannot be read, all of them fail, because every waiting caller must get an answer.
        """
        try:
            found = await self._executed(submissions)
        except (Exception, asyncio.CancelledError) as error:
            for submission in submissions:
                for member in _with_followers(submission):
                    self._admission.fail(member, error_for_callers(error))
            return []
        rest = []
        for submission in submissions:
            executed = found.get((submission.account_id, submission.receipt or ""))
            if executed is None:
                rest.append(submission)
                continue
            for member in _with_followers(submission):
                self._admission.answer(member, member.replay(executed, submission.after))
        return rest

    async def answer_waiting(self, all_queues: AccountQueues, queues: QueueSet) -> None:
        """Answer what waits in blocked queues and was executed before; the rest waits again.

        It looks at those that come meanwhile too, as long as there are used keys among them.
        """
        rest: list[Submission] = []
        for _ in range(_ROUNDS):
            waiting = [one for queue in queues for one in queue.waiting]
            for queue in queues:
                queue.waiting.clear()
            repeatable = [one for one in waiting if not one.opens]
            unused = set(await self.answer_used(repeatable)) if repeatable else set()
            rest += [one for one in waiting if one.opens or one in unused]
            if len(unused) == len(repeatable):
                break
        for submission in all_queues.put_back(queues, rest):
            self._admission.fail(submission, (self._admission.error_type or Unavailable)())

    async def replays_of_repeated(self, submissions: Sequence[Submission]) -> dict[Submission, Outcome]:
        """The outcomes of the submissions of a large batch whose keys were used, if a few of them show that it comes
        again; else nothing. None of them has been submitted yet."""
        if len(submissions) < _LARGE:
            return {}
        try:
            some = await self._executed(submissions[:: len(submissions) // _SAMPLE])
            found = await self._executed(submissions) if len(some) >= SEVERAL else {}
        except (*LOST, UnreadableEvent):
            return {}  # whoever commits them finds out
        return {
            submission: submission.replay(executed, None)
            for submission in submissions
            if not submission.opens
            and (executed := found.get((submission.account_id, submission.receipt or ""))) is not None
        }

    async def _executed(self, submissions: Sequence[Submission]) -> dict[tuple[str, str], Executed]:
        keys = [(one.account_id, one.receipt) for one in submissions if one.receipt is not None]
        async with self._log.command_reader() as reader:
            return await reader.executed(keys)


def _with_followers(submission: Submission) -> tuple[Submission, ...]:
    return (submission, *(submission.followers or ()))
