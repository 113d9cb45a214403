"""Commands about an account itself: its life, its texts, its expiries."""

from dataclasses import dataclass

from ledger.domain.amounts import check_amount
from ledger.domain.commands.command import check_account_id
from ledger.domain.profile import LabelChanges, Labels, check_labels
from ledger.domain.texts import JsonObject, Sealed, check_text


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """Open an account and grant `signup_credits` permanent credits, unless that is 0."""

    account_id: str
    signup_credits: int = 0
    metadata: JsonObject | Sealed | None = None
    description: str | None = None
    labels: Labels | None = None

    def __post_init__(self) -> None:
        check_account_id(self.account_id)
        check_amount(self.signup_credits, "signup_credits", least=0)
        check_text("description", self.description)
        check_labels(self.labels)


@dataclass(frozen=True, slots=True)
class UpdateAccount:
    """Correct what the account says about itself. What is None stays as it is.

    A description or metadata replaces the earlier one; an empty one removes it. Labels are merged by their names.
    """

    account_id: str
    description: str | None = None
    metadata: JsonObject | Sealed | None = None
    labels: LabelChanges | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        check_text("description", self.description)
        check_text("reason", self.reason)
        check_labels(self.labels)


@dataclass(frozen=True, slots=True)
class FreezeAccount:
    """Refuse deductions, captures and holds until the account is unfrozen."""

    account_id: str
    reason: str | None = None

    def __post_init__(self) -> None:
        check_text("reason", self.reason)


@dataclass(frozen=True, slots=True)
class UnfreezeAccount:
    """End a freeze."""

    account_id: str
    reason: str | None = None

    def __post_init__(self) -> None:
        check_text("reason", self.reason)


@dataclass(frozen=True, slots=True)
class CloseAccount:
    """From now on, accept only what returns or cancels credits, and payments that grant nothing."""

    account_id: str
    reason: str | None = None

    def __post_init__(self) -> None:
        check_text("reason", self.reason)


@dataclass(frozen=True, slots=True)
class ReopenAccount:
    """Make a closed account active again, with the credits that it has."""

    account_id: str
    reason: str | None = None

    def __post_init__(self) -> None:
        check_text("reason", self.reason)


@dataclass(frozen=True, slots=True)
class EraseTexts:
    """Make all texts of the account unreadable for ever. Credits do not change."""

    account_id: str


@dataclass(frozen=True, slots=True)
class RecordExpiries:
    """Record the expiries that are due. The sweeper sends it; it is the only command that may yield no events."""

    account_id: str
