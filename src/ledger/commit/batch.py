"""The open batch: it collects decided submissions while the previous batch is being committed."""

from collections.abc import Container, Iterable

from ledger.commit.submission import AccountQueue, Submission
from ledger.domain.related_events import subject_of
from ledger.store.batch import Row, check
from ledger.store.records.chain import link
from ledger.store.records.codec import encode, encode_snapshot
from ledger.store.records.sealing import masked
from ledger.store.snapshots import Snapshot, state_digest
from ledger.store.stream_heads import StreamHead, hash_of, is_large, key_after, key_of, needs_digest

MAX_ROWS = 500
"""The largest number of rows in one append: with more, callers would notice how long a commit takes."""


class OpenBatch:
    """Decided submissions, the rows that append them, and the new text keys of their accounts."""

    __slots__ = ("_accounts", "by_row", "new_keys", "rows", "submissions")

    def __init__(self) -> None:
        self.submissions: list[Submission] = []
        self.rows: list[Row] = []
        self.by_row: list[Submission] = []
        self.new_keys: dict[str, bytes] = {}
        self._accounts: set[str] = set()
        """The accounts that have rows in this batch."""

    @property
    def full(self) -> bool:
        """Whether the next submission goes into another batch."""
        return len(self.rows) >= MAX_ROWS

    def add(self, submission: Submission, head: StreamHead | None, encoded: bytes | None = None) -> StreamHead | None:
        """Add a submission that was decided on `head`, and return the head of its account's stream after it.

        Its rows are its events, the last one with the receipt, or one check row when it was refused. `encoded` is the
        state after it, if its last event needs the digest of that and the account is large.
        """
        self.submissions.append(submission)
        submission.snapshot = None  # it may have been decided before, on a state that did not come true
        if submission.rows is not None:
            submission.rows = []
        hash_ = hash_of(head)
        previous = None if submission.account_id in self._accounts else hash_
        self._accounts.add(submission.account_id)
        if submission.events:
            head = self._add_events(submission, head, encoded, hash_, previous)
        else:
            row = check(submission.account_id, submission.version + 1, submission.receipt, previous)
            self._add_row(submission, row)
        submission.head = head
        return head

    def _add_events(
        self,
        submission: Submission,
        head: StreamHead | None,
        encoded: bytes | None,
        hash_: bytes,
        previous: bytes | None,
    ) -> StreamHead:
        account_id, receipt, key = submission.account_id, submission.receipt, key_of(head)
        assert submission.after is not None
        if encoded is None and needs_digest(head, submission.after) and not is_large(submission.after):
            encoded = encode_snapshot(submission.after)
        if submission.key is not None and key is None:
            key = self.new_keys[account_id] = submission.key
        count = len(submission.events)
        version = submission.version - count
        signature: tuple[str | None, bytes | None, int | None] = (None, None, None)
        for event in submission.events:
            version += 1
            count -= 1
            if not count and receipt is not None:
                mask = masked(submission.fingerprint, submission.key, receipt)
                signature = (receipt, mask, len(submission.events))
            digest = None if count or encoded is None else state_digest(encoded)
            topic, state = encode(event, submission.metadata, digest)
            row = (account_id, version, topic, state, subject_of(event), *signature)
            hash_ = link(hash_, *row)
            self._add_row(submission, Row(*row, previous, hash_))
            previous = None
        if submission.rows is not None:
            submission.rows = self.rows[-len(submission.events) :]
        proven = 0 if head is None else head.proven
        if encoded is not None:
            proven, submission.snapshot = version, Snapshot(account_id, version, encoded, hash_)
        key = key_after(submission.events, key)
        if key is None:
            self.new_keys.pop(account_id, None)
        return StreamHead(submission.after, hash_, key, proven)

    def _add_row(self, submission: Submission, row: Row) -> None:
        self.rows.append(row)
        self.by_row.append(submission)

    def withdraw(self, queues: Container[AccountQueue | None]) -> list[Submission]:
        """Take the submissions of some queues out of the batch, and return them."""
        withdrawn = [submission for submission in self.submissions if submission.queue in queues]
        if withdrawn:
            self.submissions = [submission for submission in self.submissions if submission.queue not in queues]
            remaining = [pair for pair in zip(self.rows, self.by_row, strict=True) if pair[1].queue not in queues]
            self.rows = [row for row, _ in remaining]
            self.by_row = [submission for _, submission in remaining]
            for submission in withdrawn:
                self._accounts.discard(submission.account_id)
                self.new_keys.pop(submission.account_id, None)
        return withdrawn


def with_followers(submissions: Iterable[Submission]) -> list[Submission]:
    """Submissions, each before its followers, which follow nobody from now on."""
    members = []
    for submission in submissions:
        members += [submission, *(submission.followers or ())]
        submission.followers = None
    return members
