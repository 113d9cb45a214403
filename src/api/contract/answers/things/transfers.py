"""One transfer, as the events about it add up."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from api.contract.answers.commands import DrawFields
from api.contract.answers.moving import draw_fields
from ledger.domain.events import CreditsSent, TransferReversed
from ledger.domain.related_events import made_by
from ledger.store import Logged


class Transfer(TypedDict):
    """A transfer, as the account that sent it has it."""

    transfer_id: str
    to_account_id: str
    sent: int
    draws: list[DrawFields]
    description: str | None
    recorded_at: datetime
    reversed_at: Annotated[datetime | None, Field(description="null: it was not reversed")]
    version: int
    position: int


def transfer_fields(transfer_id: str, about: Sequence[Logged]) -> Transfer | None:
    """A transfer as it is answered, from the events about it; None when they have none."""
    made = next((one for one in about if made_by(one.event) == transfer_id), None)
    if made is None:
        return None
    event = made.event
    assert isinstance(event, CreditsSent), "that is what makes a transfer"
    back = [one.event.recorded_at for one in about if isinstance(one.event, TransferReversed)]
    return {
        "transfer_id": transfer_id,
        "to_account_id": event.to_account_id,
        "sent": event.amount,
        "draws": draw_fields(event.draws),
        "description": event.description,
        "recorded_at": event.recorded_at,
        "reversed_at": back[0] if back else None,
        "version": made.version,
        "position": made.position,
    }
