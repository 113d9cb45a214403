"""Errors of the framework's routes, answered as problem documents like those of all others."""

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from api.contract.problems import Problem, from_pydantic
from api.http.commands.command_endpoint import endpoint_of
from api.http.methods import methods_at
from api.http.requests.encoded_slashes import readable
from api.http.requests.replies import Reply, as_problem, problem_reply
from api.http.requests.request_body import ClientLeft
from billing.errors import BillingRefused
from ledger.domain.errors import Refusal, shown
from ledger.postgres.errors import LOST
from people.errors import AccessRefused
from projections.models.views import NotBuilt, NotYetVisible


def answer_problems(app: FastAPI) -> None:
    """Answer the errors of an application's routes as problem documents, like all others."""

    async def on_validation(_: Request, error: RequestValidationError) -> Response:
        details: Any = [{**detail, "loc": detail["loc"][1:]} for detail in error.errors()]
        return response_of(problem_reply(from_pydantic(details)))

    async def on_http(request: Request, error: HTTPException) -> Response:
        path = shown(readable(request.url.path))
        if error.status_code == 405:
            detail = f"{path} does not accept the method {shown(request.method)}."
            problem = Problem("method_not_allowed", detail)
        else:
            problem = Problem("not_found", f"The address {path} does not exist.")
        response = response_of(problem_reply(problem))
        response.headers.update(error.headers or {})
        if error.status_code == 405:
            response.headers["allow"] = ", ".join(methods_at(app.routes, request.scope))
        return response

    async def on_error(request: Request, error: Exception) -> Response:
        request_id = endpoint_of(request).next_request_id()
        response = response_of(problem_reply(as_problem(error, request_id)))
        response.headers["x-request-id"] = request_id
        return response

    async def on_client_left(_: Request, __: Exception) -> Response:
        return Response(status_code=400)  # nobody receives it

    app.exception_handler(RequestValidationError)(on_validation)
    app.exception_handler(ClientLeft)(on_client_left)
    app.exception_handler(HTTPException)(on_http)
    for kind in (Problem, Refusal, AccessRefused, BillingRefused, NotYetVisible, NotBuilt, *LOST, Exception):
        app.exception_handler(kind)(on_error)


def response_of(reply: Reply) -> Response:
    """A reply as a response of the framework."""
    response = Response(reply.body, reply.status)
    response.raw_headers = [*response.raw_headers, *reply.headers]
    return response
