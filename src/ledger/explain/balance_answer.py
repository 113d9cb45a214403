"""A balance as answered: the fields in which every answer, stream and file gives a balance, and its open lots."""

from datetime import datetime
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from ledger.domain.amounts import Balance, Kind
from ledger.domain.coming import ComingGrants
from ledger.domain.lots import Lots


class BalanceFields(TypedDict):
    """Credits at one moment. total = the two kinds together; available = total - held."""

    total: int
    held: int
    available: int
    subscription_credits: int
    permanent_credits: int
    subscription_expire_at: Annotated[datetime | None, Field(description="the earliest expiry, or null")]


class OpenLot(TypedDict):
    """What remains of one grant."""

    grant_id: str
    kind: Kind
    remaining: int
    expires_at: datetime | None


class ComingFields(TypedDict):
    """What is left of a grant that has not started: no part of the balance, and spendable from `effective_at` on."""

    grant_id: str
    kind: Kind
    amount: int
    effective_at: datetime
    expires_at: datetime | None


def balance_fields(balance: Balance) -> BalanceFields:
    """The answer for a balance."""
    subscription, permanent, held, expire_at = balance
    return {
        "total": subscription + permanent,
        "held": held,
        "available": subscription + permanent - held,
        "subscription_credits": subscription,
        "permanent_credits": permanent,
        "subscription_expire_at": expire_at,
    }


def open_lots(lots: Lots) -> list[OpenLot]:
    """The answers for the open lots, in burn order."""
    return [
        {"grant_id": grant_id, "kind": kind, "remaining": remaining, "expires_at": expires_at}
        for grant_id, kind, remaining, expires_at in lots
    ]


def coming_grants(coming: ComingGrants) -> list[ComingFields]:
    """The answers for the coming grants, in the order in which they start."""
    return [
        {
            "grant_id": grant.grant_id,
            "kind": grant.kind,
            "amount": grant.amount,
            "effective_at": grant.effective_at,
            "expires_at": grant.expires_at,
        }
        for grant in coming
    ]
