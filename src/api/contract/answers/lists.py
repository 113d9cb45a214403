"""The answers of lists: grants, holds and payments of an account, all accounts, and uncollected amounts."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from api.contract.answers.answer import ListPage
from ledger.domain.account import Standing
from ledger.domain.amounts import Balance, Kind
from ledger.domain.events import DisputeState, PaymentStatus, Source
from ledger.domain.plans.subscribed import PaymentReason
from ledger.explain.balance_answer import BalanceFields, balance_fields
from ledger.explain.subscriptions.answer import SubscriptionNow

GrantStatus = Literal["coming", "open", "spent", "expired", "voided", "sent"]
HoldStatus = Literal["open", "captured", "released", "expired"]


class Grant(TypedDict):
    """A grant, and where its credits are: amount = coming + remaining + held + spent + lapsed + voided + sent."""

    grant_id: str
    kind: Kind
    source: Source
    status: GrantStatus
    amount: int
    coming: Annotated[int, Field(description="of a grant that has not started")]
    remaining: int
    held: int
    spent: int
    lapsed: int
    voided: int
    sent: int
    granted_at: datetime
    effective_at: Annotated[datetime | None, Field(description="when it starts or started; null: when it was granted")]
    expires_at: datetime | None
    transaction_id: str | None
    payment_id: str | None
    description: str | None
    from_account_id: str | None
    from_grant_id: str | None


class GrantsAnswer(ListPage):
    """Grants, newest first."""

    grants: list[Grant]


class Hold(TypedDict):
    """A hold: what was reserved, what still is, and what was captured."""

    hold_id: str
    status: HoldStatus
    amount: int
    held: int
    captured: int
    placed_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    task_id: str | None
    description: str | None


class HoldsAnswer(ListPage):
    """Holds, newest first."""

    holds: list[Hold]


class Bought(TypedDict):
    """A grant that a payment paid for."""

    grant_id: str
    kind: Kind
    amount: int
    coming: int
    remaining: int
    held: int
    voided: int
    effective_at: datetime | None
    expires_at: datetime | None
    grant: NotRequired[Annotated[Grant, Field(description="with `expand=grants`")]]


class Payment(TypedDict):
    """A payment, in minor units of its currency."""

    payment_id: str
    provider: str
    status: PaymentStatus
    amount_minor: int
    refunded_minor: int
    disputed_minor: Annotated[int, Field(description="of disputes that are open or lost")]
    dispute_state: Annotated[
        DisputeState | None, Field(description="of several: open before lost before won; null: no dispute")
    ]
    currency: str
    plan: str | None
    subscription_id: Annotated[str | None, Field(description="the subscription that it was for")]
    reason: Annotated[PaymentReason | None, Field(description="of a payment for a subscription")]
    period_start: Annotated[datetime | None, Field(description="the time that it pays for, if the provider said it")]
    period_end: datetime | None
    recorded_at: datetime
    refunded_at: datetime | None
    version: int
    grants: list[Bought]
    subscription: NotRequired[
        Annotated[SubscriptionNow | None, Field(description="with `expand=subscription`; null: it was for none")]
    ]


class PaymentsAnswer(ListPage):
    """Payments, newest first."""

    payments: list[Payment]


UncollectedStatus = Literal["open", "waived"]


class Uncollected(TypedDict):
    """A deduction that asked for more than was available."""

    account_id: str
    deduction_id: str
    hold_id: str | None
    task_id: str | None
    status: Annotated[UncollectedStatus, Field(description="`waived`: a reversal waived all that was uncollected")]
    recorded_at: datetime
    position: int
    collected: int
    uncollected: int
    waived: int
    outstanding: Annotated[int, Field(description="uncollected - waived")]


class UncollectedAnswer(ListPage):
    """Deductions of all accounts, or of one, newest first."""

    uncollected: list[Uncollected]


class ListedAccount(BalanceFields):
    """An account as of its last event."""

    account_id: str
    standing: Standing
    labels: dict[str, str]
    opened_at: datetime
    last_activity_at: datetime
    version: int
    successor: str | None


class AccountsAnswer(ListPage):
    """Accounts in the order that was asked for."""

    accounts: list[ListedAccount]


def uncollected_deduction(row: Mapping[str, Any]) -> Uncollected:
    """A deduction as it is answered, from a row of the uncollected amounts."""
    outstanding = row["uncollected"] - row["waived"]
    return {
        "account_id": row["account_id"],
        "deduction_id": f"ded_{row['number']}",
        "hold_id": None if row["hold"] is None else f"hld_{row['hold']}",
        "task_id": row["task_id"],
        "status": "open" if outstanding else "waived",
        "recorded_at": row["recorded_at"],
        "position": row["position"],
        "collected": row["collected"],
        "uncollected": row["uncollected"],
        "waived": row["waived"],
        "outstanding": outstanding,
    }


def grant(row: Mapping[str, Any]) -> Grant:
    """A grant as it is answered, from a row of the balances."""
    return {
        "grant_id": f"grt_{row['number']}",
        "kind": row["kind"],
        "source": row["source"],
        "status": row["status_now"],
        "amount": row["amount"],
        "coming": row["coming_now"],
        "remaining": row["remaining_now"],
        "held": row["held"],
        "spent": row["spent"],
        "lapsed": row["lapsed_now"],
        "voided": row["voided"],
        "sent": row["sent"],
        "granted_at": row["granted_at"],
        "effective_at": row["effective_at"],
        "expires_at": row["expires_at"],
        "transaction_id": row["transaction_id"],
        "payment_id": row["payment_id"],
        "description": row["description"],
        "from_account_id": row["from_account_id"],
        "from_grant_id": row["from_grant_id"],
    }


def hold(row: Mapping[str, Any]) -> Hold:
    """A hold as it is answered, from a row of the balances."""
    ended = row["status"] != row["status_now"]
    return {
        "hold_id": f"hld_{row['number']}",
        "status": row["status_now"],
        "amount": row["amount"],
        "held": 0 if ended else row["held"],
        "captured": row["captured"],
        "placed_at": row["placed_at"],
        "expires_at": row["expires_at"],
        "ended_at": row["expires_at"] if ended else row["ended_at"],
        "task_id": row["task_id"],
        "description": row["description"],
    }


def payment(row: Mapping[str, Any]) -> Payment:
    """A payment as it is answered, from a row of the payments."""
    return {
        "payment_id": row["payment_id"],
        "provider": row["provider"],
        "status": row["status"],
        "amount_minor": row["amount_minor"],
        "refunded_minor": row["refunded_minor"],
        "disputed_minor": row["disputed_minor"],
        "dispute_state": row["dispute_state"],
        "currency": row["currency"],
        "plan": row["plan"],
        "subscription_id": row["subscription_id"],
        "reason": row["reason"],
        "period_start": row["period_start"],
        "period_end": row["period_end"],
        "recorded_at": row["recorded_at"],
        "refunded_at": row["refunded_at"],
        "version": row["version"],
        "grants": [_bought(part) for part in row["grants"]],
    }


def _bought(part: Mapping[str, Any]) -> Bought:
    """One grant; the database wrote its times, which are to look like all others."""
    return {
        "grant_id": part["grant_id"],
        "kind": part["kind"],
        "amount": part["amount"],
        "coming": part["coming"],
        "remaining": part["remaining"],
        "held": part["held"],
        "voided": part["voided"],
        "effective_at": _moment(part["effective_at"]),
        "expires_at": _moment(part["expires_at"]),
    }


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def listed_account(row: Mapping[str, Any]) -> ListedAccount:
    """An account as it is answered, from a row of the balances."""
    balance = Balance(row["subscription"], row["permanent"], row["held"], row["subscription_expire_at"])
    return {
        "account_id": row["account_id"],
        "standing": row["standing"],
        **balance_fields(balance),
        "labels": row["labels"] or {},
        "opened_at": row["opened_at"],
        "last_activity_at": row["last_activity_at"],
        "version": row["version"],
        "successor": row["successor"],
    }
