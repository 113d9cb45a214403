"""Routes of users for services: made, listed, read, changed, disabled and enabled, and deleted."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field, StringConstraints

from api.contract.bodies import Id
from api.contract.openapi import schema_of
from api.contract.people.answers import MessageAnswer
from api.contract.people.profile import DeletionAnswer
from api.contract.people.service_answers import ManagedUserAnswer, ManagedUsersAnswer, managed_user_fields
from api.contract.people.service_bodies import UserBody, UserChangesBody
from api.contract.problems import Problem
from api.http.json_answer import AnswerRoute, JsonAnswer
from api.http.people.leaving import check_no_subscription
from api.http.people.person_route import body_of, body_schema
from api.http.people.services.service_route import (
    ASKING,
    CHANGING,
    LISTING,
    ListParameters,
    Nothing,
    UserId,
    actor_of,
    directory_of,
)
from api.http.queries.query import problems_of
from api.http.queries.reads import reads_of
from people.sign_in.users import ManagedUser, NewUser, UserChanges, UserFilters
from people.sign_in.words import EMAIL, MAX_EMAIL, canonical

router = APIRouter(route_class=AnswerRoute, tags=["directory"])
_CONFLICT = problems_of("user_exists")
_MADE_BEFORE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The user of an earlier request for the same address and `external_id`",
        "content": {"application/json": {"schema": schema_of(ManagedUserAnswer)}},
    }
}


class _Which(ListParameters):
    email: Annotated[str, StringConstraints(max_length=MAX_EMAIL, pattern=EMAIL)] | None = None
    external_id: Id | None = Field(None, description="the product's own name of a user")

    @property
    def filters(self) -> UserFilters:
        """The users that the parameters ask for."""
        return UserFilters(self.email and canonical(self.email), self.external_id)


@router.get("/v1/users", responses=LISTING, summary="Users, or the one with an address or a name of yours")
async def listed(request: Request, query: Annotated[_Which, Query()]) -> JsonAnswer[ManagedUsersAnswer]:
    """The oldest first."""
    cursors, of = reads_of(request).cursors, ("users", *query.filters)
    key = cursors.read(query.cursor, of, (datetime, str))
    after = (key[0], key[1]) if key else None
    found = await directory_of(request).users.page(query.filters, after, query.limit + 1)
    shown = found[: query.limit]
    last = shown[-1] if len(found) > len(shown) else None
    following = None if last is None else cursors.make(of, last.created_at, last.user_id)
    return JsonAnswer({"users": [managed_user_fields(one) for one in shown], "next_cursor": following})


@router.post(
    "/v1/users",
    status_code=201,
    responses=CHANGING | _CONFLICT | _MADE_BEFORE,
    summary="Make a user",
    openapi_extra=body_schema(UserBody),
)
async def make(request: Request, query: Annotated[Nothing, Query()]) -> JsonAnswer[ManagedUserAnswer]:
    """They sign in by a mailed link, or at your provider. A repetition with the same `external_id` makes no other."""
    body = await body_of(request, UserBody)
    wanted = NewUser(canonical(body.email), body.name, body.external_id)
    made = await directory_of(request).users.make(actor_of(request).name, wanted)
    if made.replayed:
        return JsonAnswer(_answer(made.user), headers={"idempotent-replayed": "true"})
    return JsonAnswer(_answer(made.user), 201)


@router.get("/v1/users/{user_id}", responses=ASKING, summary="One user")
async def one(request: Request, user_id: UserId, query: Annotated[Nothing, Query()]) -> JsonAnswer[ManagedUserAnswer]:
    """With when they signed in last."""
    return JsonAnswer(_answer(await directory_of(request).users.find(user_id)))


@router.patch(
    "/v1/users/{user_id}",
    responses=CHANGING | _CONFLICT,
    summary="Change, disable or enable a user",
    openapi_extra=body_schema(UserChangesBody),
)
async def change(
    request: Request, user_id: UserId, query: Annotated[Nothing, Query()]
) -> JsonAnswer[ManagedUserAnswer]:
    """The sessions of who is disabled end at once. Their address only they themselves change."""
    body = await body_of(request, UserChangesBody)
    changes = UserChanges(body.name, body.external_id, body.status)
    return JsonAnswer(_answer(await directory_of(request).users.change(actor_of(request).name, user_id, changes)))


@router.delete(
    "/v1/users/{user_id}",
    status_code=202,
    responses=ASKING | problems_of("owns_a_team", "has_a_subscription"),
    summary="Ask that a user be erased",
)
async def delete(request: Request, user_id: UserId, query: Annotated[Nothing, Query()]) -> JsonAnswer[DeletionAnswer]:
    """In seven days. Where people sign in here, a mail tells them, with the way back. A repetition puts nothing off."""
    await check_no_subscription(request, user_id)
    at = await directory_of(request).deletions.ask_for(user_id, actor_of(request).name)
    return JsonAnswer({"message": "The user will be erased, unless it is taken back.", "deletion_at": at}, 202)


@router.post("/v1/users/{user_id}/keep", responses=ASKING, summary="Take back that a user is erased")
async def keep(request: Request, user_id: UserId, query: Annotated[Nothing, Query()]) -> JsonAnswer[MessageAnswer]:
    """Nothing has changed until then."""
    if not await directory_of(request).deletions.take_back(user_id, actor_of(request).name):
        raise Problem("not_found", "Nobody asked that such a user be erased.")
    return JsonAnswer({"message": "The user stays."})


def _answer(user: ManagedUser) -> ManagedUserAnswer:
    return {**managed_user_fields(user)}
