"""The routes of keys for services: those with which a product gives its users keys of their own, and verifies them."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.exceptions import HTTPException

from api.contract.bodies import Id
from api.contract.people.answers import MessageAnswer
from api.contract.people.keys import (
    AccountKeyBody,
    KeyAnswer,
    KeyChangesBody,
    KeysAnswer,
    KeyVerificationAnswer,
    NewKeyAnswer,
    NewKeyBody,
    RevocationBody,
    RotationBody,
    key_fields,
)
from api.http.commands.command_endpoint import endpoint_of
from api.http.commands.verification_endpoint import VerificationEndpoint
from api.http.json_answer import AnswerRoute, JsonAnswer
from api.http.people.key_lists import KeysPage, Listed, account_keys_of, find_keys, keys_answer
from api.http.people.person_route import body_of, body_schema
from api.http.people.teams.limits import end_limit_of_key
from api.http.queries.query import Parameters, keys_of, known_account, problems, problems_of
from api.http.queries.reads import reads_of
from api.http.requests.callers import caller_of
from people.api_keys import ApiKey
from people.keys.issuing import Changes, Holder, Issued, Wanted

router = APIRouter(route_class=AnswerRoute, tags=["keys"])
KeyId = Annotated[str, Path(pattern="^[0-9A-Za-z]{8,13}$", description="the `id` of a key")]
_WORDS = frozenset({"revocations", "verifications"})
"""What stands where the id of a key does, and takes POST alone. No id is as long."""
NO_STORE = {"cache-control": "no-store"}
CHANGING = problems(400, 401, 403, 413, 415, 422, 429, 500, 503) | problems_of("key_not_found")
ASKING = problems(401, 403, 422, 429, 500, 503) | problems_of("key_not_found")
_MAKING = CHANGING | problems_of("account_not_found", "validation_failed", "keys_limit_exceeded")
_VERIFYING = problems(401, 403, 413, 415, 422, 429, 500, 503) | problems_of(
    "idempotency_key_required", "malformed_json"
)


class _Which(KeysPage):
    account_id: Id | None = None
    member: Id | None = None


class _Nothing(Parameters):
    pass


@router.get("/v1/keys", responses=problems(401, 403, 422, 429, 500, 503), summary="The keys of an account, or of all")
async def listed(request: Request, query: Annotated[_Which, Query()]) -> JsonAnswer[KeysAnswer]:
    """Without their secrets; those that are not revoked first, the newest first."""
    found = await find_keys(request, "keys", Listed(query.account_id, query.member), query.page)
    return JsonAnswer(keys_answer(request, found))


@router.post(
    "/v1/keys",
    status_code=201,
    responses=_MAKING,
    summary="Make a key of an account",
    openapi_extra=body_schema(AccountKeyBody),
)
async def make(request: Request, query: Annotated[_Nothing, Query()]) -> JsonAnswer[NewKeyAnswer]:
    """The key is shown this once. A repetition makes another key."""
    body = await body_of(request, AccountKeyBody)
    await known_account(reads_of(request).ledger, body.account_id)
    holder = Holder(caller_of(request.scope).actor, body.account_id, "owner", body.member)
    made = await account_keys_of(request).make(holder, wanted(request, body))
    return shown_once(request, made, 201)


@router.patch(
    "/v1/keys/{key_id}", responses=CHANGING, summary="Change a key", openapi_extra=body_schema(KeyChangesBody)
)
async def change(request: Request, key_id: KeyId, query: Annotated[_Nothing, Query()]) -> JsonAnswer[KeyAnswer]:
    """Other processes of the service know it within a second."""
    _check_is_key(key_id)
    body = await body_of(request, KeyChangesBody)
    holder = await _holder(request, key_id)
    return shown(request, await account_keys_of(request).change(holder, key_id, changes(request, body)))


@router.delete("/v1/keys/{key_id}", responses=ASKING, summary="Revoke a key")
async def revoke(request: Request, key_id: KeyId, query: Annotated[_Nothing, Query()]) -> JsonAnswer[MessageAnswer]:
    """With all its secrets, in all processes within a second."""
    _check_is_key(key_id)
    holder = await _holder(request, key_id)
    await account_keys_of(request).revoke(holder, key_id)
    await end_limit(request, holder, key_id)
    return JsonAnswer({"message": "API key revoked successfully"})


@router.post(
    "/v1/keys/{key_id}/rotation",
    responses=CHANGING,
    summary="Give a key another secret",
    openapi_extra=body_schema(RotationBody),
)
async def rotate(request: Request, key_id: KeyId, query: Annotated[_Nothing, Query()]) -> JsonAnswer[NewKeyAnswer]:
    """Its id stays, and with it its limits; the present secret ends after the grace."""
    body = await body_of(request, RotationBody)
    holder = await _holder(request, key_id)
    grace = timedelta(seconds=body.grace_seconds)
    return shown_once(request, await account_keys_of(request).rotate(holder, key_id, grace), 200)


@router.post(
    "/v1/keys/verifications",
    responses=_VERIFYING,
    summary="Verify a key, and spend with it",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/KeyVerificationBody"}}},
        }
    },
)
async def verify(request: Request, query: Annotated[_Nothing, Query()]) -> JsonAnswer[KeyVerificationAnswer]:
    """200 whatever the key is: `valid` says whether it may do it. A command is carried out in the same request."""
    endpoint: VerificationEndpoint = request.app.state.verifications
    request_id = endpoint_of(request).next_request_id(request.scope)
    found = await endpoint.answer(request.scope, request.receive, request_id)
    return JsonAnswer(found, headers={"x-request-id": request_id})


@router.post(
    "/v1/keys/revocations",
    status_code=202,
    responses=problems(400, 413, 415, 422, 429, 500, 503),
    summary="Revoke a key that was found somewhere",
    openapi_extra=body_schema(RevocationBody),
)
async def report(request: Request, query: Annotated[_Nothing, Query()]) -> JsonAnswer[MessageAnswer]:
    """Whoever has a key may revoke it, without another one. The answer does not tell whether there was such a key."""
    body = await body_of(request, RevocationBody)
    key = await keys_of(request).reported(body.key)
    if key is not None:
        await account_keys_of(request).end(key.actor, key)
        if key.account_id is not None:
            await end_limit(request, Holder(key.actor, key.account_id), key.key_id)
    return JsonAnswer({"message": "If there is such a key, it is revoked."}, 202)


def _check_is_key(key_id: str) -> None:
    if key_id in _WORDS:
        raise HTTPException(405)


async def _holder(request: Request, key_id: str) -> Holder:
    """The account of a key. Raises AccessRefused: key_not_found."""
    found = await account_keys_of(request).find(key_id)
    assert found.account_id is not None, "keys of services are not found"
    return Holder(caller_of(request.scope).actor, found.account_id)


# What the routes of people have too ------------------------------------------------------------------------------


async def end_limit(request: Request, holder: Holder, key_id: str) -> None:
    """Remove the limit that was set for a key which is revoked. Raises Overloaded and Unavailable."""
    request_id = endpoint_of(request).next_request_id()
    await end_limit_of_key(reads_of(request), holder.actor, holder.account_id, key_id, request_id)


def wanted(request: Request, body: NewKeyBody) -> Wanted:
    """The key that a body asks for."""
    return Wanted(body.name, body.scopes, _end(request, body.expires_in_days), body.rate_limit)


def changes(request: Request, body: KeyChangesBody) -> Changes:
    """What a body changes."""
    disabled = None if body.is_active is None else not body.is_active
    return Changes(body.name, body.rate_limit, _end(request, body.expires_in_days), disabled)


def _end(request: Request, days: int | None) -> datetime | None:
    return None if days is None else account_keys_of(request).clock() + timedelta(days=days)


def shown(request: Request, key: ApiKey) -> JsonAnswer[KeyAnswer]:
    """A key, without its secret."""
    keys = account_keys_of(request)
    answer: KeyAnswer = {**key_fields(key, keys.clock(), keys.brand)}
    return JsonAnswer(answer)


def shown_once(request: Request, made: Issued, status: int) -> JsonAnswer[NewKeyAnswer]:
    """A key with its secret."""
    keys = account_keys_of(request)
    answer: NewKeyAnswer = {**key_fields(made.key, keys.clock(), keys.brand), "key": made.secret}
    return JsonAnswer(answer, status, NO_STORE)
