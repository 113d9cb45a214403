"""The answers of one grant, hold, payment, deduction or transfer, with what `expand` adds."""

from datetime import datetime
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from api.contract.answers.answer import Answer, AsOf
from api.contract.answers.lists import Grant, Hold, Payment
from api.contract.answers.things.deductions import Deduction
from api.contract.answers.things.transfers import Transfer


class OfAccount(TypedDict):
    """The account that has it."""

    account_id: str


class GrantAnswer(AsOf, OfAccount, Grant):
    """One grant."""


class CapturesIfAny(TypedDict, total=False):
    """What `expand=captures` adds to a hold."""

    captures: Annotated[list[Deduction], Field(description="with `expand=captures`: the newest 100, newest first")]
    captures_left_out: Annotated[int, Field(description="with `expand=captures`: how many are older than these")]


class HoldAnswer(AsOf, OfAccount, Hold, CapturesIfAny):
    """One hold."""


class PaymentAnswer(AsOf, OfAccount, Payment):
    """One payment."""


class ExpandedIfAny(TypedDict, total=False):
    """What `expand` adds to a deduction: the hold, and the position that it and the grants are from."""

    as_of_position: Annotated[
        int, Field(description="with `expand`: the last position that is in the grants and the hold")
    ]
    as_of: Annotated[datetime | None, Field(description="with `expand`: when the event there was recorded")]
    hold: Annotated[Hold | None, Field(description="with `expand=hold`; null: it is no capture")]


class DeductionAnswer(Answer, OfAccount, Deduction, ExpandedIfAny):
    """One deduction."""


class TransferAnswer(Answer, OfAccount, Transfer):
    """One transfer."""
