"""Routes with which a person takes away a copy of everything about them."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import StreamingResponse

from api.contract.people.profile import ExportAnswer, export_answer
from api.contract.problems import Problem
from api.http.json_answer import JsonAnswer
from api.http.own_data.copy import send_copy
from api.http.people.person_route import PersonRoute, people_of, person_of
from api.http.queries.query import problems

router = APIRouter(route_class=PersonRoute, tags=["people"])
ExportId = Annotated[str, Path(pattern="^exp_[0-9a-f]{20}$")]
_ASKING = problems(401, 403, 404, 422, 500, 503)


@router.post(
    "/api/user/export",
    status_code=202,
    responses=_ASKING | problems(429),
    summary="Ask for a copy of everything about a person",
)
async def ask_export(request: Request) -> JsonAnswer[ExportAnswer]:
    """It is made when it is fetched, within a day, and kept nowhere."""
    found = await people_of(request).profiles.ask_export(person_of(request).user.user_id)
    return JsonAnswer(export_answer(found), 202)


@router.get(
    "/api/user/export/{export_id}",
    response_class=StreamingResponse,
    responses=_ASKING | {200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}},
    summary="A copy of everything about a person",
)
async def export(request: Request, export_id: ExportId) -> Response:
    """A zip file: what is known of the person as JSON, the entries of their account as CSV, and a signed statement."""
    user_id = person_of(request).user.user_id
    if await people_of(request).profiles.export(user_id, export_id) is None:
        raise Problem("not_found", "There is no such copy, or its day is over. Ask for another one.")
    return await send_copy(request, user_id)
