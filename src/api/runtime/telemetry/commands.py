"""The stages of commands as spans: `wait`, `decide` and `commit`, below the span of the request that sent them.

They are the stages of ledger.timings, with the same durations. The fast lane decides a command when it arrives, and
then keeps it until the commit before is done: the span `decide` is drawn at the end of that wait. A command that is
decided again has its stages again.

Commands of one batch share an append: the span `append` is below the request of the first of them that is traced, has
links to the requests of all that are, and is linked to by their commits. All of it is made by the process that owns the
log, when the batch is committed: a forwarded command brings the name of its request's span with it.
"""

from asyncio import Future
from collections.abc import Sequence
from time import monotonic_ns, time_ns
from typing import Any

from opentelemetry.trace import SpanContext

from api.runtime.telemetry import names
from api.runtime.telemetry.requests import traced_request
from api.runtime.telemetry.spans import Attributes, Spans, below, named_span
from ledger.commit.submission import Outcome, Submission
from ledger.service import Ledger
from ledger.timings.command_timings import CommandTimings, Lane, Timed


class TracedTimings(CommandTimings):
    """Makes spans of what it observes, for the commands whose requests are traced."""

    def __init__(self, spans: Spans) -> None:
        super().__init__()
        self._spans = spans

    def appended(self, commands: Sequence[Timed], began: int, ended: int) -> None:
        """As it is, with spans."""
        super().appended(commands, began, ended)
        traced = _traced(commands)
        append = self._append(traced, len(commands), (began, ended), "fast")
        for command in traced:
            self._stages(command, (command.since, began - command.took, began, ended), append)

    def locked(self, commands: Sequence[Timed], began: int, decided: int, ended: int) -> None:
        """As it is, with spans."""
        super().locked(commands, began, decided, ended)
        traced = _traced(commands)
        append = self._append(traced, len(commands), (decided, ended), "locked")
        for command in traced:
            self._stages(command, (command.since, began, decided, ended), append)

    def _append(
        self, traced: Sequence[Submission], commands: int, times: tuple[int, int], lane: Lane
    ) -> list[SpanContext]:
        """The span of an append, with links to the requests of its commands; none if nobody traces them."""
        requests = [named_span(one.trace) for one in traced if one.trace is not None]
        if not requests:
            return []
        attributes: Attributes = {names.COMMANDS: commands, names.LANE: lane}
        return [self._spans.add("append", below(requests[0]), _since_1970(*times), attributes, links=requests)]

    def _stages(self, command: Submission, times: tuple[int, int, int, int], append: Sequence[SpanContext]) -> None:
        """The spans of the stages of a command, between four moments of `monotonic_ns`."""
        assert command.trace is not None, "it is traced"
        parent, attributes = below(named_span(command.trace)), self._attributes(command)
        accepted, began, decided, ended = _since_1970(*times)
        self._spans.add("wait", parent, (accepted, began), attributes)
        self._spans.add("decide", parent, (began, decided), attributes)
        self._spans.add("commit", parent, (decided, ended), attributes, links=append)

    def _attributes(self, command: Submission) -> Attributes:
        found = {names.OPERATION: command.metadata.operation}
        if self._spans.accounts:
            found[names.ACCOUNT] = command.account_id
        if command.refusal is not None:
            found[names.REFUSAL] = command.refusal.code
        return found


class TracedLedger(Ledger):
    """A ledger that notes on each command which request has sent it."""

    def __init__(self, spans: Spans, conninfo: str, **more: Any) -> None:
        super().__init__(conninfo, timings=TracedTimings(spans), **more)

    def submit(self, submission: Submission) -> Future[Outcome]:
        """As it is, for the request in which it is called."""
        _note_request([submission])
        return super().submit(submission)

    async def execute(self, submission: Submission) -> Outcome:
        """As it is, for the request in which it is called."""
        _note_request([submission])
        return await super().execute(submission)

    async def execute_together(self, submissions: Sequence[Submission]) -> list[Outcome]:
        """As it is, for the request in which it is called."""
        _note_request(submissions)
        return await super().execute_together(submissions)


def _traced(commands: Sequence[Timed]) -> list[Submission]:
    return [one for one in commands if isinstance(one, Submission) and one.trace is not None]


def _note_request(submissions: Sequence[Submission]) -> None:
    request = traced_request()
    if request is not None:
        for submission in submissions:
            request.trace(submission)


def _since_1970(*moments: int) -> tuple[int, ...]:
    """Moments of `monotonic_ns` in nanoseconds since 1970."""
    offset = time_ns() - monotonic_ns()
    return tuple(moment + offset for moment in moments)
