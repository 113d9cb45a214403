"""The endpoint of verifications: a service asks what the key of an account allows, and spends with it at once.

The answer is 200 whatever the key is, so that nobody takes it for a refusal of the service's own key.
"""

from time import monotonic_ns
from typing import Literal

import orjson
from starlette.types import Receive, Scope

from api.contract.answers.answering import batch_result
from api.contract.bodies import Body
from api.contract.operations import OPERATIONS, Operation
from api.contract.people.keys import (
    KeyVerificationAnswer,
    KeyVerificationBody,
    VerificationCode,
    rate_fields,
)
from api.contract.problems import Problem, from_refusal, invalid
from api.contract.scopes import ROUTES
from api.contract.validation import validated
from api.http.commands.command_endpoint import JSON, OPTIONS, CommandEndpoint, finished
from api.http.requests.ambiguity import parameters_of
from api.http.requests.replies import Reply, as_problem, problem_reply
from api.http.requests.request import MAX_BODY, headers_of, read_body, read_json
from ledger.commit.submission import Outcome
from ledger.domain.errors import Refusal
from ledger.service import Ledger
from people.api_keys import ApiKey
from people.keys.ring import KeyRing

_ROUTE = "POST /v1/keys/verifications"
_COMMANDS: tuple[Literal["deduct", "hold", "meter"], ...] = ("deduct", "hold", "meter")

Asked = tuple[Operation, Body]
"""The command of a verification."""


class VerificationEndpoint:
    """Says what keys of accounts are, and carries out commands in their name."""

    def __init__(self, ledger: Ledger, keys: KeyRing, commands: CommandEndpoint) -> None:
        self._ledger = ledger
        self._keys = keys
        self._commands = commands

    async def reply(self, scope: Scope, receive: Receive) -> Reply:
        """Answer a request. Raises ClientLeft."""
        began = monotonic_ns()
        request_id = self._commands.next_request_id(scope)
        try:
            await self._commands.authorized(scope, headers_of(scope), _ROUTE, ROUTES[_ROUTE])
            if scope["query_string"]:
                for name in parameters_of(scope):
                    raise invalid(name, "is not a parameter of this request")
            answered = await self.answer(scope, receive, request_id)
            reply = Reply(200, [JSON], orjson.dumps(answered, option=OPTIONS))
        except Exception as error:
            reply = problem_reply(as_problem(error, request_id))
        return finished(reply, "verification", request_id, began)

    async def answer(self, scope: Scope, receive: Receive, request_id: str) -> KeyVerificationAnswer:
        """What the key in a body is, and what became of the command. The caller was admitted.

        Raises ClientLeft, AccessRefused: unavailable, and Problem for a body that is not valid.
        """
        raw = await read_body(scope, headers_of(scope), receive, MAX_BODY)
        body = validated(KeyVerificationBody, read_json(raw, within=_COMMANDS))
        asked = _asked(body)
        key = await self._keys.any_state(body.key)
        if key is None or key.account_id is None:
            return {"valid": False, "code": "not_found"}
        now = self._keys.now()
        state = key.state(now)
        if state != "active":
            return _about(key, state)
        if not key.allows_own(body.scope or ("read" if asked is None else "write")):
            return _about(key, "missing_scope")
        allowance = self._keys.take(key)
        rate = None if allowance is None else rate_fields(allowance, now)
        if allowance is not None and not allowance.admitted:
            return {**_about(key, "rate_limited"), "rate_limit": rate}
        if asked is None:
            return {**_about(key, "valid"), "rate_limit": rate}
        done = await self._carried_out(asked, body.idempotency_key, key, request_id, scope.get("root_path", ""))
        return {**done, "rate_limit": rate}

    async def _carried_out(
        self, asked: Asked, named: str | None, key: ApiKey, request_id: str, root_path: str
    ) -> KeyVerificationAnswer:
        operation, body = asked
        account_id = key.account_id or ""
        try:
            submission = self._commands.submission_of(operation, account_id, {}, body, named, None, key, request_id)
        except Problem as problem:
            return _refused(key, problem)
        except Refusal as refusal:
            return _refused(key, from_refusal(refusal))
        outcome: Outcome = await self._ledger.execute(submission)
        self._commands.count_refusals([outcome])
        if isinstance(outcome, Refusal):
            return _refused(key, await self._commands.problem_of(outcome, account_id, key, root_path))
        command = batch_result(outcome, operation.name, 200 if outcome.replayed else 201, dry_run=False)
        return {**_about(key, "valid"), "command": dict(command)}


def _asked(body: KeyVerificationBody) -> Asked | None:
    """The command of a body; None without one. Raises Problem: idempotency_key_required."""
    for name in _COMMANDS:
        command = getattr(body, name)
        if command is not None:
            if body.idempotency_key is None and command.task_id is None:
                detail = "Send idempotency_key, or task_id in the command, so that it can be repeated safely."
                raise Problem("idempotency_key_required", detail)
            return OPERATIONS[name], command
    return None


def _about(key: ApiKey, code: VerificationCode) -> KeyVerificationAnswer:
    return {
        "valid": code == "valid",
        "code": code,
        "key_id": key.key_id,
        "account_id": key.account_id or "",
        "member": key.member,
        "role": key.role,
        "scopes": [*key.own_scopes],
        "expires_at": key.expires_at,
    }


def _refused(key: ApiKey, problem: Problem) -> KeyVerificationAnswer:
    return {**_about(key, "refused"), "problem": problem.document()}
