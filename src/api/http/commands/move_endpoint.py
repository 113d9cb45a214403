"""The endpoint of moves: transfers between two accounts, merges, and reversals of transfers.

A move is one command of its caller and one answer, but two accounts change. It passes all that other commands pass
(command_endpoint.py): the key of the caller, the idempotency key, the body, If-Match for the account that is asked.
"""

from collections.abc import Mapping
from time import monotonic_ns

import orjson
from starlette.types import Receive, Scope

from api.contract.answers.answering import answer
from api.contract.answers.moving import with_other_side
from api.contract.operations import Operation
from api.contract.problems import from_refusal
from api.http.commands.command_endpoint import JSON, OPTIONS, REPLAYED, CommandEndpoint, finished
from api.http.requests.replies import Reply, as_problem, problem_reply
from api.http.requests.request import (
    MAX_BODY,
    expected_versions,
    headers_of,
    idempotency_key,
    is_dry_run,
    read_body,
    read_json,
)
from ledger.domain.errors import Refusal
from ledger.moves import Moved, move
from ledger.service import Ledger


class MoveEndpoint:
    """Turns requests into moves and their outcomes into replies."""

    def __init__(self, ledger: Ledger, commands: CommandEndpoint) -> None:
        self._ledger = ledger
        self._commands = commands

    async def move(self, operation: Operation, ids: Mapping[str, str], scope: Scope, receive: Receive) -> Reply:
        """Answer a request for one move; `ids` are those in its path. Raises ClientLeft."""
        began = monotonic_ns()
        request_id = self._commands.next_request_id(scope)
        try:
            reply = await self._move(operation, ids, scope, receive, request_id)
        except Exception as error:
            reply = problem_reply(as_problem(error, request_id))
        return finished(reply, operation.name, request_id, began)

    async def _move(
        self, operation: Operation, ids: Mapping[str, str], scope: Scope, receive: Receive, request_id: str
    ) -> Reply:
        headers = headers_of(scope)
        key = await self._commands.authorized(scope, headers, operation.route, operation.scopes)
        dry_run = is_dry_run(scope)
        expected = expected_versions(headers, scope)
        named = idempotency_key(headers)
        fields = read_json(await read_body(scope, headers, receive, MAX_BODY))
        account_id = ids.get("account_id") or fields.get("from_account_id")
        if not isinstance(account_id, str):
            account_id = ""  # the validation of the body reports the error
        first = self._commands.submission_for(operation, account_id, ids, fields, named, expected, key, request_id)
        outcome = await move(self._ledger, first, dry_run=dry_run)
        if isinstance(outcome, Refusal) and not dry_run:
            self._commands.count_refusals([outcome])
        return _reply(outcome, dry_run=dry_run)


def _reply(outcome: Moved | Refusal, *, dry_run: bool) -> Reply:
    if isinstance(outcome, Refusal):
        return problem_reply(from_refusal(outcome))
    replayed = outcome.first.replayed
    answered = with_other_side(answer(outcome.first, dry_run=dry_run), outcome.second)
    headers = [JSON, REPLAYED] if replayed else [JSON]
    return Reply(200 if dry_run or replayed else 201, headers, orjson.dumps(answered, option=OPTIONS))
