"""Runs a grant job: it finds the accounts, begins the job or continues it, and sends the grants, many at a time.

A run may be killed at any moment and started again: receipts say who has the grant, and the accounts of labels are
kept when the job begins.
"""

import asyncio
from collections.abc import Sequence

from api.contract.operations import Defaults
from api.grant_jobs.job import GrantJob
from api.grant_jobs.recipients import labelled
from api.grant_jobs.report import Tally
from jobs.grant_jobs import BegunJob, begin, begun
from ledger.commit.submission import Outcome, Overloaded, Submission, Unavailable
from ledger.progress import Progress
from ledger.service import Ledger
from projections.models.views import Views

WINDOW = 500
"""The grants that wait for their answers at a time."""
PATIENCE = 60.0
"""Seconds that a job waits for a lost database."""
_PAUSE = 0.5


class OtherTerms(Exception):
    """The job was begun with other terms. Nothing was recorded."""

    def __init__(self, job: str, fields: Sequence[str]) -> None:
        super().__init__(
            f"the job {job!r} was begun with another value of {', '.join(fields)}; "
            "run it again with the options of its first run, or give another grant another name with --job"
        )


class GrantRun:
    """One run of one job on one ledger."""

    def __init__(self, ledger: Ledger, views: Views, job: GrantJob, defaults: Defaults) -> None:
        self._ledger = ledger
        self._views = views
        self._job = job
        self._command = job.commands(defaults)

    async def accounts(self, in_file: Sequence[str] | None, *, include_new: bool) -> list[str]:
        """The accounts that this run is for. Raises OtherTerms, NotYetVisible and NotBuilt."""
        async with self._ledger.log.connection() as connection:
            known = await begun(connection, self._job.name)
        if known is not None:
            self._check(known)
        if in_file is not None:
            return list(in_file)
        kept = known.accounts if known else []
        return kept if known and not include_new else sorted({*kept, *await self._labelled()})

    async def _labelled(self) -> list[str]:
        async with self._ledger.log.reader() as reader:
            position = await reader.last_position()
        return await labelled(self._views, list((self._job.labels or {}).items()), position)

    def _check(self, known: BegunJob) -> None:
        terms = self._job.terms
        fields = [name for name, value in terms.items() if known.terms.get(name) != value]
        if fields:
            raise OtherTerms(self._job.name, fields)

    async def begin(self, accounts: Sequence[str], *, include_new: bool) -> list[str]:
        """Begin the job, or continue it: the accounts that get the grant. Raises OtherTerms."""
        by_label = self._job.labels is not None
        async with self._ledger.log.connection() as connection:
            known = await begin(
                connection,
                self._job.name,
                self._job.terms,
                accounts if by_label else (),
                include_new=include_new,
            )
        self._check(known)  # another run may have begun it meanwhile
        return known.accounts if by_label else list(accounts)

    async def rehearse(self, accounts: Sequence[str], progress: Progress) -> Tally:
        """What the job would do now. Nothing is recorded. Raises Overloaded and Unavailable."""
        tally = Tally()
        progress.begin("computing", len(accounts), "accounts")
        for start in range(0, len(accounts), WINDOW):
            some = accounts[start : start + WINDOW]
            outcomes = await self._ledger.dry_run(list(map(self._command, some)), atomic=False)
            self._count(tally, some, outcomes)
            progress.reach(start + len(some))
        return tally

    async def send(self, accounts: Sequence[str], progress: Progress) -> Tally:
        """Send the grants. Raises Overloaded and Unavailable after PATIENCE."""
        tally = Tally()
        progress.begin("granting", len(accounts), "accounts")
        for start in range(0, len(accounts), WINDOW):
            some = accounts[start : start + WINDOW]
            outcomes = await asyncio.gather(*(self._until_answered(self._command(name)) for name in some))
            self._count(tally, some, outcomes)
            progress.reach(start + len(some))
        return tally

    def _count(self, tally: Tally, accounts: Sequence[str], outcomes: Sequence[Outcome]) -> None:
        for account_id, outcome in zip(accounts, outcomes, strict=True):
            tally.count(account_id, outcome, self._job.body.amount)

    async def _until_answered(self, submission: Submission) -> Outcome:
        clock = asyncio.get_running_loop().time
        give_up_at = clock() + PATIENCE
        while True:
            try:
                return await self._ledger.execute(submission)
            except (Overloaded, Unavailable):
                if clock() > give_up_at:
                    raise
                await asyncio.sleep(_PAUSE)
                submission = self._command(submission.account_id)
