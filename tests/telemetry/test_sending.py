"""A process that stops sends what is left, and does not wait for a collector that is away."""

import socket
import time
from collections.abc import Iterator

import pytest
from opentelemetry.context import Context

from api.runtime.telemetry.sending import Sending
from ledger.service import Ledger
from tests.telemetry.collector import collecting


@pytest.fixture
def mute() -> Iterator[str]:
    """The address of a collector that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def sending(monkeypatch: pytest.MonkeyPatch, url: str) -> Sending:
    """What sends to a collector, with a span to send that it would keep for an hour."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    found = Sending(("TRACES", "METRICS"), accounts=False, start="this")
    assert found._spans is not None
    found._spans.add("last", Context(), (1, 2))
    return found


async def test_what_is_left_is_sent_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with collecting() as collector:
        process = sending(monkeypatch, collector.url)
        assert process.of(int) is int
        assert process.of(Ledger) is not Ledger
        assert collector.spans == []
        await process.stop()
        [span] = collector.spans
    assert (span.name, span.began, span.ended) == ("last", 1, 2)
    assert (span.sender["service.name"], span.sender["service.instance.id"]) == ("credit-ledger", "this")


async def test_nobody_waits_for_a_collector_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, mute: str) -> None:
    process = sending(monkeypatch, mute)
    began = time.monotonic()
    await process.stop()
    assert time.monotonic() - began < 8
