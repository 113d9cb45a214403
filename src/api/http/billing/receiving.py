"""The route to which providers deliver. It asks for no API key: a signature says who sent it.

A genuine delivery is never refused for what is in it. Wrong signatures are limited for each address; that limit never
keeps out a genuine delivery, because the signature is looked at first.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated

import orjson
from fastapi import APIRouter, Path, Request, Response
from starlette.types import Receive, Scope

from api.contract.answers.billing.webhooks import ReceivedAnswer
from api.contract.problems import Problem
from api.http import metrics
from api.http.commands.command_endpoint import JSON, endpoint_of
from api.http.queries.query import problems, problems_of
from api.http.requests.authentication import ScopedRoute
from api.http.requests.replies import Reply, as_problem, problem_reply
from api.http.requests.request import check_query, headers_of, read_raw_body
from billing.inbox.receiving import NotPutDown, Reception, SignatureInvalid
from billing.inbox.webhook import PutDown
from people.rate_limits import RateLimits, seconds

router = APIRouter(route_class=ScopedRoute, tags=["billing"])

MAX_WEBHOOK = 1024 * 1024
"""The largest body of a delivery, in bytes."""
WRONG_PER_SECOND = 5
"""Wrong signatures that an address may send in a second."""
_ADDRESSES = 4_096
"""Addresses that are told apart; more of them share their limits."""
_RETRY_AFTER = 5

ProviderName = Annotated[str, Path(description="the provider; any other name is that of none")]


@dataclass(frozen=True, slots=True)
class WebhookEntrance:
    """What answers providers in one process: the reception, and the limit of wrong signatures."""

    reception: Reception
    wrong: RateLimits = field(default_factory=lambda: RateLimits(WRONG_PER_SECOND))

    async def answer(self, provider: str, scope: Scope, receive: Receive, request_id: str) -> Reply:
        """The answer to a delivery. Raises ClientLeft."""
        try:
            answer = _answer(await self._received(provider, scope, receive))
            reply = Reply(200, [JSON], orjson.dumps(answer))
        except Exception as error:
            reply = problem_reply(as_problem(error, request_id))
        reply.headers.append((b"x-request-id", request_id.encode()))
        return reply

    async def _received(self, provider: str, scope: Scope, receive: Receive) -> PutDown:
        headers = headers_of(scope)
        check_query(scope["query_string"])
        body = await read_raw_body(scope, headers, receive, MAX_WEBHOOK)
        told = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
        try:
            done = await self.reception.receive(provider, told, body)
        except SignatureInvalid:
            metrics.SIGNATURE_FAILURES.labels(provider).inc()
            _limit(self.wrong, scope)
            raise
        except NotPutDown as error:
            metrics.WEBHOOKS.labels(provider, "", "spooled" if error.spooled else "lost").inc()
            raise _unavailable(error) from error
        metrics.WEBHOOKS.labels(provider, "", "duplicate" if done.duplicate else "new").inc()
        return done


@router.post(
    "/v1/webhooks/{name}",
    response_model=ReceivedAnswer,
    responses=problems(413, 422, 429, 500, 503) | problems_of("signature_invalid", "provider_not_configured"),
    summary="Receive a webhook of a payment provider",
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "What the provider sends, byte for byte: the signature in its headers is over these bytes.",
            "content": {"application/json": {"schema": {"type": "object"}}},
        }
    },
)
async def receive(request: Request, name: ProviderName) -> Response:
    """The delivery is committed before it is answered. 503 means that it was not: the provider sends it again."""
    entrance: WebhookEntrance = request.app.state.webhooks
    reply = await entrance.answer(name, request.scope, request.receive, endpoint_of(request).next_request_id())
    response = Response(reply.body, reply.status)
    response.raw_headers = [*response.raw_headers, *reply.headers]
    return response


def _answer(done: PutDown) -> ReceivedAnswer:
    return {"webhook_id": done.webhook_id, "state": done.state, "duplicate": done.duplicate}


def _limit(wrong: RateLimits, scope: Scope) -> None:
    """Count a wrong signature. Raises Problem when there were too many."""
    host = scope["client"][0] if scope["client"] else ""
    bucket = int.from_bytes(sha256(host.encode()).digest()[:4]) % _ADDRESSES
    allowance = wrong.take(str(bucket))
    if not allowance.admitted:
        raise Problem(
            "rate_limited",
            "Too many deliveries of this address have wrong signatures.",
            retry_after=max(1, seconds(allowance.wait)),
            limit=WRONG_PER_SECOND,
        )


def _unavailable(error: NotPutDown) -> Problem:
    kept = "It is kept on this machine until then" if error.spooled else "It is not kept"
    return Problem(
        "unavailable",
        f"The database cannot be reached to put the delivery down. {kept}. Send it again.",
        retry_after=_RETRY_AFTER,
        kept=error.spooled,
    )
