"""Routes of people: whether people sign in here at all, and who asks, is decided before anything is read.

Who asks sends the token of a session; at the routes of a table also a key that they made, which acts on its account.
"""

from typing import Any, TypeVar

from fastapi import Request, Response
from pydantic import BaseModel

from api.contract.people.own_routes import OWN_OF_PEOPLE
from api.contract.problems import Problem
from api.contract.scopes import PEOPLE, route_name
from api.contract.validation import validated
from api.http.commands.command_endpoint import endpoint_of
from api.http.json_answer import AnswerRoute
from api.http.queries.query import keys_of, problems
from api.http.requests.ambiguity import check_unambiguous, parameters_of
from api.http.requests.authentication import Handler
from api.http.requests.callers import authenticate, authorization_of
from api.http.requests.own_account import check_own_account
from api.http.requests.request import MAX_BODY, check_query, headers_of, read_body, read_json
from people.api_keys import ApiKey, Scope
from people.errors import AccessRefused
from people.secret_format import is_key
from people.sign_in.people import People
from people.sign_in.sign_ins import Person
from people.sign_in.words import User

BodyT = TypeVar("BodyT", bound=BaseModel)
_USER, _TEAM = "usr_", "team_"
"""How the ids of users and teams begin."""
PROBLEMS = problems(400, 404, 413, 415, 422, 429, 500, 503)
"""The error answers of a route that takes a body."""


class PersonRoute(AnswerRoute):
    """A route that exists when people sign in here. The table of people's routes must have it, and says who may ask."""

    def get_route_handler(self) -> Handler:
        """The handler behind the check."""
        assert self.methods is not None
        [method] = self.methods
        name, answer = route_name(method, self.path), self.handler()
        needs_session, scope = PEOPLE[name], OWN_OF_PEOPLE.get(name)

        async def admitted(request: Request) -> Response:
            token = session_token(request) if needs_session else None
            people = people_of(request)
            if token is not None:
                await _recognize(request, people, token, scope)
            check_query(request.scope["query_string"])
            check_unambiguous(request.scope, headers_of(request.scope))
            parameters_of(request.scope)
            response = await answer(request)
            response.headers["x-request-id"] = endpoint_of(request).next_request_id()
            response.headers.setdefault("cache-control", "no-store")  # it is about a person
            return response

        return admitted


async def _recognize(request: Request, people: People, token: str, scope: Scope | None) -> None:
    """Keep who asks, by a session, or by a key where a route takes one. Raises AccessRefused and Problem."""
    state = request.state
    state.key = await _key(request, scope) if is_key(token) else None
    if state.key is None:
        state.person = await people.sign_ins.person(token, "token")
        state.user = state.person.user
    else:
        state.user = await people.sign_ins.user(state.key.made_by)


async def _key(request: Request, scope: Scope | None) -> ApiKey:
    """The key of who asks, counted by its rate. Raises AccessRefused, and Problem: missing_scope."""
    if scope is None:
        raise AccessRefused("unauthenticated", "This takes the session of a person. An API key does not do.")
    key = await authenticate(keys_of(request), request.scope, headers_of(request.scope))
    if not key.allows_own(scope):
        raise Problem("missing_scope", f"The API key lacks the scope {scope}.", scope=scope)
    if not (key.made_by or "").startswith(_USER):
        raise Problem("missing_scope", "A service made this key: it acts at /v1, and for nobody here.", scope=scope)
    return key


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
    """Who asks, at a route that takes sessions alone."""
    person: Person = request.state.person
    return person


def user_of(request: Request) -> User:
    """Who asks, or who made the key that asks."""
    user: User = request.state.user
    return user


def key_of(request: Request) -> ApiKey | None:
    """The key that asks; None for a session."""
    key: ApiKey | None = request.state.key
    return key


def actor_name(request: Request) -> str:
    """Who asks, in the words of the audit log."""
    key = key_of(request)
    return user_of(request).user_id if key is None else key.actor


def own_account(request: Request) -> str:
    """The own account of who asks. Raises AccountNotFound to the key of a team."""
    key, user_id = key_of(request), user_of(request).user_id
    if key is None or key.account_id is None:
        return user_id
    if key.account_id.startswith(_TEAM):
        check_own_account(key, user_id)
    return key.account_id


async def body_of(request: Request, kind: type[BodyT]) -> BodyT:
    """The body of a request. Raises ClientLeft and Problem."""
    raw = await read_body(request.scope, headers_of(request.scope), request.receive, MAX_BODY)
    return validated(kind, read_json(raw))


def body_schema(kind: type[BaseModel]) -> dict[str, Any]:
    """How the document names a body."""
    schema = {"$ref": f"#/components/schemas/{kind.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
