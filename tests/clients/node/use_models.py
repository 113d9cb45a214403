"""What a service does with the models of datamodel-code-generator."""

import models

body = models.DeductBodyAmount(amount=30, task_id="task-1")
assert body.model_dump(exclude_unset=True) == {"amount": 30, "task_id": "task-1"}
problem = models.InsufficientCreditsProblem.model_validate(
    {
        "type": "urn:credit-ledger:problem:insufficient_credits",
        "title": "Not enough credits",
        "status": 402,
        "code": "insufficient_credits",
        "detail": "3 credits are required and 1 are available.",
        "required": 3,
        "available": 1,
        "shortfall": 2,
    }
)
assert problem.shortfall == 2
