"""The audit log of a person: what they did, what was done to them, and what happened in their account; and that of a
team, for those who manage it."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field

from api.contract.bodies import Id
from api.contract.cursors import MAX_CURSOR
from api.contract.people.audit import AuditAnswer
from api.http.json_answer import JsonAnswer
from api.http.people.audit_lists import about, audit_page
from api.http.people.person_route import PersonRoute, person_of
from api.http.people.teams.team_route import teams_of
from api.http.queries.query import MAX_PAGE, Page, Parameters, problems
from api.http.queries.reads import reads_of
from people.teams.roles import at_least
from people.teams.words import not_there

router = APIRouter(route_class=PersonRoute, tags=["people"])


class _Page(Parameters):
    limit: int = Field(50, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(None, max_length=MAX_CURSOR, description="the `next_cursor` of the previous page")
    account_id: Id | None = Field(None, description="a team that they manage; default: their own account")


@router.get(
    "/api/audit", responses=problems(401, 403, 404, 422, 500, 503), summary="What a person did, and was done to them"
)
async def own_audit(request: Request, query: Annotated[_Page, Query()]) -> JsonAnswer[AuditAnswer]:
    """Newest first, with what happened in their account. The owner and the admins of a team may ask for that of the
    team; nobody else learns whether there is one."""
    reads, account_id = reads_of(request), await _account(request, query.account_id)
    of = ("own audit", account_id)
    return JsonAnswer(await audit_page(reads, about(reads, account_id), of, Page(query.limit, query.cursor)))


async def _account(request: Request, account_id: str | None) -> str:
    """The account that is asked about. Raises AccessRefused: not_found for one that the person does not manage."""
    user_id = person_of(request).user.user_id
    asked = account_id or user_id
    if not at_least(await teams_of(request).teams.role(user_id, asked), "admin"):
        raise not_there("audit log")
    return asked
