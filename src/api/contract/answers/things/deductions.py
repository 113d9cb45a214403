"""One deduction or capture, as the events about it add up."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from api.contract.answers.commands import DrawFields
from api.contract.answers.lists import Grant
from ledger.domain.events import CreditsDeducted, HoldCaptured
from ledger.domain.lots import total
from ledger.domain.related_events import RelatedEvents, made_by
from ledger.store import Logged


class DeductionDraw(DrawFields):
    """The part of a deduction that one lot pays."""

    grant: NotRequired[Annotated[Grant, Field(description="with `expand=grants`")]]


class Deduction(TypedDict):
    """A deduction or capture, with what came back of it: deducted + uncollected - reversed - waived can be reversed."""

    deduction_id: str
    hold_id: Annotated[str | None, Field(description="the hold of a capture")]
    deducted: int
    uncollected: Annotated[int, Field(description="asked for and not available")]
    reversed: int
    waived: Annotated[int, Field(description="of what was uncollected")]
    reversible: int
    draws: list[DeductionDraw]
    task_id: str | None
    description: str | None
    usage: dict[str, Any] | None
    occurred_at: datetime | None
    recorded_at: datetime
    version: int
    position: int


def deduction_fields(deduction_id: str, about: Sequence[Logged]) -> Deduction | None:
    """A deduction as it is answered, from the events about it; None when they have none."""
    found = RelatedEvents(tuple(one.event for one in about)).deduction(deduction_id)
    if found is None:
        return None
    [made] = [one for one in about if made_by(one.event) == deduction_id]
    event = made.event
    assert isinstance(event, CreditsDeducted | HoldCaptured), "that is what makes a deduction"
    deducted = total(found.draws)
    return {
        "deduction_id": deduction_id,
        "hold_id": found.hold_id,
        "deducted": deducted,
        "uncollected": found.uncollected,
        "reversed": found.reversed,
        "waived": found.waived,
        "reversible": deducted - found.reversed + found.owed,
        "draws": [{"grant_id": name, "kind": kind, "amount": amount} for name, kind, amount, _ in event.draws],
        "task_id": event.task_id,
        "description": event.description,
        "usage": None if event.usage is None else dict(event.usage),
        "occurred_at": event.occurred_at,
        "recorded_at": event.recorded_at,
        "version": made.version,
        "position": made.position,
    }
