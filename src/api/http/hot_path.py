"""The hot path: deductions, batches, verifications of keys, queries about one account and webhooks are answered without
the framework, because they are the most frequent."""

from collections.abc import Awaitable
from typing import Any

from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from api.contract.operations import OPERATIONS
from api.contract.problems import Problem
from api.http.billing.receiving import WebhookEntrance
from api.http.commands.batch_endpoint import BatchEndpoint
from api.http.commands.command_endpoint import CommandEndpoint
from api.http.commands.verification_endpoint import VerificationEndpoint
from api.http.draining import CLOSE, Draining, saying_close
from api.http.methods import HeadAndOptions
from api.http.query_routes import QueryRoutes
from api.http.requests.authentication import Authentication
from api.http.requests.callers import below_v1
from api.http.requests.encoded_slashes import PERCENT, SLASH, with_encoded_slashes
from api.http.requests.rate_headers import telling
from api.http.requests.replies import Reply, problem_reply, send_reply
from api.http.requests.request import BODY_READ, check_query, headers_of
from api.http.requests.request_body import ClientLeft
from api.http.requests.request_ids import GIVEN, HEADER, NamesAnswers, answering, usable
from people.keys.ring import KeyRing

MAX_REQUESTS = 8_192
"""The number of concurrent requests of a process, open streams included. Further ones are refused."""
_ALWAYS_ANSWERED = frozenset({"/healthz", "/readyz", "/metrics"})
_WITH_BODY = frozenset({"PATCH", "POST", "PUT"})
"""The methods of requests that have a body."""
_FIRST_REFUSAL = 400
"""The smallest status of answers for which a body may not be read. The server then ends the connection, because what
follows on it would be the rest of that body. A client that is not told may send its next request on a connection that
ends at that moment, and get no answer."""


class HotPath:
    """Answers deductions, batches, verifications, queries of one account and webhooks itself; the framework the rest.

    Both ways give the same answers: a test compares them. Query strings that are too large are refused here, before
    anything parses them, except those of `pages`, which answer with a page, and those below /v1, which ask for the key
    of the caller first.
    """

    def __init__(
        self,
        app: FastAPI,
        endpoint: CommandEndpoint,
        batches: BatchEndpoint,
        verifications: VerificationEndpoint,
        queries: QueryRoutes,
        webhooks: WebhookEntrance,
        keys: KeyRing,
        draining: Draining,
        pages: str,
    ) -> None:
        self.app = app
        self.framework = NamesAnswers(
            HeadAndOptions(Authentication(app, keys, endpoint.next_request_id), app.routes), endpoint.request_ids
        )
        self._endpoint = endpoint
        self._batches = batches
        self._verifications = verifications
        self._queries = queries
        self._webhooks = webhooks
        self._is_limited = keys.rates is not None
        self._draining = draining
        self._deduct = OPERATIONS["deduct"]
        self._pages = f"{pages}/"
        self._requests = 0
        """The requests that are being served."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] != "http":
            await self.framework(scope, receive, send)
            return
        given = headers_of(scope).get(HEADER)
        if given is not None and usable(given):
            scope[GIVEN] = given.decode()
            send = answering(send, given)
        if self._draining.begun:
            send = saying_close(send)
        encoded = PERCENT in scope["raw_path"]
        if encoded:
            scope = with_encoded_slashes(scope)
        if scope["query_string"] or self._requests >= MAX_REQUESTS:
            try:
                self._check(scope)
            except Problem as problem:
                await self._send(scope, send, problem)
                return
        self._requests += 1
        if self._is_limited:
            send = telling(scope, send)
        try:
            path: str = scope["path"]
            if scope["method"] == "POST":
                scope[BODY_READ] = []
                if path.startswith("/v1/accounts/") and path.endswith("/deductions"):
                    account_id = path[13:-11]
                    if account_id and "/" not in account_id:
                        ids = {"account_id": account_id.replace(SLASH, "/") if encoded else account_id}
                        await self._reply(scope, self._endpoint.command(self._deduct, ids, scope, receive), send)
                        return
                elif path == "/v1/batch":
                    await self._reply(scope, self._batches.batch(scope, receive), send)
                    return
                elif path == "/v1/keys/verifications":
                    await self._reply(scope, self._verifications.reply(scope, receive), send)
                    return
                elif path.startswith("/v1/webhooks/") and path[13:] and "/" not in path[13:]:
                    provider = path[13:].replace(SLASH, "/") if encoded else path[13:]
                    await self._reply(scope, self._delivered(provider, scope, receive), send)
                    return
                send = _closing(scope, send)
            elif scope["method"] == "GET" and (query := self._queries.find(path)) is not None:
                await self._queries.answer(query, scope, receive, send)
                return
            elif scope["method"] in _WITH_BODY:
                scope[BODY_READ] = []
                send = _closing(scope, send)
            await self.framework(scope, receive, send)
        finally:
            self._requests -= 1

    def _delivered(self, provider: str, scope: Scope, receive: Receive) -> Awaitable[Reply]:
        return self._webhooks.answer(provider, scope, receive, self._endpoint.next_request_id(scope))

    def _check(self, scope: Scope) -> None:
        """Refuse what must not be served at all. Raises Problem."""
        if self._requests >= MAX_REQUESTS and scope["path"] not in _ALWAYS_ANSWERED:
            detail = "Too many requests are waiting for their answer. Send the request again later."
            raise Problem("overloaded", detail, retry_after=1)
        if not scope["path"].startswith(self._pages) and not below_v1(scope["path"]):
            check_query(scope["query_string"])

    async def _send(self, scope: Scope, send: Send, problem: Problem) -> None:
        reply = problem_reply(problem)
        if scope["method"] in _WITH_BODY:
            reply.headers.append(CLOSE)
        reply.headers.append((b"x-request-id", self._endpoint.next_request_id(scope).encode()))
        await send_reply(send, reply)

    async def _reply(self, scope: Scope, pending: Any, send: Send) -> None:
        try:
            reply = await pending
        except ClientLeft:
            return  # before the end of its body: nothing is executed
        if reply.status >= _FIRST_REFUSAL and not scope[BODY_READ]:
            reply.headers.append(CLOSE)
        await send_reply(send, reply)


def _closing(scope: Scope, send: Send) -> Send:
    """A `send` that adds the header to a refusal of a request whose body was not read."""

    async def close(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= _FIRST_REFUSAL and not scope[BODY_READ]:
            message = {**message, "headers": [*message.get("headers", ()), CLOSE]}
        await send(message)

    return close
