"""The routes of the audit log, for operators: who did what to whom, among people, teams and keys."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from api.contract.bodies import ONE_LINE
from api.contract.cursors import MAX_CURSOR
from api.contract.people.audit import ACTION, MAX_ACTION, AuditAnswer
from api.http.json_answer import AnswerRoute, JsonAnswer
from api.http.people.audit_lists import audit_csv, audit_page, matching
from api.http.queries.query import MAX_PAGE, Page, Parameters, problems
from api.http.queries.reads import reads_of
from ledger.domain.commands import MAX_ID
from people.audit_log import AuditFilters

router = APIRouter(route_class=AnswerRoute, tags=["people"])
_PROBLEMS = problems(401, 403, 422, 429, 500, 503)


class _Filters(Parameters):
    account_id: str | None = Field(None, min_length=1, max_length=MAX_ID, pattern=ONE_LINE, description="default: all")
    actor: str | None = Field(None, min_length=1, max_length=MAX_ID, pattern=ONE_LINE, description="default: all")
    action: str | None = Field(None, max_length=MAX_ACTION, pattern=ACTION, description="default: all")

    @property
    def filters(self) -> AuditFilters:
        """The entries that the parameters ask for."""
        return AuditFilters(self.account_id, self.actor, self.action)


class _Page(_Filters):
    limit: int = Field(50, ge=1, le=MAX_PAGE)
    cursor: str | None = Field(None, max_length=MAX_CURSOR, description="the `next_cursor` of the previous page")


@router.get("/v1/audit", responses=_PROBLEMS, summary="Who did what, among people, teams and keys")
async def audit(request: Request, query: Annotated[_Page, Query()]) -> JsonAnswer[AuditAnswer]:
    """Newest first. What moves credits is in the events of accounts, with its actor, and not here."""
    reads, filters = reads_of(request), query.filters
    page = Page(query.limit, query.cursor)
    return JsonAnswer(await audit_page(reads, matching(reads, filters), ("audit", *filters), page))


@router.get(
    "/v1/audit.csv",
    response_class=StreamingResponse,
    responses={**_PROBLEMS, 200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
    summary="The audit log as CSV",
)
async def audit_as_csv(request: Request, query: Annotated[_Filters, Query()]) -> Response:
    """All entries that match the filters, newest first."""
    return audit_csv(matching(reads_of(request), query.filters))
