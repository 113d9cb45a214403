"""Routes of people: whether people sign in here at all, and who asks, is decided before anything is read."""

from typing import Any, TypeVar

from fastapi import Request, Response
from pydantic import BaseModel

from api.contract.problems import Problem
from api.contract.scopes import PEOPLE, route_name
from api.contract.validation import validated
from api.http.commands.command_endpoint import endpoint_of
from api.http.json_answer import AnswerRoute
from api.http.queries.query import problems
from api.http.requests.ambiguity import check_unambiguous, parameters_of
from api.http.requests.authentication import Handler
from api.http.requests.callers import authorization_of
from api.http.requests.request import MAX_BODY, check_query, headers_of, read_body, read_json
from people.errors import AccessRefused
from people.sign_in.people import People
from people.sign_in.sign_ins import Person

BodyT = TypeVar("BodyT", bound=BaseModel)
PROBLEMS = problems(400, 404, 413, 415, 422, 429, 500, 503)
"""The error answers of a route that takes a body."""


class PersonRoute(AnswerRoute):
    """A route that exists when people sign in here. The table of people's routes must have it, and says who may ask."""

    def get_route_handler(self) -> Handler:
        """The handler behind the check."""
        assert self.methods is not None
        [method] = self.methods
        needs_session, answer = PEOPLE[route_name(method, self.path)], self.handler()

        async def admitted(request: Request) -> Response:
            token = session_token(request) if needs_session else None
            people = people_of(request)
            if token is not None:
                request.state.person = await people.sign_ins.person(token, "token")
            check_query(request.scope["query_string"])
            check_unambiguous(request.scope, headers_of(request.scope))
            parameters_of(request.scope)
            response = await answer(request)
            response.headers["x-request-id"] = endpoint_of(request).next_request_id()
            return response

        return admitted


def people_of(request: Request) -> People:
    """The people of this service. Raises Problem: not_found when nobody signs in here."""
    people: People | None = request.app.state.people
    if people is None:
        raise Problem("not_found", "Nobody signs in here with a password: CREDIT_LEDGER_REGISTRATION is off.")
    return people


def session_token(request: Request) -> str:
    """The token of the Authorization header. Raises AccessRefused: unauthenticated."""
    header = authorization_of(request.scope, headers_of(request.scope)) or b""
    scheme, _, token = header.partition(b" ")
    if scheme.lower() != b"bearer" or not token:
        raise AccessRefused("unauthenticated", "Send the token of a session as 'Authorization: Bearer <token>'.")
    return token.strip().decode("latin-1")


def person_of(request: Request) -> Person:
    """Who asks."""
    person: Person = request.state.person
    return person


async def body_of(request: Request, kind: type[BodyT]) -> BodyT:
    """The body of a request. Raises ClientLeft and Problem."""
    raw = await read_body(request.scope, headers_of(request.scope), request.receive, MAX_BODY)
    return validated(kind, read_json(raw))


def body_schema(kind: type[BaseModel]) -> dict[str, Any]:
    """How the document names a body."""
    schema = {"$ref": f"#/components/schemas/{kind.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
