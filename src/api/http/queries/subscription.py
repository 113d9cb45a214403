"""The query of subscriptions: the state of each, computed from the events, never stale."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field

from api.contract.answers.balance import SubscriptionAnswer, subscription_answer
from api.contract.bodies import Time
from api.contract.problems import Problem, invalid
from api.http.json_answer import AnswerRoute, JsonAnswer
from api.http.queries.query import NOT_MODIFIED, AccountId, Parameters, names_tag, problems, tag_of
from api.http.queries.reads import reads_of
from ledger.domain.errors import AccountNotFound
from ledger.domain.errors.refusal import shown
from ledger.explain.subscriptions.answer import SubscriptionNow, subscriptions_now
from ledger.service import AccountAt

router = APIRouter(route_class=AnswerRoute)


class _At(Parameters):
    at: Time | None = Field(None, description="a past time; default: now")


@router.get(
    "/v1/accounts/{account_id}/subscription",
    responses=NOT_MODIFIED | problems(401, 403, 404, 422, 429, 500, 503),
    tags=["queries"],
    summary="The subscription now, never stale, or at a past time",
)
async def subscription(
    request: Request, account_id: AccountId, query: Annotated[_At, Query()]
) -> JsonAnswer[SubscriptionAnswer]:
    """The active subscription that counts, and all that are known. What time changes is counted, recorded or not."""
    ledger = reads_of(request).ledger
    if query.at is not None and query.at > ledger.clock():
        raise invalid("at", "must not be in the future")
    found = await ledger.account_at(account_id, query.at)
    if found is None and query.at is not None:
        detail = f"There is no account {shown(account_id)!r}, or there was none yet at that time."
        raise Problem("account_not_found", detail, account_id=account_id)
    if found is None:
        raise AccountNotFound(account_id)
    headers, told = tag_of(found.newest.version), subscription_answer(found)
    if names_tag(request, headers) and told["subscriptions"] == _of_newest_event(found):
        return JsonAnswer.not_modified(headers)
    return JsonAnswer(told, headers=headers)


def _of_newest_event(found: AccountAt) -> list[SubscriptionNow]:
    """What was said of the subscriptions when the newest event was recorded: time alone changes some of it."""
    return subscriptions_now(found.account, found.account.recorded_at)
