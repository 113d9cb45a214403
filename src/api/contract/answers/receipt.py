"""The answer of a receipt: what became of an idempotency key."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from api.contract.answers.answer import Answer
from api.contract.answers.commands import AnyAnswer


class ReceiptAnswer(Answer):
    """What became of a key."""

    account_id: str
    operation: str
    idempotency_key: str
    version: int
    position: int
    recorded_at: datetime
    answer: Annotated[AnyAnswer, Field(description="the original answer")]
