"""The answers about a person: their profile, the copy of everything, their deletion."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Field

from api.contract.answers.answer import Answer
from api.contract.people.answers import FREE, UserAnswer
from ledger.explain.subscriptions.answer import SubscriptionNow
from people.sign_in.profile import Export, Profile


class ProfileAnswer(UserAnswer):
    """What is known of a person."""

    avatar_url: str | None
    subscription_status: Annotated[str | None, Field(description="of the active subscription; null without one")]
    subscription_start_date: Annotated[datetime | None, Field(description="of its current period")]
    subscription_end_date: datetime | None
    created_at: datetime
    last_login_at: datetime | None
    zone: Annotated[str | None, Field(description="IANA time zone; null: that of the browser")]
    language: Annotated[str | None, Field(description="whose way to write numbers; null: that of the browser")]
    mails_off: Annotated[Sequence[str], Field(description="kinds of mails that are not wanted")]
    has_password: Annotated[bool, Field(description="without one, a fresh sign-in stands for it")]
    deletion_at: Annotated[datetime | None, Field(description="when the person is erased; null: never")]


class DeletionAnswer(Answer):
    """When a person is erased, unless they take it back."""

    message: str
    deletion_at: datetime


class ExportAnswer(Answer):
    """A copy of everything about a person, and until when it can be fetched."""

    id: str
    asked_at: datetime
    expires_at: datetime
    url: Annotated[str, Field(description="where to GET it, with the same token")]


def profile_answer(profile: Profile, active: SubscriptionNow | None) -> ProfileAnswer:
    """A profile as JSON, with the active subscription of the account."""
    return {
        "id": profile.user_id,
        "email": profile.email,
        "name": profile.name,
        "avatar_url": profile.avatar_url,
        "tier": (active and active["plan"]) or FREE,
        "subscription_status": active and active["status"],
        "subscription_start_date": active and active["current_period_start"],
        "subscription_end_date": active and active["current_period_end"],
        "created_at": profile.created_at,
        "last_login_at": profile.last_sign_in_at,
        "zone": profile.zone,
        "language": profile.language,
        "mails_off": profile.mails_off,
        "has_password": profile.has_password,
        "deletion_at": profile.deletion_at,
    }


def export_answer(export: Export) -> ExportAnswer:
    """A copy as JSON."""
    url = f"/api/user/export/{export.export_id}"
    return {"id": export.export_id, "asked_at": export.asked_at, "expires_at": export.expires_at, "url": url}
