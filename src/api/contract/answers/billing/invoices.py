"""The answer about the invoice of a payment provider."""

from typing import Annotated

from pydantic import Field

from api.contract.answers.answer import Answer


class InvoiceAnswer(Answer):
    """Where the invoice of a payment is that its provider wrote, the merchant of record."""

    account_id: str
    payment_id: str
    provider: Annotated[str, Field(description="who sold, and wrote the invoice")]
    url: Annotated[str, Field(description="for a browser; it may end after some hours, so do not keep it")]
