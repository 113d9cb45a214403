"""Whether a process sends traces and metrics to a collector, and what of the process differs then. By default nothing.

The standard variables of OpenTelemetry switch it on: see docs/operations.md, Traces. A process that sends nothing is
made of its plain parts, so no request meets a question about it, and none of the modules beside this one is imported.
"""

import logging
import os
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeVar

from starlette.routing import BaseRoute
from starlette.types import ASGIApp

Part = TypeVar("Part")
Work = Callable[[], Coroutine[Any, Any, None]]
"""What is done in the background until it is cancelled."""
Exposition = Callable[[], Awaitable[bytes]]
"""Makes the text of /metrics."""
_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"
_SIGNALS = ("TRACES", "METRICS")
_HTTP = "http/protobuf"
_NEEDED = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
"""What the extra `otel` installs."""
_log = logging.getLogger("credit_ledger.telemetry")


class Telemetry:
    """What a process does differently because it sends telemetry. This one sends none."""

    def of(self, part: type[Part]) -> Callable[..., Part]:
        """What makes a part of the process: its class, or a class of it that makes spans."""
        return part

    def around(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> ASGIApp:
        """The application with a span around each request; `routes` are those that it answers."""
        del routes
        return app

    def work(self, exposition: Exposition) -> dict[str, Work]:
        """What is done until the process ends, by the names under which restarts are counted."""
        del exposition
        return {}

    async def stop(self) -> None:
        """Send what is left. It takes two seconds at most."""


OFF = Telemetry()
"""No telemetry."""


def wanted_signals(told: Mapping[str, str]) -> tuple[str, ...]:
    """Which of TRACES and METRICS the variables in `told` ask for: those for which there is an endpoint."""
    if told.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ()
    return tuple(signal for signal in _SIGNALS if _endpoint_of(signal, told) and not _is_off(signal, told))


def why_not(told: Mapping[str, str]) -> str | None:
    """Why a process sends nothing although the variables in `told` ask for it; None when it does, or they do not."""
    signals = wanted_signals(told)
    other = next((found for signal in signals if (found := _protocol_of(signal, told)) != _HTTP), None)
    if other is not None:
        return f"no telemetry is sent: the protocol of OTLP is {other}, and this program speaks {_HTTP} alone"
    if signals and not _is_installed():
        return "no telemetry is sent: it needs packages that are not installed: install credit-ledger[otel]"
    return None


def telemetry_here(*, accounts: bool, start: str = "") -> Telemetry:
    """What this process sends, as its environment says. With `accounts`, spans have the ids of accounts.

    `start` names the start of the service that the process belongs to. A process that cannot send what is asked for
    sends nothing: the parent process has said why.
    """
    signals = wanted_signals(os.environ)
    if not signals or why_not(os.environ) is not None:
        return OFF
    try:
        sending = import_module("api.runtime.telemetry.sending")
        here: Telemetry = sending.Sending(signals, accounts=accounts, start=start)
    except (ImportError, ValueError) as error:  # of the library, about a variable or a package of its own
        _log.error("no telemetry is sent: %s", error)
        return OFF
    return here


def _endpoint_of(signal: str, told: Mapping[str, str]) -> str:
    return told.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT") or told.get(_ENDPOINT, "")


def _is_off(signal: str, told: Mapping[str, str]) -> bool:
    return told.get(f"OTEL_{signal}_EXPORTER", "").strip().lower() == "none"


def _protocol_of(signal: str, told: Mapping[str, str]) -> str:
    return told.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL") or told.get(_PROTOCOL) or _HTTP


def _is_installed() -> bool:
    try:
        return all(find_spec(name) is not None for name in _NEEDED)
    except ModuleNotFoundError:  # of a package above
        return False
