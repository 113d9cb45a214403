"""The endpoint of commands: everything between a request and its answer, the same for every operation.

It authenticates the caller, finds the idempotency key, validates the body and executes the command. Single commands
and the commands of a batch share `submission_for`; they differ in where the key and the account come from.
"""

import asyncio
import itertools
import logging
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
from psycopg.errors import DiskFull, QueryCanceled
from pydantic import ValidationError
from starlette.requests import Request
from starlette.types import Receive, Scope

from api.contract.answering import answer, batch_result
from api.contract.bodies import MAX_BATCH
from api.contract.command_answers import BatchAnswer, BatchResult
from api.contract.operations import OPERATIONS, Defaults, Operation
from api.contract.problems import Problem, from_pydantic, from_refusal, invalid, projection_unavailable, query_timeout
from api.contract.scopes import COMMANDS, Scopes
from api.http import metrics
from api.http.ambiguity import check_unambiguous
from api.http.callers import CALLER, authorization_of, require
from api.http.request_body import ClientLeft
from api.http.requests import (
    MAX_BATCH_BODY,
    MAX_BODY,
    Headers,
    Reply,
    check_key,
    check_query,
    expected_versions,
    headers_of,
    idempotency_key,
    is_dry_run,
    read_batch,
    read_body,
    read_json,
)
from ledger.commit.submission import (
    ExpectedVersions,
    NoSession,
    Outcome,
    Overloaded,
    Recorded,
    StorageFull,
    Submission,
    Unavailable,
)
from ledger.domain.commands import check_account_id, check_id
from ledger.domain.errors import Refusal
from ledger.postgres.errors import LOST
from ledger.service import Ledger
from ledger.store import Metadata, fingerprint
from measures.refusals import RefusalCounter
from people.api_keys import ApiKey, KeyRing
from people.errors import AccessRefused
from projections.models.views import NotBuilt, NotYetVisible

_JSON = (b"content-type", b"application/json")
_REPLAYED = (b"idempotent-replayed", b"true")
_OPTIONS = orjson.OPT_UTC_Z

_log = logging.getLogger("credit_ledger.api")


class CommandEndpoint:
    """Turns requests into submissions and outcomes into replies."""

    def __init__(self, ledger: Ledger, keys: KeyRing, defaults: Defaults, refusals: RefusalCounter) -> None:
        self._ledger = ledger
        self._refusals = refusals
        self._keys = keys
        self._defaults = defaults
        self._origin = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    # One command -----------------------------------------------------------------------------------------------

    async def command(self, operation: Operation, ids: Mapping[str, str], scope: Scope, receive: Receive) -> Reply:
        """Answer a request for one command; `ids` are those in its path. Raises ClientLeft."""
        request_id = self.next_request_id()
        try:
            reply = await self._command(operation, ids, scope, receive, request_id)
        except Exception as error:
            reply = problem_reply(as_problem(error, request_id))
        return _finished(reply, operation.name, request_id)

    async def _command(
        self, operation: Operation, ids: Mapping[str, str], scope: Scope, receive: Receive, request_id: str
    ) -> Reply:
        headers = headers_of(scope)
        key = await self._authorized(scope, headers, operation.scopes)
        dry_run = is_dry_run(scope)
        expected = expected_versions(headers, scope)
        named = idempotency_key(headers)
        fields = read_json(await read_body(headers, receive, MAX_BODY))
        account_id = ids.get("account_id")
        if account_id is None:
            account_id = _take_account_id(fields)
        submission = self.submission_for(operation, account_id, ids, fields, named, expected, key, request_id)
        if dry_run:
            outcome = (await self._ledger.dry_run([submission], atomic=False))[0]
        else:
            outcome = await self._ledger.execute(submission)
            self.count_refusal(outcome)
        return _reply(outcome, dry_run=dry_run)

    async def _authorized(self, scope: Scope, headers: Headers, scopes: Scopes) -> ApiKey:
        """The caller's key. Nothing else of the request is looked at before. Raises AccessRefused and Problem."""
        key: ApiKey | None = scope.get(CALLER)
        key = key or await self._keys.authenticate(authorization_of(scope, headers))
        require(key, scopes)
        check_query(scope["query_string"])
        check_unambiguous(scope, headers)
        return key

    def next_request_id(self) -> str:
        """Make a request id that is unique among all processes."""
        return f"{self._origin}-{next(self._numbers):x}"

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
        try:
            body = operation.body.model_validate(fields)
        except ValidationError as error:
            raise from_pydantic(error.errors(include_url=False)) from None
        check_account_id(account_id)
        for name, value in ids.items():
            check_id(name, value)
        own = getattr(body, operation.own_key, None) if operation.own_key and named is None else named
        if own is None:
            raise Problem("idempotency_key_required", _how_to_key(operation))
        command = operation.build(account_id, ids, body, self._defaults)
        metadata = Metadata(key.actor, operation.name, own, request_id)
        return Submission(command, metadata, fingerprint(operation.values(ids, body)), expected)

    # Batches ---------------------------------------------------------------------------------------------------

    async def batch(self, scope: Scope, receive: Receive) -> Reply:
        """Answer a request for a batch. Raises ClientLeft."""
        request_id = self.next_request_id()
        try:
            reply = await self._batch(scope, receive, request_id)
        except Exception as error:
            reply = problem_reply(as_problem(error, request_id))
        return _finished(reply, "batch", request_id)

    async def _batch(self, scope: Scope, receive: Receive, request_id: str) -> Reply:
        headers = headers_of(scope)
        key = await self._authorized(scope, headers, COMMANDS)
        dry_run = is_dry_run(scope)
        fields, inexact = read_batch(await read_body(headers, receive, MAX_BATCH_BODY))
        atomic, commands = _batch_fields(fields)
        items = [inexact.get(n) or self._item(fields, key, f"{request_id}/{n}") for n, fields in enumerate(commands)]
        if atomic:
            results = await self._together(items, dry_run=dry_run)
        else:
            results = await self._each(items, dry_run=dry_run)
        document: BatchAnswer = {"results": results}
        return Reply(200, [_JSON], orjson.dumps(document, option=_OPTIONS))

    def _item(self, fields: object, key: ApiKey, request_id: str) -> Submission | Problem:
        """The submission of one command of a batch, or the problem why there is none."""
        try:
            return self._item_submission(fields, key, request_id)
        except (Problem, Refusal) as error:
            return as_problem(error, request_id)

    def _item_submission(self, fields: object, key: ApiKey, request_id: str) -> Submission:
        if not isinstance(fields, dict):
            raise invalid("command", "must be a JSON object")
        operation = OPERATIONS.get(name) if isinstance(name := fields.pop("op", None), str) else None
        if operation is None:
            raise invalid("op", f"must be one of {', '.join(OPERATIONS)}")
        require(key, operation.scopes)
        account_id = _take_account_id(fields) if operation.opens else fields.pop("account_id", None)
        if not isinstance(account_id, str):
            raise invalid("account_id", "must be a string")
        named = fields.pop("idempotency_key", None)
        if named is not None:
            named = check_key(named, "idempotency_key")
        expected = _item_version(fields.pop("if_match", None))
        ids = {name: _path_id(name, fields) for name in operation.path_ids} if operation.path_ids else {}
        return self.submission_for(operation, account_id, ids, fields, named, expected, key, request_id)

    async def _each(self, items: list[Submission | Problem], *, dry_run: bool) -> list[BatchResult]:
        if dry_run:
            submissions = [item for item in items if isinstance(item, Submission)]
            outcomes = dict(zip(submissions, await self._ledger.dry_run(submissions, atomic=False), strict=True))
            return [_result(item if isinstance(item, Problem) else outcomes[item], dry_run=True) for item in items]
        submitted = [item if isinstance(item, Problem) else self._submit(item) for item in items]
        results = [one if isinstance(one, Problem) else await _outcome_of(one) for one in submitted]
        for one in results:
            self.count_refusal(one)
        return [_result(one) for one in results]

    def count_refusal(self, outcome: Outcome | Problem) -> None:
        """Count an outcome that is a refusal, for Prometheus and for the statistics. A dry run is not counted."""
        if isinstance(outcome, Refusal):
            metrics.count_refusal(outcome.code)
            self._refusals.count(outcome.code)

    def _submit(self, submission: Submission) -> "_Submitted | Problem":
        request_id = submission.metadata.request_id
        try:
            return _Submitted(self._ledger.submit(submission), request_id)
        except (Overloaded, Unavailable) as error:
            return as_problem(error, request_id)

    async def _together(self, items: list[Submission | Problem], *, dry_run: bool) -> list[BatchResult]:
        submissions = []
        for index, item in enumerate(items):
            if isinstance(item, Problem):
                raise _batch_refused(index, item)
            submissions.append(item)
        if dry_run:
            outcomes = await self._ledger.dry_run(submissions, atomic=True)
        else:
            outcomes = await self._ledger.execute_together(submissions) if submissions else []
        for outcome in outcomes:
            if isinstance(outcome, Refusal):
                raise from_refusal(outcome)
        return [_result(outcome, dry_run=dry_run) for outcome in outcomes]


def endpoint_of(request: Request) -> CommandEndpoint:
    """The endpoint of commands of this process."""
    endpoint: CommandEndpoint = request.app.state.endpoint
    return endpoint


def _batch_refused(index: int, problem: Problem) -> Problem:
    return Problem(
        "batch_refused",
        f"Command {index} of the atomic batch is not valid, so no command was executed: {problem.detail}",
        index=index,
        cause={"code": problem.code, "detail": problem.detail, **problem.facts},
    )


def _finished(reply: Reply, operation: str, request_id: str) -> Reply:
    reply.headers.append((b"x-request-id", request_id.encode()))
    metrics.count_command(operation, reply.status)
    return reply


class _Submitted(NamedTuple):
    """A command of a batch that waits for its commit."""

    outcome: "asyncio.Future[Outcome]"
    request_id: str


async def _outcome_of(submitted: _Submitted) -> Outcome | Problem:
    outcome = submitted.outcome
    try:
        return outcome.result() if outcome.done() else await outcome
    except Exception as error:
        return as_problem(error, submitted.request_id)


def _take_account_id(fields: dict[str, Any]) -> str:
    account_id = fields.get("account_id")
    return account_id if isinstance(account_id, str) else ""  # the validation of the body reports the error


def _batch_fields(fields: dict[str, Any]) -> tuple[bool, list[Any]]:
    for name in fields.keys() - {"atomic", "commands"}:
        raise invalid(name, "is not a field of this request")
    atomic, commands = fields.get("atomic", False), fields.get("commands")
    if not isinstance(atomic, bool):
        raise invalid("atomic", "must be true or false")
    if not isinstance(commands, list):
        raise invalid("commands", "must be a list")
    if len(commands) > MAX_BATCH:
        raise Problem("batch_too_large", f"A batch may have at most {MAX_BATCH} commands.", limit=MAX_BATCH)
    return atomic, commands


def _item_version(value: object) -> ExpectedVersions | None:
    if value is not None and (type(value) is not int or value < 0):
        raise invalid("if_match", "must be an account version")
    return None if value is None else ExpectedVersions((value,))


def _path_id(name: str, fields: dict[str, Any]) -> str:
    value = fields.pop(name, None)
    if not isinstance(value, str):
        raise invalid(name, "must be a string")
    return value


def _how_to_key(operation: Operation) -> str:
    own = f", or {operation.own_key} in the body" if operation.own_key else ""
    return f"Send an Idempotency-Key header{own}, so that the command can be repeated safely."


def problem_reply(problem: Problem) -> Reply:
    """A problem as a reply."""
    return Reply(problem.status, problem.headers(), problem.body())


def as_problem(error: Exception, request_id: str) -> Problem:
    """Convert an error of a request to a problem. An unexpected one is logged with the id. Raises ClientLeft."""
    match error:
        case ClientLeft():
            raise error
        case Problem():
            return error
        case Refusal():
            return from_refusal(error)
        case AccessRefused():
            return Problem(error.code, error.detail, retry_after=error.retry_after, **error.facts)
        case Overloaded():
            return Problem(
                "overloaded",
                "Too many commands are waiting for their commit. Send the request again later.",
                retry_after=1,
            )
        case StorageFull():
            return Problem(
                "storage_full",
                "The storage of the database is full, so nothing can be recorded until an operator frees space. "
                "Send the request again later with the same key.",
                retry_after=5,
            )
        case NoSession():
            return Problem(
                "unavailable",
                "The connection pooler before the database does not keep sessions, so nothing can be recorded until an "
                "operator connects the ledger directly. Send the request again later with the same key.",
                retry_after=5,
            )
        case Unavailable():
            return Problem(
                "unavailable",
                "The database cannot be reached, so the outcome is not known. Repeat the request with the same key.",
                retry_after=2,
            )
        case NotYetVisible():
            return Problem(
                "not_yet_visible",
                f"Position {error.wanted} is not visible yet: the projections are at {error.position}. Ask again.",
                retry_after=1,
                min_position=error.wanted,
                as_of_position=error.position,
            )
        case NotBuilt():
            return projection_unavailable()
        case QueryCanceled():
            return query_timeout()
        case _ if isinstance(error, LOST):  # of a query or a dry run; the committer handles its own
            return as_problem(StorageFull() if isinstance(error, DiskFull) else Unavailable(), request_id)
        case _:
            _log.error("request %s failed", request_id, exc_info=error)
            return Problem(
                "internal_error",
                "The service failed to answer this request. Its log has the cause with the request id.",
                request_id=request_id,
            )


def _reply(outcome: Outcome, *, dry_run: bool) -> Reply:
    if isinstance(outcome, Refusal):
        return problem_reply(from_refusal(outcome))
    headers = [_JSON]
    if outcome.replayed:
        headers.append(_REPLAYED)
    status = 200 if dry_run or outcome.replayed else 201
    return Reply(status, headers, orjson.dumps(answer(outcome, dry_run=dry_run), option=_OPTIONS))


def _result(outcome: Outcome | Problem, *, dry_run: bool = False) -> BatchResult:
    """The result of one command of a batch: its status, and the fields of its answer."""
    if isinstance(outcome, Recorded):
        return batch_result(outcome, 200 if dry_run or outcome.replayed else 201, dry_run=dry_run)
    if isinstance(outcome, Refusal):
        outcome = from_refusal(outcome)
    return outcome.document()
