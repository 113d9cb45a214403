"""The batch that fills while the last one is being committed."""

from collections.abc import Container

from ledger.desks import Desk
from ledger.past import subject_of
from ledger.store.batch import Row, check
from ledger.store.codec import encode
from ledger.submissions import Submission

MAX_ROWS = 2_000
"""Rows of one append: more would make the wait for a commit felt."""


class OpenBatch:
    """Submissions that were decided, with the rows that append them."""

    __slots__ = ("by_row", "rows", "submissions")

    def __init__(self) -> None:
        self.submissions: list[Submission] = []
        self.rows: list[Row] = []
        self.by_row: list[Submission] = []

    @property
    def full(self) -> bool:
        """Whether the next submission belongs into another batch."""
        return len(self.rows) >= MAX_ROWS

    def add(self, submission: Submission) -> None:
        """Add a submission that was decided: its events, the last one with the receipt, or a check for its refusal."""
        self.submissions.append(submission)
        events = submission.events
        count = len(events)
        version = submission.version - count
        if not count:
            self._add_row(submission, check(submission.account_id, version + 1, submission.receipt))
            return
        receipt = submission.receipt
        signature = (None, None, None) if receipt is None else (receipt, submission.fingerprint, count)
        for event in events:
            version += 1
            count -= 1
            topic, state = encode(event, submission.metadata)
            row = (submission.account_id, version, topic, state, subject_of(event))
            self._add_row(submission, Row(*row, None, None, None) if count else Row(*row, *signature))

    def _add_row(self, submission: Submission, row: Row) -> None:
        self.rows.append(row)
        self.by_row.append(submission)

    def withdraw(self, desks: Container[Desk | None]) -> list[Submission]:
        """Take out and return the submissions of some desks."""
        gone = [submission for submission in self.submissions if submission.desk in desks]
        if gone:
            self.submissions = [submission for submission in self.submissions if submission.desk not in desks]
            staying = [pair for pair in zip(self.rows, self.by_row, strict=True) if pair[1].desk not in desks]
            self.rows = [row for row, _ in staying]
            self.by_row = [submission for _, submission in staying]
        return gone
