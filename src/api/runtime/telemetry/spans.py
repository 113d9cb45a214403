"""Spans: how they are made, and how they are named in other processes.

A span that is made when its work is done gets the times at which it began and ended.
"""

from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from api.runtime.telemetry import names

Attributes = Mapping[str, str | int | bool]
Part = TypeVar("Part")


def as_traceparent(span: SpanContext) -> str:
    """A span as the header `traceparent` names it (W3C Trace Context)."""
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"


def named_span(traceparent: str) -> SpanContext:
    """The span that `as_traceparent` has named, here or in another process."""
    _, trace_id, span_id, flags = traceparent.split("-")
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))


def below(span: SpanContext) -> Context:
    """The context of the children of a span."""
    return set_span_in_context(NonRecordingSpan(span), Context())


class Spans:
    """Makes spans. With `accounts`, they have the ids of accounts."""

    def __init__(self, tracer: Tracer, *, accounts: bool) -> None:
        self.accounts = accounts
        self._tracer = tracer

    def start(
        self,
        name: str,
        parent: Context,
        attributes: Attributes | None = None,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        began: int | None = None,
        links: Sequence[SpanContext] = (),
    ) -> Span:
        """A span that has begun, now or at `began` (nanoseconds since 1970)."""
        return self._tracer.start_span(name, parent, kind, attributes, [Link(one) for one in links], began)

    def add(
        self,
        name: str,
        parent: Context,
        times: tuple[int, ...],
        attributes: Attributes | None = None,
        links: Sequence[SpanContext] = (),
    ) -> SpanContext:
        """A span of what is done already, from the first time to the last one."""
        span = self.start(name, parent, attributes, began=times[0], links=links)
        span.end(times[-1])
        return span.get_span_context()

    async def turn(self, name: str, work: Awaitable[int]) -> int:
        """Do a turn of work, and make a span of it if there was something to do. Returns how much that was.

        A span that does not end is never sent.
        """
        span = self.start(name, Context())
        with _within(span, Context(), Exception):
            done = await work
        if done:
            span.set_attribute(names.COUNT, done)
            span.end()
        return done

    @contextmanager
    def outgoing(self, name: str, attributes: Attributes) -> Iterator[Span]:
        """A span of what another server is asked for, until the block ends, below the one in which that is done."""
        context = get_current()
        span = self.start(name, context, attributes, kind=SpanKind.CLIENT)
        with _within(span, context, BaseException):
            yield span
        span.end()


@contextmanager
def _within(span: Span, parent: Context, failures: type[BaseException]) -> Iterator[None]:
    """Do what is done in the block within a span, which ends with such a failure."""
    token = attach(set_span_in_context(span, parent))
    try:
        yield
    except failures as error:
        fail(span, error)
        span.end()
        raise
    finally:
        detach(token)


def like(part: type[Part], **members: Any) -> type[Part]:
    """A class like `part`, with some members in place of its own."""
    return cast("type[Part]", type(f"Traced{part.__name__}", (part,), members))


def fail(span: Span, error: BaseException) -> None:
    """Say that what a span is about has failed. The text of the error stays in the log: it may have personal data."""
    span.set_attribute(names.ERROR, type(error).__qualname__)
    span.set_status(Status(StatusCode.ERROR))
