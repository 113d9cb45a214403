"""The audit log of a person: what they did, what was done to them, and what happened in their account."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field

from api.contract.cursors import MAX_CURSOR
from api.contract.people.audit import AuditAnswer
from api.http.json_answer import JsonAnswer
from api.http.people.audit_lists import about, audit_page
from api.http.people.person_route import PersonRoute, person_of
from api.http.queries.query import MAX_PAGE, Page, Parameters, problems
from api.http.queries.reads import reads_of

router = APIRouter(route_class=PersonRoute, tags=["people"])


class _Page(Parameters):
    limit: int = Field(50, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(None, max_length=MAX_CURSOR, description="the `next_cursor` of the previous page")


@router.get(
    "/api/audit", responses=problems(401, 403, 404, 422, 500, 503), summary="What a person did, and was done to them"
)
async def own_audit(request: Request, query: Annotated[_Page, Query()]) -> JsonAnswer[AuditAnswer]:
    """Newest first, with what happened in their account."""
    reads, user_id = reads_of(request), person_of(request).user.user_id
    of = ("own audit", user_id)
    return JsonAnswer(await audit_page(reads, about(reads, user_id), of, Page(query.limit, query.cursor)))
