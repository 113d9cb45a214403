"""The answer of GET /v1/accounts/{account_id}/balance."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from api.contract.answers.answer import Answer
from ledger.domain.account import Standing
from ledger.explain.balance_answer import (
    BalanceFields,
    ComingFields,
    OpenLot,
    balance_fields,
    coming_grants,
    open_lots,
)
from ledger.service import AccountAt


class BalanceAnswer(Answer, BalanceFields):
    """A balance from the truth; `grants` are the open lots in burn order, `coming` what is no part of it yet."""

    account_id: str
    as_of: Annotated[datetime, Field(description="the moment that it is the balance of")]
    known_at: Annotated[datetime, Field(description="only what was recorded by then counts")]
    version: int
    position: int
    standing: Standing
    successor: Annotated[str | None, Field(description="of a closed account: the one into which it was merged")]
    grants: list[OpenLot]
    coming: Annotated[list[ComingFields], Field(description="the grants that have not started, the next one first")]


def balance_answer(found: AccountAt) -> BalanceAnswer:
    """The balance at a moment, the open lots in burn order, and the coming grants."""
    account = found.account
    return {
        "account_id": account.account_id,
        "as_of": found.as_of,
        "known_at": found.known_at,
        "version": found.newest.version,
        "position": found.newest.position,
        "standing": account.standing,
        "successor": account.successor,
        **balance_fields(account.balance),
        "grants": open_lots(account.lots),
        "coming": coming_grants(account.coming),
    }
