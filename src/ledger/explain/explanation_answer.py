"""An explanation as answered: the one form in which every route and file gives it."""

from datetime import datetime
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from ledger.explain.balance_answer import BalanceFields, balance_fields
from ledger.explain.explanation import (
    ExplainedCount,
    ExplainedDraw,
    ExplainedHold,
    ExplainedLot,
    ExplainedReturn,
    ExplainedTransfer,
    Explanation,
    PassedOver,
)


class ExplanationFields(TypedDict):
    """The explanation of one event, without the account and the position."""

    version: int
    type: str
    recorded_at: datetime
    effective_at: Annotated[datetime | None, Field(description="of an expiry: when it took effect, recorded or not")]
    sentence: Annotated[str, Field(description="what happened")]
    why: tuple[str, ...]
    draws: Annotated[tuple[ExplainedDraw, ...], Field(description="in the order in which they were made")]
    passed_over: Annotated[tuple[PassedOver, ...], Field(description="of a draw: the first lots that it did not touch")]
    passed_over_count: Annotated[int, Field(description="all of them")]
    returns: Annotated[tuple[ExplainedReturn, ...], Field(description="in the order in which they came back")]
    lot: ExplainedLot | None
    hold: ExplainedHold | None
    counts: Annotated[tuple[ExplainedCount, ...], Field(description="the counters of limits that it moved")]
    transfer: Annotated[ExplainedTransfer | None, Field(description="of a transfer: its other side")]
    balance_before: BalanceFields
    balance_after: BalanceFields
    sound: bool
    violations: Annotated[tuple[str, ...], Field(description="where it breaks a rule; empty when it is sound")]


def explanation_fields(explanation: Explanation) -> ExplanationFields:
    """The fields of an explanation, without the account and the position of its event."""
    details = explanation.details
    return {
        "version": explanation.version,
        "type": explanation.type,
        "recorded_at": explanation.recorded_at,
        "effective_at": explanation.effective_at,
        "sentence": explanation.sentence,
        "why": details.why,
        "draws": details.draws,
        "passed_over": details.passed_over,
        "passed_over_count": details.passed_over_count,
        "returns": details.returns,
        "lot": details.lot,
        "hold": details.hold,
        "counts": details.counts,
        "transfer": details.transfer,
        "balance_before": balance_fields(explanation.before),
        "balance_after": balance_fields(explanation.balance),
        "sound": explanation.sound,
        "violations": explanation.violations,
    }
