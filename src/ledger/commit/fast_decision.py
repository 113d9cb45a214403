"""Decides a submission in the fast lane: in memory, on the newest state that this process has of its account."""

from datetime import datetime

from ledger.commit.fresh_decision import check_version
from ledger.commit.submission import AccountQueue, Submission
from ledger.domain.account import evolve
from ledger.domain.decisions.decider import decide
from ledger.domain.errors import Refusal
from ledger.store.records.sealing import sealed_command
from ledger.store.stream_heads import account_of, key_of


def decide_on_head(queue: AccountQueue, submission: Submission, now: datetime) -> None:
    """Decide a submission on the head of its queue: it then has its events and the state after them, or its refusal."""
    submission.queue = queue
    account = account_of(queue.head)
    try:
        check_version(submission, account)
        command, submission.key = sealed_command(submission.command, key_of(queue.head))
        submission.events = decide(command, account, now)
    except Refusal as refusal:
        submission.events, submission.refusal = (), refusal
    else:
        submission.refusal = None
        for event in submission.events:
            account = evolve(account, event)
    submission.after = account
