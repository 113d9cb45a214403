"""The endpoint of batches: many commands in one request, each answered as if it came alone, or all of them or none.

A batch may have thousands of commands, so everything is done in slices between which other requests are served.
"""

import asyncio
from collections.abc import Iterable, Sequence
from time import monotonic_ns
from typing import Any, NamedTuple

import orjson
from starlette.types import Receive, Scope

from api.contract.answers.answering import batch_result
from api.contract.answers.commands import BatchResult
from api.contract.operations import OPERATIONS
from api.contract.problems import Problem, from_refusal, invalid
from api.contract.scopes import COMMANDS
from api.http.commands.batch_body import read_large_batch
from api.http.commands.command_endpoint import (
    JSON,
    OPTIONS,
    CommandEndpoint,
    finished,
    refusal_for,
    take_account_id,
)
from api.http.requests.own_account import admit
from api.http.requests.replies import Reply, as_problem, problem_reply
from api.http.requests.request import MAX_BATCH_BODY, check_key, headers_of, is_dry_run, read_body
from ledger.commit.submission import ExpectedVersions, Outcome, Overloaded, Recorded, Submission, Unavailable
from ledger.domain.errors import Refusal
from ledger.service import Ledger
from ledger.slices import Slices
from people.api_keys import ApiKey

_ENCODED = 100
"""The number of results that are encoded at once."""

Item = Submission | Problem
"""One command of a batch, or the problem why there is none."""
Answer = Recorded | Problem


class BatchEndpoint:
    """Turns batches into submissions, and their outcomes into one reply."""

    def __init__(self, ledger: Ledger, commands: CommandEndpoint) -> None:
        self._ledger = ledger
        self._commands = commands

    async def batch(self, scope: Scope, receive: Receive) -> Reply:
        """Answer a request for a batch. Raises ClientLeft."""
        began = monotonic_ns()
        request_id = self._commands.next_request_id(scope)
        try:
            reply = await self._batch(scope, receive, request_id)
        except Exception as error:
            reply = problem_reply(as_problem(error, request_id))
        return finished(reply, "batch", request_id, began)

    async def _batch(self, scope: Scope, receive: Receive, request_id: str) -> Reply:
        headers = headers_of(scope)
        key = await self._commands.authorized(scope, headers, "POST /v1/batch", COMMANDS)
        dry_run = is_dry_run(scope)
        body = await read_body(scope, headers, receive, MAX_BATCH_BODY)
        atomic, items = await read_large_batch(body, lambda fields, n: self._item(fields, key, f"{request_id}/{n}"))
        self._commands.count_commands(scope, key, len(items) - 1)
        if atomic:
            answers = await self._together(items, key, dry_run=dry_run)
        else:
            outcomes = await self._each(items, dry_run=dry_run)
            answers = await self._told(items, outcomes, key, scope.get("root_path", ""))
        return Reply(200, [JSON], await _encoded(items, answers, dry_run=dry_run))

    # Commands to submissions -------------------------------------------------------------------------------------

    def _item(self, fields: object, key: ApiKey, request_id: str) -> Item:
        try:
            return self._submission(fields, key, request_id)
        except (Problem, Refusal) as error:
            return as_problem(error, request_id)

    def _submission(self, fields: object, key: ApiKey, request_id: str) -> Submission:
        if not isinstance(fields, dict):
            raise invalid("command", "must be a JSON object")
        operation = OPERATIONS.get(name) if isinstance(name := fields.pop("op", None), str) else None
        if operation is None:
            raise invalid("op", f"must be one of {', '.join(OPERATIONS)}")
        admit(key, operation.route, operation.scopes)
        account_id = take_account_id(fields) if operation.opens else fields.pop("account_id", None)
        if not isinstance(account_id, str):
            raise invalid("account_id", "must be a string")
        named = fields.pop("idempotency_key", None)
        if named is not None:
            named = check_key(named, "idempotency_key")
        expected = _item_version(fields.pop("if_match", None))
        ids = {name: _path_id(name, fields) for name in operation.path_ids} if operation.path_ids else {}
        return self._commands.submission_for(operation, account_id, ids, fields, named, expected, key, request_id)

    # Submissions to answers --------------------------------------------------------------------------------------

    async def _each(self, items: list[Item], *, dry_run: bool) -> list[Outcome | Problem]:
        submissions = [item for item in items if isinstance(item, Submission)]
        if dry_run:
            outcomes = dict(zip(submissions, await self._ledger.dry_run(submissions, atomic=False), strict=True))
            return [item if isinstance(item, Problem) else outcomes[item] for item in items]
        replays = await self._ledger.replays_of_repeated(submissions)
        answers = [await _outcome_of(one) for one in await self._submit_all(items, replays)]
        self._commands.count_refusals(answers)
        return answers

    async def _told(
        self, items: Sequence[Item], outcomes: Sequence[Outcome | Problem], key: ApiKey, root_path: str
    ) -> list[Answer]:
        """The outcomes, with each refusal as the problem that its command has alone."""
        found: list[Answer] = []
        work = Slices()
        for item, outcome in zip(items, outcomes, strict=True):
            if isinstance(outcome, Refusal):
                assert isinstance(item, Submission)
                found.append(await self._commands.problem_of(outcome, item.account_id, key, root_path))
            else:
                found.append(outcome)
            if work.over:
                await work.pause()
        return found

    async def _submit_all(
        self, items: Iterable[Item], replays: dict[Submission, Outcome]
    ) -> "list[_Submitted | Outcome | Problem]":
        submitted: list[_Submitted | Outcome | Problem] = []
        work = Slices()
        for item in items:
            submitted.append(item if isinstance(item, Problem) else replays.get(item) or self._submit(item))
            if work.over:
                await work.pause()
        return submitted

    def _submit(self, submission: Submission) -> "_Submitted | Problem":
        request_id = submission.metadata.request_id
        try:
            return _Submitted(self._ledger.submit(submission), request_id)
        except (Overloaded, Unavailable) as error:
            return as_problem(error, request_id)

    async def _together(self, items: list[Item], key: ApiKey, *, dry_run: bool) -> list[Answer]:
        submissions = []
        for index, item in enumerate(items):
            if isinstance(item, Problem):
                raise _batch_refused(index, item)
            submissions.append(item)
        if dry_run:
            outcomes = await self._ledger.dry_run(submissions, atomic=True)
        else:
            replays = await self._ledger.replays_of_repeated(submissions)
            if len(replays) == len(submissions):
                outcomes = list(replays.values())
            else:
                outcomes = await self._ledger.execute_together(submissions)
        recorded: list[Answer] = []
        for outcome in outcomes:
            if isinstance(outcome, Refusal):
                raise from_refusal(refusal_for(key, outcome))
            recorded.append(outcome)
        return recorded


class _Submitted(NamedTuple):
    """A command of a batch that waits for its commit."""

    outcome: "asyncio.Future[Outcome]"
    request_id: str


async def _outcome_of(submitted: _Submitted | Outcome | Problem) -> Outcome | Problem:
    if not isinstance(submitted, _Submitted):
        return submitted
    outcome = submitted.outcome
    try:
        return outcome.result() if outcome.done() else await outcome
    except Exception as error:
        return as_problem(error, submitted.request_id)


async def _encoded(items: Sequence[Item], answers: Sequence[Answer], *, dry_run: bool) -> bytes:
    """The results as JSON, the `BatchAnswer` of the contract, encoded in slices."""
    parts: list[bytes] = []
    results: list[BatchResult] = []
    work = Slices()
    for item, answer in zip(items, answers, strict=True):
        results.append(_result(item, answer, dry_run=dry_run))
        if len(results) >= _ENCODED:
            parts.append(orjson.dumps(results, option=OPTIONS)[1:-1])
            results = []
            if work.over:
                await work.pause()
    parts += [orjson.dumps(results, option=OPTIONS)[1:-1]] if results else []
    return b'{"results":[' + b",".join(parts) + b"]}"


def _result(item: Item, answer: Answer, *, dry_run: bool) -> BatchResult:
    """The result of one command of a batch: its operation and status, and the fields of its answer."""
    if isinstance(answer, Problem):
        return answer.document()
    assert isinstance(item, Submission), "what was recorded was submitted"
    status = 200 if dry_run or answer.replayed else 201
    return batch_result(answer, item.metadata.operation, status, dry_run=dry_run)


def _batch_refused(index: int, problem: Problem) -> Problem:
    return Problem(
        "batch_refused",
        f"The command with index {index} of the atomic batch is not valid, so none was carried out: {problem.detail}",
        index=index,
        cause={"code": problem.code, "detail": problem.detail, **problem.facts},
    )


def _item_version(value: object) -> ExpectedVersions | None:
    if value is not None and (type(value) is not int or value < 0):
        raise invalid("if_match", "must be an account version")
    return None if value is None else ExpectedVersions((value,))


def _path_id(name: str, fields: dict[str, Any]) -> str:
    value = fields.pop(name, None)
    if not isinstance(value, str):
        raise invalid(name, "must be a string")
    return value
