"""The answers of the audit log."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from api.contract.answers.answer import Answer
from people.audit_log import Audited

ACTION = r"^[a-z_]+\.[a-z_]+$"
MAX_ACTION = 64
"""Characters."""
COLUMNS = ("entry_id", "at", "action", "actor", "subject", "account_id", "details")
"""Those of a CSV file."""


class AuditFields(TypedDict):
    """What somebody did."""

    entry_id: int
    at: datetime
    action: Annotated[str, Field(description="such as `key.revoked`")]
    actor: Annotated[str, Field(description="`usr_...`, `key:<prefix>`, `operator:<prefix of their key>`, or `system`")]
    subject: Annotated[str, Field(description="the id of whom or what it was done to")]
    account_id: Annotated[str | None, Field(description="the account that it was done in")]
    details: Annotated[
        Mapping[str, str | int | None] | None, Field(description="null after the person they are about was erased")
    ]


class AuditAnswer(Answer):
    """Entries of the audit log, the newest first."""

    entries: list[AuditFields]
    next_cursor: Annotated[str | None, Field(description="asks for the next page; null on the last")]


def audit_fields(entry: Audited) -> AuditFields:
    """An entry as JSON."""
    return {
        "entry_id": entry.entry_id,
        "at": entry.at.astimezone(UTC),
        "action": entry.action,
        "actor": entry.actor,
        "subject": entry.subject,
        "account_id": entry.account_id,
        "details": entry.details,
    }
