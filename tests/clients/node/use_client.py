"""What a service does with the client of openapi-python-client."""

from client.api.commands import deduct
from client.client import AuthenticatedClient
from client.models import DeductBodyAmount, Deducted, InsufficientCreditsProblem


def spend(client: AuthenticatedClient, account_id: str) -> int | str:
    """Deduct 30 credits. What is left, or what is missing."""
    answer = deduct.sync(account_id, client=client, body=DeductBodyAmount(amount=30, task_id="task-1"))
    if isinstance(answer, Deducted):
        return answer.balance.available
    return answer.shortfall if isinstance(answer, InsufficientCreditsProblem) else "refused"
