"""Routes of a person about themselves: who they are, their password, address and sessions."""

from typing import Annotated

from fastapi import APIRouter, Path, Request

from api.contract.people.answers import MessageAnswer, SessionsAnswer, session_fields
from api.contract.people.bodies import ChangeEmailBody, ChangePasswordBody
from api.contract.problems import Problem
from api.http.json_answer import JsonAnswer
from api.http.people.origins import origin_of
from api.http.people.person_route import PROBLEMS, PersonRoute, body_of, body_schema, people_of, person_of
from api.http.queries.query import problems
from people.sign_in.words import canonical

router = APIRouter(route_class=PersonRoute, tags=["people"])
SessionId = Annotated[str, Path(pattern="^[1-9][0-9]{0,17}$")]
_ASKING = problems(401, 403, 404, 422, 500, 503)


@router.post(
    "/api/user/email",
    status_code=202,
    responses=PROBLEMS | problems(401, 403),
    summary="Ask for another address",
    openapi_extra=body_schema(ChangeEmailBody),
)
async def ask_email(request: Request) -> JsonAnswer[MessageAnswer]:
    """The new address counts when its mailed link is opened; the present one is told, with the way back. Whoever has no
    password needs a session of the last 15 minutes."""
    body = await body_of(request, ChangeEmailBody)
    person, origin = person_of(request), origin_of(request)
    await people_of(request).recovery.ask_address(person, body.password, canonical(body.email), origin)
    return JsonAnswer({"message": "A mail is on its way to the new address."}, 202)


@router.post(
    "/api/user/password",
    responses=PROBLEMS | problems(401, 403),
    summary="Change the password",
    openapi_extra=body_schema(ChangePasswordBody),
)
async def change_password(request: Request) -> JsonAnswer[MessageAnswer]:
    """All other sessions end; API keys go on, unless the body says otherwise. Whoever has no password sets the first
    one, with a session of the last 15 minutes."""
    body = await body_of(request, ChangePasswordBody)
    person, origin = person_of(request), origin_of(request)
    await people_of(request).recovery.change_password(
        person, body.password, body.new_password, origin, revoke_keys=body.revoke_keys
    )
    return JsonAnswer({"message": "The password is changed."})


@router.get("/api/user/sessions", responses=_ASKING, summary="The open sessions of a person")
async def sessions(request: Request) -> JsonAnswer[SessionsAnswer]:
    """Those of our pages and those of /api."""
    found = await people_of(request).sign_ins.sessions_of(person_of(request))
    return JsonAnswer({"sessions": [session_fields(one) for one in found]})


@router.delete("/api/user/sessions", responses=_ASKING, summary="End all other sessions")
async def end_other_sessions(request: Request) -> JsonAnswer[MessageAnswer]:
    """This one stays."""
    await people_of(request).sign_ins.end_others(person_of(request))
    return JsonAnswer({"message": "All other sessions are ended."})


@router.delete("/api/user/sessions/{session_id}", responses=_ASKING, summary="End one session")
async def end_session(request: Request, session_id: SessionId) -> JsonAnswer[MessageAnswer]:
    """It may be this one."""
    if not await people_of(request).sign_ins.end(person_of(request), int(session_id)):
        raise Problem("not_found", f"You have no open session {session_id}.")
    return JsonAnswer({"message": "The session is ended."})
