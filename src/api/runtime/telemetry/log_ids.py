"""The ids of the trace and the span in which a line of the log was written, for logs as JSON."""

import logging

from opentelemetry.trace import format_span_id, format_trace_id, get_current_span


class TraceIds(logging.Filter):
    """Gives `trace_id` and `span_id` to records that are made within a span. It drops none."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Note the ids."""
        span = get_current_span().get_span_context()
        if span.is_valid:
            record.trace_id, record.span_id = format_trace_id(span.trace_id), format_span_id(span.span_id)
        return True


def note_trace_ids() -> None:
    """Note the ids in all records that the log of this process gets from now on."""
    for handler in logging.getLogger().handlers:
        if not any(isinstance(one, TraceIds) for one in handler.filters):
            handler.addFilter(TraceIds())
