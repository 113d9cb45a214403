"""The routes of a person's keys: those of their own account, or of a team that they are in."""

from dataclasses import replace
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request

from api.contract.bodies import Id
from api.contract.people.answers import MessageAnswer
from api.contract.people.keys import (
    KeyAnswer,
    KeyChangesBody,
    KeysAnswer,
    NewKeyAnswer,
    NewKeyBody,
    RotationBody,
)
from api.http.json_answer import JsonAnswer
from api.http.people.account_keys import KeyId, changes, end_limit, shown, shown_once, wanted
from api.http.people.key_lists import KeysPage, Listed, account_keys_of, find_keys, keys_answer
from api.http.people.person_route import PROBLEMS, PersonRoute, actor_name, body_of, body_schema, key_of, user_of
from api.http.people.teams.team_route import teams_of
from api.http.queries.query import Parameters, problems
from api.http.requests.own_account import check_own_account
from ledger.domain.errors import AccountNotFound
from people.keys.issuing import Holder

router = APIRouter(route_class=PersonRoute, tags=["people"])
_ASKING = problems(401, 403, 404, 422, 429, 500, 503)
_CHANGING = PROBLEMS | problems(401, 403)


class _Account(Parameters):
    account_id: Id | None = None
    """The team; default: their own account."""


class _Keys(KeysPage):
    account_id: Id | None = None
    """The team; default: their own account."""


async def holder_of(request: Request, account_id: str | None) -> Holder:
    """Whose keys who asks acts on. Raises AccountNotFound where they have no role, and to a key of another account."""
    user_id, key = user_of(request).user_id, key_of(request)
    if key is not None and key.account_id is not None:
        check_own_account(key, account_id or key.account_id)
        assert key.role is not None, "a key without a role is refused"
        return replace(Holder.person(user_id, key.account_id, key.role), actor=actor_name(request))
    account_id = account_id or user_id
    role = await teams_of(request).teams.role(user_id, account_id)
    if role is None:
        raise AccountNotFound(account_id)
    return Holder.person(user_id, account_id, role)


@router.get("/api/keys", responses=_ASKING, summary="The keys of a person, or of their team")
async def listed(request: Request, query: Annotated[_Keys, Query()]) -> JsonAnswer[KeysAnswer]:
    """A member of a team sees their own keys, an admin all of the team."""
    holder = await holder_of(request, query.account_id)
    found = await find_keys(request, "own keys", Listed(holder.account_id, holder.seen), query.page)
    return JsonAnswer(keys_answer(request, found))


@router.post(
    "/api/keys",
    status_code=201,
    responses=_CHANGING,
    summary="Make a key",
    openapi_extra=body_schema(NewKeyBody),
)
async def make(request: Request, query: Annotated[_Account, Query()]) -> JsonAnswer[NewKeyAnswer]:
    """The key is shown this once. It acts on the account at /v1, in the name of the person."""
    holder = await holder_of(request, query.account_id)
    body = await body_of(request, NewKeyBody)
    return shown_once(request, await account_keys_of(request).make(holder, wanted(request, body)), 201)


@router.patch(
    "/api/keys/{key_id}", responses=_CHANGING, summary="Change a key", openapi_extra=body_schema(KeyChangesBody)
)
async def change(request: Request, key_id: KeyId, query: Annotated[_Account, Query()]) -> JsonAnswer[KeyAnswer]:
    """Its name, its rate, its end; or make it useless for a while."""
    holder = await holder_of(request, query.account_id)
    body = await body_of(request, KeyChangesBody)
    return shown(request, await account_keys_of(request).change(holder, key_id, changes(request, body)))


@router.delete("/api/keys/{key_id}", responses=_ASKING, summary="Revoke a key")
async def revoke(request: Request, key_id: KeyId, query: Annotated[_Account, Query()]) -> JsonAnswer[MessageAnswer]:
    """For ever, and within a second."""
    holder = await holder_of(request, query.account_id)
    await account_keys_of(request).revoke(holder, key_id)
    await end_limit(request, holder, key_id)
    return JsonAnswer({"message": "API key revoked successfully"})


@router.post(
    "/api/keys/{key_id}/rotation",
    responses=_CHANGING,
    summary="Give a key another secret",
    openapi_extra=body_schema(RotationBody),
)
async def rotate(request: Request, key_id: KeyId, query: Annotated[_Account, Query()]) -> JsonAnswer[NewKeyAnswer]:
    """The present secret works until the grace is over."""
    holder = await holder_of(request, query.account_id)
    body = await body_of(request, RotationBody)
    grace = timedelta(seconds=body.grace_seconds)
    return shown_once(request, await account_keys_of(request).rotate(holder, key_id, grace), 200)
