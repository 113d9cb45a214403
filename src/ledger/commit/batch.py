"""The batch that fills while the last one is being committed."""

from collections.abc import Container

from ledger.commit.submission import AccountQueue, Submission
from ledger.domain.related_events import subject_of
from ledger.store.batch import Row, check
from ledger.store.chain import link
from ledger.store.codec import encode
from ledger.store.sealing import masked
from ledger.store.stream_heads import StreamHead, hash_of, key_after, key_of

MAX_ROWS = 2_000
"""Rows of one append: more would make the wait for a commit felt."""


class OpenBatch:
    """Submissions that were decided, with the rows that append them and the text keys that these bring."""

    __slots__ = ("_begun", "by_row", "new_keys", "rows", "submissions")

    def __init__(self) -> None:
        self.submissions: list[Submission] = []
        self.rows: list[Row] = []
        self.by_row: list[Submission] = []
        self.new_keys: dict[str, bytes] = {}
        self._begun: set[str] = set()
        """Accounts that have rows here."""

    @property
    def full(self) -> bool:
        """Whether the next submission belongs into another batch."""
        return len(self.rows) >= MAX_ROWS

    def add(self, submission: Submission, head: StreamHead | None) -> StreamHead | None:
        """Add a submission that was decided on `head`: its events, the last one with the receipt, or a check for its
        refusal. Returns where its account's stream ends then."""
        self.submissions.append(submission)
        hash_ = hash_of(head)
        previous = None if submission.account_id in self._begun else hash_
        self._begun.add(submission.account_id)
        if submission.events:
            head = self._add_events(submission, key_of(head), hash_, previous)
        else:
            row = check(submission.account_id, submission.version + 1, submission.receipt, previous)
            self._add_row(submission, row)
        submission.head = head
        return head

    def _add_events(
        self, submission: Submission, key: bytes | None, hash_: bytes, previous: bytes | None
    ) -> StreamHead:
        account_id, receipt = submission.account_id, submission.receipt
        if submission.key is not None and key is None:
            key = self.new_keys[account_id] = submission.key
        count = len(submission.events)
        version = submission.version - count
        signature: tuple[str | None, bytes | None, int | None] = (None, None, None)
        for event in submission.events:
            version += 1
            count -= 1
            topic, state = encode(event, submission.metadata)
            if not count and receipt is not None:
                mask = masked(submission.fingerprint, submission.key, receipt)
                signature = (receipt, mask, len(submission.events))
            row = (account_id, version, topic, state, subject_of(event), *signature)
            hash_ = link(hash_, *row)
            self._add_row(submission, Row(*row, previous, hash_))
            previous = None
        assert submission.after is not None
        key = key_after(submission.events, key)
        if key is None:
            self.new_keys.pop(account_id, None)
        return StreamHead(submission.after, hash_, key)

    def _add_row(self, submission: Submission, row: Row) -> None:
        self.rows.append(row)
        self.by_row.append(submission)

    def withdraw(self, queues: Container[AccountQueue | None]) -> list[Submission]:
        """Take out and return the submissions of some queues."""
        gone = [submission for submission in self.submissions if submission.queue in queues]
        if gone:
            self.submissions = [submission for submission in self.submissions if submission.queue not in queues]
            staying = [pair for pair in zip(self.rows, self.by_row, strict=True) if pair[1].queue not in queues]
            self.rows = [row for row, _ in staying]
            self.by_row = [submission for _, submission in staying]
            for submission in gone:
                self._begun.discard(submission.account_id)
                self.new_keys.pop(submission.account_id, None)
        return gone
