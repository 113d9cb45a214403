"""Authentication comes first: nothing of a request below /v1 is read before its API key is known to be good, but for
the deliveries of payment providers, which are signed.

An address that does not exist, and a method that an address does not take, are told to those with a key only. OPTIONS
needs none: it tells what the public OpenAPI document says.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from api.contract.scopes import ROUTES, route_name
from api.http.requests.ambiguity import check_unambiguous, parameters_of
from api.http.requests.callers import CALLER, authenticate, caller_of, needs_key
from api.http.requests.encoded_slashes import restore_ids
from api.http.requests.own_account import admit, check_own_account
from api.http.requests.replies import as_problem, problem_reply, send_reply
from api.http.requests.request import check_query, headers_of
from people.keys.ring import KeyRing

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Authentication:
    """Middleware that refuses every request below /v1 without a good API key, and tells the routes whose it is."""

    def __init__(self, app: ASGIApp, keys: KeyRing, next_request_id: Callable[[Scope], str]) -> None:
        self._app = app
        self._keys = keys
        self._next_request_id = next_request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        if scope["type"] == "http" and needs_key(scope["method"], scope["path"]):
            try:
                key = await authenticate(self._keys, scope, headers_of(scope))
            except Exception as error:
                request_id = self._next_request_id(scope)
                reply = problem_reply(as_problem(error, request_id))
                reply.headers.append((b"x-request-id", request_id.encode()))
                await send_reply(send, reply)
                return
            scope = {**scope, CALLER: key}
        await self._app(scope, receive, send)


class ScopedRoute(APIRoute):
    """A route that checks the scope of the caller before it validates anything. The table of scopes must have it."""

    def get_route_handler(self) -> Handler:
        """The handler behind the check."""
        assert self.methods is not None
        [method] = self.methods
        name, answer = route_name(method, self.path), self.handler()
        scopes = ROUTES[name]

        async def admitted(request: Request) -> Response:
            restore_ids(request.scope)
            if scopes:
                key = caller_of(request.scope)
                admit(key, name, scopes)
                check_query(request.scope["query_string"])
                check_unambiguous(request.scope, headers_of(request.scope))
                parameters_of(request.scope)
                check_own_account(key, request.path_params.get("account_id", ""))
            else:
                check_query(request.scope["query_string"])
            return await answer(request)

        return admitted

    def handler(self) -> Handler:
        """What answers requests that were admitted: here the framework's handler."""
        return super().get_route_handler()
