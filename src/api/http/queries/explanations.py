"""The route that explains one event."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field

from api.contract.answers.events import Explained
from api.contract.problems import Problem
from api.http.json_answer import AnswerRoute, JsonAnswer
from api.http.queries.query import AccountId, Parameters, problems, problems_of
from api.http.queries.reads import reads_of
from ledger.domain.amounts import MAX_AMOUNT
from ledger.domain.errors import AccountNotFound, shown
from ledger.explain.explanation_answer import explanation_fields

router = APIRouter(route_class=AnswerRoute, tags=["audit"])


class _Version(Parameters):
    version: int | None = Field(None, ge=1, le=MAX_AMOUNT, description="the version of the event; default: the newest")


@router.get(
    "/v1/accounts/{account_id}/explain",
    responses=problems(401, 403, 422, 429, 500, 503) | problems_of("account_not_found", "event_not_found"),
    summary="Explain one event: which lots it drew, why in that order, and whether it follows the rules",
)
async def explain(
    request: Request, account_id: AccountId, query: Annotated[_Version, Query()]
) -> JsonAnswer[Explained]:
    """The explanation compares the event with the account before it."""
    ledger = reads_of(request).ledger
    found = await ledger.explain_event(account_id, query.version)
    if found is None:
        newest = await ledger.current.newest_event(account_id)
        if newest is None:
            raise AccountNotFound(account_id)
        last = f"its last event is version {newest.version}"
        detail = f"Account {shown(account_id)!r} has no version {query.version}: {last}."
        raise Problem("event_not_found", detail, version=query.version, last_version=newest.version)
    return JsonAnswer({"account_id": account_id, "position": found.position, **explanation_fields(found.explanation)})
