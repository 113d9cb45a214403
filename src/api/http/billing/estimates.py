"""The route of estimates: what some usage would cost, and whether an account could pay it now."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from api.contract.answers.answer import ProblemDocument
from api.contract.answers.billing.prices import EstimateAnswer, LimitBefore, OfAccountIfAny, price_fields
from api.contract.answers.limits import limits_left
from api.contract.billing_bodies import EstimateBody
from api.contract.problems import from_refusal
from api.contract.validation import validated
from api.http.billing.prices import prices_of
from api.http.commands.command_endpoint import CommandEndpoint, endpoint_of
from api.http.json_answer import AnswerRoute, JsonAnswer
from api.http.queries.query import Parameters, problems, problems_of
from api.http.queries.reads import Reads, reads_of
from api.http.requests.request import MAX_BODY, headers_of, read_body, read_json
from ledger.commit.submission import Outcome, Submission
from ledger.domain.commands import DeductCredits, check_account_id
from ledger.domain.decisions.limiting import applied_to
from ledger.domain.errors import AccountNotFound, Refusal, UsageHasNoPrice
from ledger.domain.pricing.price import Price
from ledger.domain.pricing.rating import words_of
from ledger.domain.usage import NO_USAGE, Usage, quantity_of
from ledger.explain.balance_answer import balance_fields
from ledger.service import AccountAt
from ledger.store import Metadata

router = APIRouter(route_class=AnswerRoute, tags=["billing"])
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/EstimateBody"}}},
    }
}


class _Nothing(Parameters):
    pass


@router.post(
    "/v1/estimates",
    responses=problems(400, 401, 403, 413, 415, 429, 500, 503)
    | problems_of("account_not_found", "validation_failed", "price_not_found"),
    summary="What usage would cost, and whether an account could pay it",
    openapi_extra=_BODY,
)
async def estimate(request: Request, query: Annotated[_Nothing, Query()]) -> JsonAnswer[EstimateAnswer]:
    """It records nothing and promises nothing: another command may come first. A hold does promise."""
    raw = await read_body(request.scope, headers_of(request.scope), request.receive, MAX_BODY)
    body = validated(EstimateBody, read_json(raw))
    usage = body.usage.given() or NO_USAGE
    price = prices_of(request).price(usage, body.at)
    if not isinstance(price, Price):
        raise from_refusal(UsageHasNoPrice(price.why, price.book, price.fields, words_of(usage)))
    of_account: OfAccountIfAny = {}
    if body.account_id is not None:
        check_account_id(body.account_id)
        of_account = await _of_account(request, body.account_id, usage, price)
    answer: EstimateAnswer = {**price_fields(price), **of_account}
    return JsonAnswer(answer, 200, {"x-request-id": endpoint_of(request).next_request_id()})


async def _of_account(request: Request, account_id: str, usage: Usage, price: Price) -> OfAccountIfAny:
    reads, endpoint = reads_of(request), endpoint_of(request)
    found = await reads.ledger.account_at(account_id)
    if found is None:
        raise from_refusal(AccountNotFound(account_id))
    outcome = await _rehearsed(reads, account_id, usage, price) if price.credits else None
    available = found.account.balance.available
    return {
        "account_id": account_id,
        "balance": balance_fields(found.account.balance),
        "sufficient": price.credits <= available,
        "shortfall": max(price.credits - available, 0),
        "limits": _limits(found, usage, price),
        **await _refusal(request, endpoint, outcome, account_id),
    }


async def _rehearsed(reads: Reads, account_id: str, usage: Usage, price: Price) -> Outcome:
    """What a deduction of the price would be answered now."""
    command = DeductCredits(account_id, price.credits, usage=usage, price=price)
    submission = Submission(command, Metadata("estimate", "deduct", None, "estimate"))
    [outcome] = await reads.ledger.dry_run([submission], atomic=False)
    return outcome


def _limits(found: AccountAt, usage: Usage, price: Price) -> list[LimitBefore]:
    """The limits that would count the usage."""
    limits = found.account.limits
    if limits is None:
        return []
    applied, _ = applied_to(limits, usage, price.credits, quantity_of(usage), found.as_of)
    counts = [(one.limit.limit_id, one.value, one.used, one.amount, one.until) for one in applied]
    return [{**left, "binds": one.refuses} for left, one in zip(limits_left(tuple(counts)), applied, strict=True)]


async def _refusal(
    request: Request, endpoint: CommandEndpoint, outcome: Outcome | None, account_id: str
) -> OfAccountIfAny:
    if not isinstance(outcome, Refusal):
        return {"refusal": None, "ways_out": []}
    root_path = request.scope.get("root_path", "")
    document: ProblemDocument = from_refusal(outcome).document()
    return {"refusal": document, "ways_out": await endpoint.ways_out.of(outcome, account_id, root_path)}
