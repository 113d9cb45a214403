"""What a service does with the client of openapi-python-client."""

from client.api.commands import deduct
from client.api.queries import get_deduction
from client.client import AuthenticatedClient
from client.models import (
    DeductBodyAmount,
    Deducted,
    DeductionAnswer,
    GetDeductionExpand,
    Grant,
    InsufficientCreditsProblem,
)


def spend(client: AuthenticatedClient, account_id: str) -> int | str:
    """Deduct 30 credits. What is left, or what is missing."""
    answer = deduct.sync(account_id, client=client, body=DeductBodyAmount(amount=30, task_id="task-1"))
    if isinstance(answer, Deducted):
        return answer.balance.available
    return answer.shortfall if isinstance(answer, InsufficientCreditsProblem) else "refused"


def grants_of(client: AuthenticatedClient, account_id: str, deduction_id: str) -> list[Grant]:
    """The grants from which a deduction was paid, in one request."""
    expand = GetDeductionExpand.GRANTS
    answer = get_deduction.sync(account_id, deduction_id, client=client, expand=expand)
    draws = answer.draws if isinstance(answer, DeductionAnswer) else []
    return [draw.grant for draw in draws if isinstance(draw.grant, Grant)]
