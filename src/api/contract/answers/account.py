"""The answer of GET /v1/accounts/{account_id}."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from api.contract.answers.answer import Answer
from ledger.domain.account import Standing
from ledger.explain.balance_answer import BalanceFields, balance_fields
from ledger.readable_texts import ProfileTexts
from ledger.service import AccountAt


class AccountAnswer(Answer):
    """An account now, from the truth."""

    account_id: str
    standing: Standing
    successor: Annotated[str | None, Field(description="of a closed account: the one into which it was merged")]
    labels: dict[str, str]
    description: Annotated[str | None, Field(description="null if there is none, or it was erased")]
    metadata: Annotated[dict[str, Any] | None, Field(description="null if there are none, or they were erased")]
    opened_at: datetime
    last_activity_at: Annotated[datetime, Field(description="when its newest event was recorded")]
    version: int
    position: int
    balance: BalanceFields


def account_answer(found: AccountAt, texts: ProfileTexts) -> AccountAnswer:
    """An account, with its texts in clear."""
    account = found.account
    return {
        "account_id": account.account_id,
        "standing": account.standing,
        "successor": account.successor,
        "labels": dict(account.profile.labels),
        "description": texts.description or None,
        "metadata": texts.metadata or None,
        "opened_at": texts.opened_at,
        "last_activity_at": texts.last_activity_at,
        "version": found.newest.version,
        "position": found.newest.position,
        "balance": balance_fields(account.balance),
    }
