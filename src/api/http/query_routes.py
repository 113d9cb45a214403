"""The routes of queries about one account, found by the fixed end of their path.

The framework tries one route after the other and puts several layers around each, which takes longer than most of these
queries. The handlers are the routes' own, so both ways give the same answers: a test compares them.
"""

from collections.abc import Iterable
from typing import NamedTuple

from fastapi import FastAPI, Request
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from api.http.json_answer import AnswerRoute
from api.http.requests.authentication import Handler
from api.http.requests.callers import CALLER, authenticate
from api.http.requests.replies import as_problem, problem_reply, send_reply
from api.http.requests.request import headers_of
from api.http.requests.request_ids import RequestIds
from people.keys.ring import KeyRing

_ACCOUNTS = "/v1/accounts/"
_ONE = f"{_ACCOUNTS}{{account_id}}/"


class FoundQuery(NamedTuple):
    """The handler of a query, and the account that it is about."""

    handler: Handler
    account_id: str


class QueryRoutes:
    """Answers the queries of some routes that have no parameter in their path but the account."""

    def __init__(self, app: FastAPI, routes: Iterable[BaseRoute], keys: KeyRing, ids: RequestIds) -> None:
        self._app = app
        self._keys = keys
        self._ids = ids
        self._handlers: dict[str, Handler] = {}
        for route in routes:
            if isinstance(route, AnswerRoute) and route.answers and route.path.startswith(_ONE):
                end = route.path.removeprefix(_ONE)
                if "{" not in end:
                    assert route.methods == {"GET"}, f"{route.path} is a query"
                    self._handlers[end] = route.get_route_handler()

    def find(self, path: str) -> FoundQuery | None:
        """The query at the path of a GET; None for all other addresses."""
        if not path.startswith(_ACCOUNTS):
            return None
        account_id, _, end = path[len(_ACCOUNTS) :].partition("/")
        handler = self._handlers.get(end)
        return FoundQuery(handler, account_id) if handler is not None and account_id else None

    async def answer(self, found: FoundQuery, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a query."""
        scope["app"] = self._app
        scope["path_params"] = {"account_id": found.account_id}
        try:
            scope[CALLER] = await authenticate(self._keys, scope, headers_of(scope))
            response = await found.handler(Request(scope, receive))
        except Exception as error:
            request_id = self._ids.next(scope)
            reply = problem_reply(as_problem(error, request_id))
            reply.headers.append((b"x-request-id", request_id.encode()))
            await send_reply(send, reply)
        else:
            await response(scope, receive, self._ids.naming(send))
