"""What is answered of an account from the truth: its balance, and its subscriptions."""

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
from ledger.explain.subscriptions.answer import SubscriptionNow, active_of, subscriptions_now
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


class SubscriptionAnswer(Answer):
    """The subscriptions of an account at a moment."""

    account_id: str
    as_of: datetime
    version: int
    position: int
    has_active_subscription: bool
    subscription: Annotated[
        SubscriptionNow | None, Field(description="the active one that counts; null: there is no active one")
    ]
    subscriptions: Annotated[list[SubscriptionNow], Field(description="all that are known, the one that counts first")]


def subscription_answer(found: AccountAt) -> SubscriptionAnswer:
    """What is said of the subscriptions of an account."""
    now = subscriptions_now(found.account, found.as_of)
    active = active_of(now)
    return {
        "account_id": found.account.account_id,
        "as_of": found.as_of,
        "version": found.newest.version,
        "position": found.newest.position,
        "has_active_subscription": active is not None,
        "subscription": active,
        "subscriptions": now,
    }
