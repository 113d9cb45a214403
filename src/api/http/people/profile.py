"""Routes of a person about themselves: their profile, and their deletion."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request

from api.contract.openapi import problem_response
from api.contract.people.answers import MessageAnswer
from api.contract.people.bodies import PasswordBody, ProfileBody
from api.contract.people.profile import DeletionAnswer, ProfileAnswer, profile_answer
from api.contract.problems import Problem
from api.http.json_answer import JsonAnswer
from api.http.people.leaving import ask_deletion
from api.http.people.person_route import PROBLEMS, PersonRoute, body_of, body_schema, people_of, person_of
from api.http.people.tiers import active_subscription
from api.http.queries.query import problems
from people.sign_in.profile import Profile, ProfileChanges

router = APIRouter(route_class=PersonRoute, tags=["people"])
_ASKING = problems(401, 403, 404, 422, 500, 503)
_REFUSED: dict[int | str, dict[str, Any]] = {
    409: {**problem_response(409), "description": "`owns_a_team`, or `has_a_subscription`"}
}


@router.get("/api/user/profile", responses=_ASKING, summary="What is known of a person")
async def profile(request: Request) -> JsonAnswer[ProfileAnswer]:
    """Their account has the same id."""
    return await _answer(request, await people_of(request).profiles.of(person_of(request).user.user_id))


@router.patch(
    "/api/user/profile",
    responses=PROBLEMS | problems(401, 403),
    summary="Change what is known of a person",
    openapi_extra=body_schema(ProfileBody),
)
async def change_profile(request: Request) -> JsonAnswer[ProfileAnswer]:
    """The address has a route of its own: `POST /api/user/email`."""
    body = await body_of(request, ProfileBody)
    changes = ProfileChanges(body.name, body.avatar_url, body.zone, body.language, _sorted(body.mails_off))
    return await _answer(request, await people_of(request).profiles.change(person_of(request).user.user_id, changes))


@router.delete(
    "/api/user/profile",
    status_code=202,
    responses=PROBLEMS | problems(401, 403) | _REFUSED,
    summary="Ask to be erased",
    openapi_extra=body_schema(PasswordBody),
)
async def delete_profile(request: Request) -> JsonAnswer[DeletionAnswer]:
    """In seven days, everything about the person goes: rows, texts in the ledger, sessions and keys. A mail says how to
    take it back. Whoever has no password needs a session of the last 15 minutes."""
    body = await body_of(request, PasswordBody)
    at = await ask_deletion(request, person_of(request), body.password)
    return JsonAnswer({"message": "You will be erased, unless you take it back.", "deletion_at": at}, 202)


@router.post("/api/user/profile/keep", responses=_ASKING, summary="Take back that one is erased")
async def keep_profile(request: Request) -> JsonAnswer[MessageAnswer]:
    """Nothing has changed until then."""
    if not await people_of(request).deletions.take_back(person_of(request).user.user_id):
        raise Problem("not_found", "You did not ask to be erased.")
    return JsonAnswer({"message": "Your account stays."})


async def _answer(request: Request, found: Profile) -> JsonAnswer[ProfileAnswer]:
    return JsonAnswer(profile_answer(found, await active_subscription(request, found.user_id)))


def _sorted(kinds: Sequence[str] | None) -> list[str] | None:
    return None if kinds is None else sorted(set(kinds))
