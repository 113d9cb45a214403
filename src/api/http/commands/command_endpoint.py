"""The endpoint of commands: everything between a request and its answer, the same for every operation.

It authenticates the caller, finds the idempotency key, validates the body and executes the command. The commands
of a batch (batch_endpoint.py) use `submission_for` too; they differ in where the key and the account come from.
"""

from collections.abc import Iterable, Mapping
from time import monotonic_ns
from typing import Any

import orjson
from starlette.requests import Request
from starlette.types import Receive, Scope

from api.contract.answers.answering import answer
from api.contract.bodies import Body
from api.contract.operations import Defaults, Operation
from api.contract.problems import Problem, from_refusal
from api.contract.scopes import READ, Scopes
from api.contract.validation import validated
from api.http import metrics
from api.http.commands.ways_out import WaysOut
from api.http.histograms.worker_histograms import observe_request
from api.http.requests.ambiguity import check_unambiguous
from api.http.requests.callers import CALLER, authenticate
from api.http.requests.own_account import admit, check_own_account, in_own_name, on_own_hold
from api.http.requests.rate_headers import count
from api.http.requests.replies import Reply, as_problem, problem_reply
from api.http.requests.request import (
    MAX_BODY,
    Headers,
    check_query,
    expected_versions,
    headers_of,
    idempotency_key,
    is_dry_run,
    read_body,
    read_json,
)
from api.http.requests.request_ids import RequestIds
from ledger.commit.submission import ExpectedVersions, Outcome, Recorded, Submission
from ledger.domain.commands import check_account_id, check_id
from ledger.domain.errors import BatchRefused, PaymentOfAnotherAccount, Refusal
from ledger.service import Ledger
from ledger.store import Metadata, fingerprint
from measures.refusals import RefusalCounter
from people.api_keys import ApiKey
from people.keys.ring import KeyRing

JSON = (b"content-type", b"application/json")
REPLAYED = (b"idempotent-replayed", b"true")
OPTIONS = orjson.OPT_UTC_Z


class CommandEndpoint:
    """Turns requests into submissions and outcomes into replies."""

    def __init__(
        self, ledger: Ledger, keys: KeyRing, defaults: Defaults, refusals: RefusalCounter, ways_out: WaysOut
    ) -> None:
        self._ledger = ledger
        self.ways_out = ways_out
        self._refusals = refusals
        self._keys = keys
        self._defaults = defaults
        self.request_ids = RequestIds()

    # One command -----------------------------------------------------------------------------------------------

    async def command(self, operation: Operation, ids: Mapping[str, str], scope: Scope, receive: Receive) -> Reply:
        """Answer a request for one command; `ids` are those in its path. Raises ClientLeft."""
        began = monotonic_ns()
        request_id = self.next_request_id(scope)
        try:
            reply = await self._command(operation, ids, scope, receive, request_id)
        except Exception as error:
            reply = problem_reply(as_problem(error, request_id))
        return finished(reply, operation.name, request_id, began)

    async def _command(
        self, operation: Operation, ids: Mapping[str, str], scope: Scope, receive: Receive, request_id: str
    ) -> Reply:
        headers = headers_of(scope)
        key = await self.authorized(scope, headers, operation.route, operation.scopes)
        dry_run = is_dry_run(scope)
        expected = expected_versions(headers, scope)
        named = idempotency_key(headers)
        fields = read_json(await read_body(scope, headers, receive, MAX_BODY))
        account_id = ids.get("account_id")
        if account_id is None:
            account_id = take_account_id(fields)
        submission = self.submission_for(operation, account_id, ids, fields, named, expected, key, request_id)
        if dry_run:
            outcome = (await self._ledger.dry_run([submission], atomic=False))[0]
        else:
            outcome = await self._ledger.execute(submission)
            self.count_refusals([outcome])
        if isinstance(outcome, Refusal):
            return problem_reply(await self.problem_of(outcome, account_id, key, scope.get("root_path", "")))
        return _reply(outcome, dry_run=dry_run)

    async def problem_of(self, refusal: Refusal, account_id: str, key: ApiKey, root_path: str) -> Problem:
        """A refusal of a command on an account as the holder of a key is told of it, with the ways out."""
        problem = from_refusal(refusal_for(key, refusal))
        ways = await self.ways_out.of(refusal, account_id, root_path)
        return problem.with_facts(ways_out=ways) if ways else problem

    async def authorized(self, scope: Scope, headers: Headers, route: str, scopes: Scopes) -> ApiKey:
        """The caller's key. Nothing else of the request is looked at before. Raises AccessRefused and Problem."""
        key: ApiKey | None = scope.get(CALLER)
        key = key or await authenticate(self._keys, scope, headers)
        admit(key, route, scopes)
        if scope["query_string"]:
            check_query(scope["query_string"])
        check_unambiguous(scope, headers)
        return key

    def count_refusals(self, outcomes: Iterable[Outcome | Problem]) -> None:
        """Count those that are refusals, for Prometheus and for the statistics. A dry run is not counted."""
        for outcome in outcomes:
            if isinstance(outcome, Refusal):
                metrics.count_refusal(outcome.code)
                self._refusals.count(outcome.code)

    def count_commands(self, scope: Scope, key: ApiKey, more: int) -> None:
        """Count the commands of a batch after its first. Raises AccessRefused: rate_limited."""
        if more > 0:
            count(self._keys, scope, key, more, more=True)

    def next_request_id(self, scope: Scope | None = None) -> str:
        """Make a request id that is unique among all processes. It begins with the one that the caller gave."""
        return self.request_ids.next(scope)

    def submission_for(
        self,
        operation: Operation,
        account_id: str,
        ids: Mapping[str, str],
        fields: dict[str, Any],
        named: str | None,
        expected: ExpectedVersions | None,
        key: ApiKey,
        request_id: str,
    ) -> Submission:
        """Make a submission for the committer. Raises Problem or Refusal for a field that is not valid."""
        body = validated(operation.body, fields)
        return self.submission_of(operation, account_id, ids, body, named, expected, key, request_id)

    def submission_of(
        self,
        operation: Operation,
        account_id: str,
        ids: Mapping[str, str],
        body: Body,
        named: str | None,
        expected: ExpectedVersions | None,
        key: ApiKey,
        request_id: str,
    ) -> Submission:
        """The same, of a body. A key of an account acts on that alone, in its own name. Raises Problem or Refusal."""
        if key.account_id is not None:
            check_own_account(key, account_id)
            body = in_own_name(key, body)
        check_account_id(account_id)
        for name in operation.path_ids:
            check_id(name, ids[name])
        command = on_own_hold(key, operation.build(account_id, ids, body, self._defaults))
        own = operation.key_without_header(body, command) if named is None else named
        if own is None:
            raise Problem("idempotency_key_required", _how_to_key(operation))
        metadata = Metadata(key.actor, operation.name, own, request_id)
        return Submission(command, metadata, fingerprint(operation.values(ids, body)), expected)


def refusal_for(key: ApiKey, refusal: Refusal) -> Refusal:
    """A refusal as the holder of a key may know it: who reads accounts learns which other account has a payment."""
    if isinstance(refusal, BatchRefused):
        return BatchRefused(refusal.index, refusal_for(key, refusal.cause))
    if isinstance(refusal, PaymentOfAnotherAccount) and not key.allows(READ):
        return refusal.without_account()
    return refusal


def endpoint_of(request: Request) -> CommandEndpoint:
    """The endpoint of commands of this process."""
    endpoint: CommandEndpoint = request.app.state.endpoint
    return endpoint


def finished(reply: Reply, operation: str, request_id: str, began: int) -> Reply:
    """A reply with its request id, counted as one of an operation. The request began at a moment of `monotonic_ns`."""
    reply.headers.append((b"x-request-id", request_id.encode()))
    metrics.count_command(operation, reply.status)
    observe_request(operation, began)
    return reply


def take_account_id(fields: dict[str, Any]) -> str:
    """The id of the account to open, which stays in the body."""
    account_id = fields.get("account_id")
    return account_id if isinstance(account_id, str) else ""  # the validation of the body reports the error


def _how_to_key(operation: Operation) -> str:
    own = f", or {operation.own_key} in the body" if operation.own_key else ""
    return f"Send an Idempotency-Key header{own}, so that the command can be repeated safely."


def _reply(outcome: Recorded, *, dry_run: bool) -> Reply:
    headers = [JSON]
    if outcome.replayed:
        headers.append(REPLAYED)
    status = 200 if dry_run or outcome.replayed else 201
    return Reply(status, headers, orjson.dumps(answer(outcome, dry_run=dry_run), option=OPTIONS))
