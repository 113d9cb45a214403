"""Portal sessions: the back end of a product asks for a one-time link and redirects its user to it."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field

from api.contract.answers.answer import Answer
from api.contract.bodies import CHECKOUT_PAGE
from api.contract.people.portal_bodies import PortalSessionBody
from api.contract.validation import validated
from api.dashboard.current_user import ROOT, sessions_of
from api.http.commands.command_endpoint import endpoint_of
from api.http.json_answer import JsonAnswer
from api.http.queries.query import LINKS_NEED, known_account, problems, problems_of
from api.http.queries.reads import reads_of
from api.http.requests.authentication import ScopedRoute
from api.http.requests.own_address import base_of
from api.http.requests.replies import as_problem, problem_reply
from api.http.requests.request import MAX_BODY, headers_of, read_body, read_json
from people.sessions import Guest

router = APIRouter(route_class=ScopedRoute, tags=["dashboard"])


class PortalSessionAnswer(Answer):
    """A one-time link. Send the person there at once."""

    url: Annotated[
        str,
        Field(description="opens once, and whoever opens it gets the session: redirect to it, never log or store it"),
    ]
    account_id: str
    return_url: str | None
    link_expires_at: Annotated[datetime, Field(description="the link does not open from this time on")]
    expires_at: Annotated[datetime, Field(description="when the session ends")]


@router.post(
    "/v1/portal_sessions",
    status_code=201,
    response_model=PortalSessionAnswer,
    responses=problems(400, 401, 403, 413, 415, 422, 429, 500) | problems_of("account_not_found", *LINKS_NEED),
    summary="Make a one-time link to the dashboard for the holder of an account",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/PortalSessionBody"}}},
        }
    },
)
async def portal_session(request: Request) -> Response:
    """Make a one-time link. Each request makes another one, so this records no event and takes no idempotency key."""
    request_id = endpoint_of(request).next_request_id()
    try:
        response: Response = await _answered(request)
    except Exception as error:
        reply = problem_reply(as_problem(error, request_id))
        response = Response(reply.body, reply.status)
        response.raw_headers += reply.headers
    response.headers["x-request-id"] = request_id
    return response


async def _answered(request: Request) -> JsonAnswer[PortalSessionAnswer]:
    raw = await read_body(request.scope, headers_of(request.scope), request.receive, MAX_BODY)
    body = validated(PortalSessionBody, read_json(raw))
    base = base_of(request)
    await known_account(reads_of(request).ledger, body.account_id)
    lasts = timedelta(seconds=body.expires_in_seconds)
    link = await sessions_of(request).make_link(body.account_id, lasts, _guest(body))
    answer: PortalSessionAnswer = {
        "url": f"{base}{portal_path(link.token)}{_landing(body)}",
        "account_id": body.account_id,
        "return_url": body.return_url,
        "link_expires_at": link.expires_at,
        "expires_at": link.session_expires_at,
    }
    return JsonAnswer(answer, 201, {"cache-control": "no-store"})


def _guest(body: PortalSessionBody) -> Guest:
    member = body.member or (body.user.user_id if body.user else None)
    person = body.user.model_dump(exclude_none=True) if body.user else None
    return Guest(body.return_url, member, body.role, person)


def _landing(body: PortalSessionBody) -> str:
    """What names the page that a link opens, behind its address."""
    if body.checkout_id is not None:
        return f"?page={CHECKOUT_PAGE}{body.checkout_id}"
    return f"?page={body.page}" if body.page else ""


def portal_path(token: str) -> str:
    """The path of a one-time link in the service."""
    return f"{ROOT}/portal/{token}"
