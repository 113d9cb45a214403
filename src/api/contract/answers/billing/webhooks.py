"""The answers about webhooks: what a provider is answered, and what operators see."""

from datetime import datetime
from typing import Annotated, Any

import orjson
from pydantic import Field
from typing_extensions import TypedDict

from api.contract.answers.answer import Answer
from billing.inbox.inbox import WaitingCount
from billing.inbox.webhook import State, Webhook


class ReceivedAnswer(Answer):
    """A delivery is in the inbox, for good. What becomes of it is decided afterwards."""

    webhook_id: str
    state: State
    duplicate: Annotated[bool, Field(description="whether it was there before")]


class WebhookFields(TypedDict):
    """A webhook, without what the provider sent."""

    webhook_id: str
    provider: str
    delivery_id: str
    type: Annotated[
        str, Field(description="the provider's name for what happened; empty when the body does not say it")
    ]
    state: State
    reason: Annotated[str | None, Field(description="why it is not applied, as a code")]
    sentence: Annotated[str | None, Field(description="the same for people")]
    received_at: datetime
    attempts: int
    next_try_at: Annotated[datetime | None, Field(description="null: it is not tried again")]
    decided_at: Annotated[datetime | None, Field(description="when something last became of it")]
    decided_by: Annotated[str | None, Field(description="the operator who last had it tried again, or dismissed it")]
    account_id: str | None
    about: Annotated[list[str], Field(description="the payments and subscriptions that it tells of")]
    things: Annotated[list[str], Field(description="all that it names")]
    applied_positions: Annotated[list[int], Field(description="where the log has what came of it")]
    sha256: Annotated[str, Field(description="of the body, as hexadecimal digits")]
    has_body: Annotated[bool, Field(description="false after the body was dropped")]


class WebhookAnswer(Answer, WebhookFields):
    """A webhook, with what the provider sent."""

    payload: Annotated[Any, Field(description="the body as JSON; null when it is none, or was dropped")]


class DecidedAnswer(Answer, WebhookFields):
    """A webhook after an operator's word."""


class WaitingFields(TypedDict):
    """How many webhooks wait for one reason, and since when."""

    reason: str
    count: int
    oldest: datetime


class WebhooksAnswer(Answer):
    """Webhooks, the newest first, and how many wait."""

    webhooks: list[WebhookFields]
    waiting: list[WaitingFields]
    next_cursor: Annotated[str | None, Field(description="asks for the next page; null on the last")]


def webhook_fields(webhook: Webhook) -> WebhookFields:
    """The fields of a webhook."""
    return {
        "webhook_id": webhook.webhook_id,
        "provider": webhook.provider,
        "delivery_id": webhook.delivery_id,
        "type": webhook.type,
        "state": webhook.state,
        "reason": webhook.reason,
        "sentence": webhook.sentence,
        "received_at": webhook.received_at,
        "attempts": webhook.attempts,
        "next_try_at": webhook.next_try_at,
        "decided_at": webhook.decided_at,
        "decided_by": webhook.decided_by,
        "account_id": webhook.account_id,
        "about": webhook.about,
        "things": webhook.things,
        "applied_positions": webhook.applied_positions,
        "sha256": bytes(webhook.sha256).hex(),
        "has_body": webhook.has_body,
    }


def webhook_answer(webhook: Webhook, body: bytes | None) -> WebhookAnswer:
    """A webhook with its body."""
    return {**webhook_fields(webhook), "payload": None if body is None else _payload(body)}


def waiting_fields(count: WaitingCount) -> WaitingFields:
    """The fields of a number of webhooks that wait."""
    return {"reason": count.reason, "count": count.count, "oldest": count.oldest}


def _payload(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
