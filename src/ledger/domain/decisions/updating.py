"""Decisions about what an account says about itself."""

from datetime import datetime

from ledger.domain.account import Account
from ledger.domain.commands import UpdateAccount
from ledger.domain.events import AccountUpdated
from ledger.domain.profile import changed_labels


def update(command: UpdateAccount, account: Account, at: datetime) -> AccountUpdated:
    """Decide an update: the event has all labels after it. Raises LabelsLimitExceeded."""
    labels = changed_labels(account.profile.labels, command.labels)
    return AccountUpdated(at, account.balance, command.description, command.metadata, labels, command.reason)
